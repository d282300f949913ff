package encapsulate

import (
	"archive/tar"
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/treenail/treenail/format/object"
	"github.com/treenail/treenail/format/ostreetar"
	"github.com/treenail/treenail/oci"
	"github.com/treenail/treenail/ostreerepo"
)

// Stored is an image whose layers a repository has as commits, in the form in which
// ostree-ext keeps them.
type Stored struct {
	Image *oci.Image // as it was
	// Base counts the layers of the encapsulated commit: the commit itself, then flat
	// directories of objects. Zero: there is none.
	Base   int
	Layers []StoredLayer
}

// StoredLayer is one layer of a Stored.
type StoredLayer struct {
	Commit  object.Checksum
	Implied []string // directories of a derived layer that it had no entries for
}

// Rebuild writes an image again from the commits of its layers. What was in a layer is
// in the same one again, config, annotations and history are as they were, and the label
// of the last layer of the commit is right. The layers are other tars than they were:
// of derived ones the repository has no times and no hard links. The documents in
// s.Image become those of the new image.
func Rebuild(ctx context.Context, r *ostreerepo.Repo, s Stored, sink oci.Sink, level int, progress func(done, total int64)) (oci.Digest, error) {
	if n := len(s.Image.Manifest.Layers); n != len(s.Layers) || n != len(s.Image.Config.RootFS.DiffIDs) {
		return "", fmt.Errorf("image %s: %d layers, %d commits of them", s.Image.Digest, n, len(s.Layers))
	}
	b := &rebuild{ctx: ctx, repo: r, sink: sink, level: level, image: s.Image}
	err := b.base(s.Layers[:s.Base], progress)
	for i, l := range s.Layers[s.Base:] {
		if err == nil {
			err = b.derived(s.Base+i, l)
		}
	}
	if err != nil {
		return "", fmt.Errorf("image %s: %w", s.Image.Digest, err)
	}
	return putEdited(ctx, sink, s.Image, b.diffIDs)
}

// rebuild is one Rebuild.
type rebuild struct {
	ctx     context.Context
	repo    *ostreerepo.Repo
	sink    oci.Sink
	level   int
	image   *oci.Image
	diffIDs []oci.DiffID // of the layers that are written
}

// add notes a layer that was written.
func (b *rebuild) add(d oci.Descriptor, diffID oci.DiffID) {
	at := &b.image.Manifest.Layers[len(b.diffIDs)]
	d.Annotations = at.Annotations
	*at = d
	b.diffIDs = append(b.diffIDs, diffID)
}

// base writes the layers of the commit.
func (b *rebuild) base(layers []StoredLayer, progress func(done, total int64)) error {
	if len(layers) == 0 {
		return nil
	}
	c, err := readCommit(b.repo, layers[0].Commit)
	if err != nil {
		return err
	}
	tree, err := readTree(b.ctx, b.repo, c.Commit)
	if err != nil {
		return err
	}
	var chunks []Chunk
	for i, l := range layers[1:] {
		chunk, err := b.chunk(tree, l.Commit)
		if err != nil {
			return fmt.Errorf("layer %d: %w", i+1, err)
		}
		chunks = append(chunks, chunk)
	}
	e := &encapsulation{
		ctx: b.ctx, sink: b.sink, options: &Options{Compression: gzipLevel(b.level)}, commit: c, tree: tree, progress: newProgress(progress, tree),
	}
	written := e.layers(chunks)
	if err := e.each(written, e.putLayer); err != nil {
		return err
	}
	for _, l := range written {
		l.Descriptor.MediaType = gzipOf(b.image)
		b.add(l.Descriptor, l.DiffID)
	}
	return nil
}

// chunk reads which objects a layer has.
func (b *rebuild) chunk(tree *Tree, commit object.Checksum) (c Chunk, err error) {
	set, err := b.repo.Commit(commit)
	if err != nil {
		return c, err
	}
	files, err := b.repo.DirTree(set.Tree)
	if err != nil {
		return c, err
	}
	for _, f := range files.Files {
		if _, ok := tree.index[f.Checksum]; !ok {
			return c, fmt.Errorf("object %s is not in the commit", f.Checksum)
		}
		c.Objects = append(c.Objects, f.Checksum)
	}
	slices.SortFunc(c.Objects, object.Checksum.Compare)
	c.Size = tree.size(c.Objects)
	return c, nil
}

// derived writes a layer that lies over the commit.
func (b *rebuild) derived(index int, l StoredLayer) error {
	d, diffID, err := putTar(b.ctx, b.sink, gzipOf(b.image), b.level, func(w io.Writer) error { return b.tar(w, l) })
	if err != nil {
		return fmt.Errorf("layer %d: %w", index, err)
	}
	b.add(d, diffID)
	return nil
}

func (b *rebuild) tar(w io.Writer, l StoredLayer) error {
	c, err := b.repo.Commit(l.Commit)
	if err != nil {
		return err
	}
	out := tar.NewWriter(w)
	for e, err := range b.repo.Walk(c.Tree, c.Meta) {
		if err == nil {
			err = b.ctx.Err()
		}
		if err != nil {
			return err
		}
		path := strings.TrimPrefix(e.Path, "/")
		switch {
		case path == "" || e.Dir && slices.Contains(l.Implied, path):
		case e.Dir:
			err = b.dir(out, path, e)
		default:
			err = b.file(out, path, e)
		}
		if err != nil {
			return fmt.Errorf("path %s: %w", e.Path, err)
		}
	}
	return out.Close()
}

// header begins an entry of a derived layer.
func header(path string, h object.FileHeader) *tar.Header {
	if path == "usr/.wh.etc" {
		path = ".wh.etc" // which import moves, too
	}
	t := &tar.Header{Name: ostreetar.MapPath(path), Mode: int64(h.Mode & object.ModePerm), Uid: int(h.UID), Gid: int(h.GID), ModTime: time.Unix(0, 0)}
	for _, x := range h.Xattrs {
		if x.Name == "security.selinux" {
			continue // a label is what the policy of a host says
		}
		if t.PAXRecords == nil {
			t.PAXRecords = map[string]string{}
		}
		t.PAXRecords["SCHILY.xattr."+x.Name] = string(x.Value)
	}
	return t
}

func (b *rebuild) dir(out *tar.Writer, path string, e ostreerepo.Entry) error {
	m, err := b.repo.DirMeta(e.Meta)
	if err != nil {
		return err
	}
	h := header(path, object.FileHeader{UID: m.UID, GID: m.GID, Mode: m.Mode, Xattrs: m.Xattrs})
	h.Typeflag, h.Name = tar.TypeDir, h.Name+"/"
	return out.WriteHeader(h)
}

func (b *rebuild) file(out *tar.Writer, path string, e ostreerepo.Entry) error {
	f, err := b.repo.OpenFile(e.Checksum)
	if err != nil {
		return err
	}
	defer f.Close()
	h := header(path, f.Header)
	h.Typeflag, h.Size = tar.TypeReg, f.Size
	if f.Header.IsSymlink() {
		h.Typeflag, h.Size, h.Linkname = tar.TypeSymlink, 0, f.Header.Target
	}
	if err := out.WriteHeader(h); err != nil {
		return err
	}
	if f.Header.IsSymlink() {
		return f.Verify()
	}
	_, err = io.Copy(out, f)
	return err
}
