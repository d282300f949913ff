package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// budget is how many bytes of files the tree gets, about: enough to see
// something, little enough to take seconds.
const budget = 80 << 20

// copier makes a tree of the machine's own files, laid out as an OSTree system
// is: configuration in /usr/etc, and no /var.
type copier struct {
	ctx   context.Context
	dest  string
	real  map[string]string // directories as the system names them, without links
	files int
	bytes int64
}

// makeTree copies a part of the running system to dest. On a system of Debian
// packages it takes whole packages with their part of the package database, so
// that the image's layers follow them; elsewhere it takes files in order.
func makeTree(ctx context.Context, dest string) (string, error) {
	c := &copier{ctx: ctx, dest: dest, real: map[string]string{}}
	for _, dir := range []string{"usr/bin", "usr/lib", "usr/etc", "usr/share", "sysroot", "var", "run", "tmp"} {
		if err := os.MkdirAll(filepath.Join(dest, dir), 0o755); err != nil {
			return "", err
		}
	}
	if err := c.topLinks(); err != nil {
		return "", err
	}
	packages, err := c.debianPackages()
	if errors.Is(err, fs.ErrNotExist) {
		err = c.directories("/usr/bin", "/usr/share/doc", "/etc", "/usr/lib")
	}
	if err != nil {
		return "", err
	}
	made := fmt.Sprintf("%d files, %d MB", c.files, c.bytes/1e6)
	if packages > 0 {
		made += fmt.Sprintf(" of %d packages", packages)
	}
	return made, nil
}

// topLinks repeats /bin → usr/bin and the like where this system has them.
func (c *copier) topLinks() error {
	for _, name := range []string{"bin", "lib", "lib64", "sbin"} {
		target, err := os.Readlink("/" + name)
		if err != nil {
			continue // not a link here, so it is not one there
		}
		if err := os.Symlink(target, filepath.Join(c.dest, name)); err != nil {
			return err
		}
	}
	return nil
}

// directories copies what lies below roots until each had its share of the budget.
func (c *copier) directories(roots ...string) error {
	for i, root := range roots {
		limit := budget * int64(i+1) / int64(len(roots))
		err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
			if err != nil && !errors.Is(err, fs.ErrPermission) && !errors.Is(err, fs.ErrNotExist) {
				return err
			}
			if err != nil || d.IsDir() {
				return nil
			}
			if c.bytes >= limit {
				return fs.SkipAll
			}
			return c.copy(path)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// copy puts one file of the system into the tree, if it is a file that this
// user may read and the tree does not have it yet. Directories come by what is
// in them.
func (c *copier) copy(path string) error {
	if err := c.ctx.Err(); err != nil {
		return err
	}
	dir, err := c.realDir(filepath.Dir(path))
	if err != nil {
		return err
	}
	path = filepath.Join(dir, filepath.Base(path))
	info, err := os.Lstat(path)
	if err != nil {
		return nil
	}
	dest := filepath.Join(c.dest, inTree(path))
	switch info.Mode().Type() {
	case fs.ModeSymlink:
		return c.copyLink(path, dest)
	case 0:
		return c.copyFile(path, dest, info)
	}
	return nil
}

// realDir is a directory by its own name (/bin is /usr/bin), which the tree has
// from now on.
func (c *copier) realDir(dir string) (string, error) {
	if real, ok := c.real[dir]; ok {
		return real, nil
	}
	real, err := filepath.EvalSymlinks(dir)
	if err != nil {
		real = dir // what is in it will not be found, or is not for this user
	}
	c.real[dir] = real
	return real, os.MkdirAll(filepath.Join(c.dest, inTree(real)), 0o755)
}

// inTree is where a path of the system lies in the tree.
func inTree(path string) string {
	if rest, ok := strings.CutPrefix(path, "/etc/"); ok {
		return "usr/etc/" + rest
	}
	return path
}

func (c *copier) copyLink(path, dest string) error {
	target, err := os.Readlink(path)
	if err != nil {
		return nil
	}
	return ignoreExisting(os.Symlink(target, dest))
}

func (c *copier) copyFile(path, dest string, info fs.FileInfo) error {
	in, err := os.Open(path)
	if err != nil {
		return nil // not for this user
	}
	defer in.Close()
	out, err := os.OpenFile(dest, os.O_WRONLY|os.O_CREATE|os.O_EXCL, info.Mode().Perm()|0o600)
	if err != nil {
		return ignoreExisting(err)
	}
	n, err := io.Copy(out, in)
	c.files++
	c.bytes += n
	return errors.Join(err, out.Close())
}

func ignoreExisting(err error) error {
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	return err
}
