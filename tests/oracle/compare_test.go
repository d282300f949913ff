package oracle_test

import (
	"bytes"
	"compress/flate"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// aspects say what of a file is compared beside its type and body.
type aspects struct {
	owner, mode, xattrs bool
	// mtime compares the times of regular files.
	mtime bool
}

var everything = aspects{owner: true, mode: true, xattrs: true}

// snapshot describes every file below root in one line each, by its path.
func snapshot(t *testing.T, root string, a aspects) map[string]string {
	t.Helper()
	found := map[string]string{}
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		found[rel], err = describe(path, a)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// describe says what one file is.
func describe(path string, a aspects) (string, error) {
	var st unix.Stat_t
	if err := unix.Lstat(path, &st); err != nil {
		return "", &fs.PathError{Op: "lstat", Path: path, Err: err}
	}
	body, err := bodyOf(path, st.Mode)
	if err != nil {
		return "", err
	}
	line := fmt.Sprintf("%06o %s", st.Mode&unix.S_IFMT, body)
	if a.mode {
		line += fmt.Sprintf(" mode %04o", st.Mode&^unix.S_IFMT)
	}
	if a.owner {
		line += fmt.Sprintf(" owner %d:%d", st.Uid, st.Gid)
	}
	if a.mtime && st.Mode&unix.S_IFMT == unix.S_IFREG {
		line += fmt.Sprintf(" mtime %d.%09d", st.Mtim.Sec, st.Mtim.Nsec)
	}
	if a.xattrs {
		attrs, err := xattrs(path)
		if err != nil {
			return "", err
		}
		line += " " + attrs
	}
	return line, nil
}

// bodyOf identifies what is inside a file. The objects of an archive repository
// are inflated first, because two deflaters may say the same in other words.
func bodyOf(path string, mode uint32) (string, error) {
	switch mode & unix.S_IFMT {
	case unix.S_IFLNK:
		target, err := os.Readlink(path)
		return fmt.Sprintf("-> %q", target), err
	case unix.S_IFREG:
		f, err := os.Open(path)
		if err != nil {
			return "", err
		}
		defer f.Close()
		h := sha256.New()
		if strings.HasSuffix(path, ".filez") {
			err = inflate(h, f)
		} else {
			_, err = io.Copy(h, f)
		}
		if err != nil {
			return "", fmt.Errorf("read %s: %w", path, err)
		}
		return fmt.Sprintf("%x", h.Sum(nil)), nil
	}
	return "", nil
}

// inflate writes the header of a .filez as it is, and its payload inflated.
func inflate(w io.Writer, r io.Reader) error {
	var prefix [8]byte
	if _, err := io.ReadFull(r, prefix[:]); err != nil {
		return err
	}
	header := make([]byte, binary.BigEndian.Uint32(prefix[:4]))
	if _, err := io.ReadFull(r, header); err != nil {
		return err
	}
	w.Write(header)
	rest, err := io.ReadAll(r)
	if err != nil || len(rest) == 0 {
		return err
	}
	_, err = io.Copy(w, flate.NewReader(bytes.NewReader(rest)))
	return err
}

// xattrs lists a file's extended attributes in the order of their names.
func xattrs(path string) (string, error) {
	buf := make([]byte, 64<<10)
	n, err := unix.Llistxattr(path, buf)
	if err != nil {
		return "", &fs.PathError{Op: "listxattr", Path: path, Err: err}
	}
	names := strings.FieldsFunc(string(buf[:n]), func(r rune) bool { return r == 0 })
	slices.Sort(names)
	for i, name := range names {
		n, err := unix.Lgetxattr(path, name, buf)
		if err != nil {
			return "", &fs.PathError{Op: "getxattr " + name, Path: path, Err: err}
		}
		names[i] = fmt.Sprintf("%s=%q", name, buf[:n])
	}
	return strings.Join(names, " "), nil
}

// same fails the test when two snapshots differ, and shows where.
func same(t *testing.T, what string, want, got map[string]string) {
	t.Helper()
	all := maps.Clone(want)
	maps.Copy(all, got)
	var diffs []string
	for _, path := range slices.Sorted(maps.Keys(all)) {
		if want[path] != got[path] {
			diffs = append(diffs, fmt.Sprintf("%q\n\twant %s\n\tgot  %s", path, want[path], got[path]))
		}
	}
	if n := len(diffs); n > 0 {
		t.Errorf("%s: %d of %d files differ:\n%s", what, n, len(all), strings.Join(diffs[:min(n, 8)], "\n"))
	}
}

// hardlinks counts the regular files below root that share their inode.
func hardlinks(t *testing.T, root string) (linked, total int) {
	t.Helper()
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		var st unix.Stat_t
		if err := unix.Lstat(path, &st); err != nil {
			return err
		}
		total++
		if st.Nlink > 1 {
			linked++
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return linked, total
}
