package ostree

import (
	"errors"
	"fmt"

	"github.com/treenail/treenail/cmd/internal/cli"
	"github.com/treenail/treenail/format/gvariant"
	"github.com/treenail/treenail/format/object"
	"github.com/treenail/treenail/ostreerepo"
)

// variantTypes are the types of the metadata objects that show prints raw
// (libostree repo format).
var variantTypes = map[object.Type]gvariant.Type{
	object.TypeDirTree: "(a(say)a(sayay))",
	object.TypeDirMeta: "(uuua(ayay))",
}

// directory shows a dirtree or a dirmeta.
func (o *showOptions) directory(env *cli.Env, repo *ostreerepo.Repo, n object.Name) error {
	data, err := repo.Metadata(n)
	if err != nil {
		return err
	}
	text := o.dump().text(gvariant.FromBytes(variantTypes[n.Type], data))
	if o.json {
		return env.JSON(map[string]string{"object": n.Checksum.String(), "type": n.Type.String(), "value": text})
	}
	env.Printf("%s %s\n", n.Type, n.Checksum)
	if o.dump().variant() {
		env.Println(text)
	}
	return nil
}

// jsonFile is a content object in JSON output.
type jsonFile struct {
	Object   object.Checksum `json:"object"`
	Type     string          `json:"type"`
	FileType string          `json:"fileType"` // "regular" or "symlink"
	Size     *int64          `json:"size,omitempty"`
	Target   string          `json:"target,omitempty"`
	Mode     string          `json:"mode"` // octal, with the type
	UID      uint32          `json:"uid"`
	GID      uint32          `json:"gid"`
	Xattrs   string          `json:"xattrs"` // GVariant text
}

// file shows the header of a content object.
func (o *showOptions) file(env *cli.Env, repo *ostreerepo.Repo, c object.Checksum) error {
	h, size, err := repo.Stat(c)
	switch {
	case errors.Is(err, ostreerepo.ErrNotFound) && repo.Mode().Bare():
		return fmt.Errorf("Opening content object %s: Couldn't find file object '%s'", c, c)
	case errors.Is(err, ostreerepo.ErrNotFound):
		return fmt.Errorf("Couldn't find file object '%s'", c)
	case err != nil:
		return err
	}
	f := jsonFile{
		Object: c, Type: object.TypeFile.String(), FileType: "symlink", Target: h.Target,
		Mode: fmt.Sprintf("0%04o", h.Mode), UID: h.UID, GID: h.GID, Xattrs: xattrText(h.Xattrs),
	}
	if !h.IsSymlink() {
		f.FileType, f.Size = "regular", &size
	}
	if o.json {
		return env.JSON(f)
	}
	env.Printf("Object: %s\nType: %s\nFile Type: %s\n", f.Object, f.Type, f.FileType)
	if h.IsSymlink() {
		env.Printf("Target: %s\n", f.Target)
	} else {
		env.Printf("Size: %d\n", size)
	}
	env.Printf("Mode: %s\nUid: %d\nGid: %d\nExtended Attributes: { %s }\n", f.Mode, f.UID, f.GID, f.Xattrs)
	return nil
}

// xattrText is the GVariant text of extended attributes.
func xattrText(x object.Xattrs) string {
	return gvariant.FromBytes("a(ayay)", x.Encode()).Print(true)
}

// printSizes adds up the sizes metadata of a commit, all of it and what is not
// in the repository.
func printSizes(env *cli.Env, repo *ostreerepo.Repo, rev string) error {
	_, commit, err := loadRev(repo, rev)
	if err != nil {
		return err
	}
	sizes, err := commit.Sizes()
	if err != nil {
		return err
	}
	var needed, total object.Size
	var missing int
	for _, s := range sizes {
		total.Archived += s.Archived
		total.Unpacked += s.Unpacked
		found, err := repo.Has(s.Name)
		if err != nil {
			return err
		}
		if !found {
			needed.Archived += s.Archived
			needed.Unpacked += s.Unpacked
			missing++
		}
	}
	env.Printf("Compressed size (needed/total): %s/%s\n", cli.Size(needed.Archived), cli.Size(total.Archived))
	env.Printf("Unpacked size (needed/total): %s/%s\n", cli.Size(needed.Unpacked), cli.Size(total.Unpacked))
	env.Printf("Number of objects (needed/total): %d/%d\n", missing, len(sizes))
	return nil
}
