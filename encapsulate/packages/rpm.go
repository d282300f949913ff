package packages

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	rpmdb "github.com/anchore/go-rpmdb/pkg"
	_ "modernc.org/sqlite" // the driver "sqlite", which go-rpmdb asks for

	"github.com/treenail/treenail/encapsulate"
	"github.com/treenail/treenail/format/object"
)

// rpmDirs are the places of an rpm database: those of rpm-ostree, of current
// distributions, and the traditional one.
var rpmDirs = []string{"/usr/share/rpm", "/usr/lib/sysimage/rpm", "/var/lib/rpm"}

// rpmFiles are the databases in SQLite, ndb and Berkeley DB format.
var rpmFiles = []string{"rpmdb.sqlite", "Packages.db", "Packages"}

// readRPM reads the first rpm database with packages.
func readRPM(ctx context.Context, t *encapsulate.Tree) ([]encapsulate.Package, error) {
	for _, dir := range rpmDirs {
		for _, file := range rpmFiles {
			if err := ctx.Err(); err != nil {
				return nil, err
			}
			path := dir + "/" + file
			packages, err := readRPMFile(t, path)
			if err != nil {
				return nil, fmt.Errorf("rpm database %s: %w", path, err)
			}
			if len(packages) > 0 {
				return packages, nil
			}
		}
	}
	return nil, nil
}

// readRPMFile reads one database, by way of a temporary file because the readers
// of all formats want a path.
func readRPMFile(t *encapsulate.Tree, path string) ([]encapsulate.Package, error) {
	in, err := t.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer in.Close()
	dir, err := os.MkdirTemp("", "treenail-rpm-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	temp := filepath.Join(dir, "db")
	if err := copyFile(temp, in); err != nil {
		return nil, err
	}
	if filepath.Base(path) == "Packages.db" {
		if err := checkNDB(temp); err != nil {
			return nil, err
		}
	}
	return listRPM(temp)
}

// checkNDB looks for what go-rpmdb does not: slots that are none, which it tells on
// standard output, and headers larger than the file, for which it takes memory. The
// format is that of rpm's lib/backend/ndb/rpmpkg.c, all numbers of 32 bits.
func checkNDB(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	const pageSize, slotSize, maxPages = 4096, 16, 2048
	r := bufio.NewReader(f)
	var head [2 * slotSize]byte // takes the room of two slots
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return err
	}
	pages := binary.LittleEndian.Uint32(head[12:])
	if pages == 0 || pages > maxPages {
		return fmt.Errorf("%d pages of slots, want 1 to %d", pages, maxPages)
	}
	for i := range pages*pageSize/slotSize - 2 {
		var slot, blob [slotSize]byte
		if _, err := io.ReadFull(r, slot[:]); err != nil {
			return fmt.Errorf("slot %d: %w", i, err)
		}
		if string(slot[:4]) != "Slot" {
			return fmt.Errorf("slot %d: is none", i)
		}
		if binary.LittleEndian.Uint32(slot[4:]) == 0 {
			continue // free
		}
		at := int64(binary.LittleEndian.Uint32(slot[8:])) * slotSize
		if _, err := f.ReadAt(blob[:], at); err != nil {
			return fmt.Errorf("header of slot %d: %w", i, err)
		}
		if size := int64(binary.LittleEndian.Uint32(blob[12:])); size > info.Size()-at-slotSize {
			return fmt.Errorf("header of slot %d: %d bytes are more than the file has", i, size)
		}
	}
	return nil
}

func copyFile(path string, in io.Reader) error {
	out, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Close())
}

func listRPM(path string) ([]encapsulate.Package, error) {
	db, err := rpmdb.Open(path)
	if err != nil {
		return nil, err
	}
	defer db.Close()
	list, err := db.ListPackages()
	if err != nil {
		return nil, err
	}
	var packages []encapsulate.Package
	for _, p := range list {
		if p.Name == "gpg-pubkey" || strings.Contains(p.Name, ",") {
			continue // keys are kept as packages without files
		}
		paths, err := rpmPaths(p)
		if err != nil {
			return nil, err
		}
		packages = append(packages, encapsulate.Package{
			ID: p.Name + "-" + evr(p) + "." + p.Arch, Name: p.Name, Source: sourceName(p.SourceRpm), Version: evr(p), Paths: paths,
		})
	}
	return packages, nil
}

// evr is epoch if any, version and release.
func evr(p *rpmdb.PackageInfo) string {
	epoch := ""
	if p.EpochNum() != 0 {
		epoch = fmt.Sprintf("%d:", p.EpochNum())
	}
	return epoch + p.Version + "-" + p.Release
}

// sourceName is NAME of "NAME-VERSION-RELEASE.src.rpm", empty for a source
// package itself.
func sourceName(file string) string {
	name := file
	for range 2 {
		i := strings.LastIndexByte(name, '-')
		if i < 0 {
			return ""
		}
		name = name[:i]
	}
	return name
}

// rpmPaths puts together base names and the directories they are in, and leaves
// out directories: where the tree has a symlink, /bin for instance, that is not
// the package's.
func rpmPaths(p *rpmdb.PackageInfo) ([]string, error) {
	if len(p.BaseNames) != len(p.DirIndexes) {
		return nil, fmt.Errorf("package %s: %d file names, %d directories of theirs", p.Name, len(p.BaseNames), len(p.DirIndexes))
	}
	paths := make([]string, 0, len(p.BaseNames))
	for i, base := range p.BaseNames {
		if i < len(p.FileModes) && uint32(p.FileModes[i])&object.ModeTypeMask == object.ModeDir {
			continue
		}
		d := p.DirIndexes[i]
		if d < 0 || int(d) >= len(p.DirNames) {
			return nil, fmt.Errorf("package %s: file %q: no directory %d", p.Name, base, d)
		}
		paths = append(paths, p.DirNames[d]+base)
	}
	return paths, nil
}
