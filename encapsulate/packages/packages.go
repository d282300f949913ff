// Package packages reads the package databases that are inside a tree, so that
// an image can be split by packages: dpkg's, the variant of it that distroless
// images have, rpm's in its three formats, apk's and pacman's.
//
//	encapsulate.Options{Packages: packages.Read}
//
// The databases are looked for where distributions on OSTree keep them, below
// /usr, as well as in their traditional places. What they say is only used to
// group files: a database that does not fit its tree makes a worse image, not a
// wrong one.
//
// The rpm readers bring an SQL engine into the program. That is why this is a
// package of its own, which nothing but a command imports.
package packages

import (
	"context"
	"errors"
	"io/fs"
	"strings"

	"github.com/treenail/treenail/encapsulate"
)

// Read returns the packages of all databases found in the tree, each with the
// paths of its files. A tree without any is no error.
func Read(ctx context.Context, t *encapsulate.Tree) ([]encapsulate.Package, error) {
	var all []encapsulate.Package
	for _, read := range []func(context.Context, *encapsulate.Tree) ([]encapsulate.Package, error){readDpkg, readDistroless, readRPM, readAPK, readPacman} {
		packages, err := read(ctx, t)
		if err != nil {
			return nil, err
		}
		all = append(all, packages...)
	}
	return all, nil
}

// maxFile bounds the text files of a database, in bytes.
const maxFile = 64 << 20

// readText reads a file of a database; ok is false when it is not there.
func readText(t *encapsulate.Tree, path string) (text string, ok bool, err error) {
	data, err := t.ReadFile(path, maxFile)
	if errors.Is(err, fs.ErrNotExist) {
		return "", false, nil
	}
	return string(data), err == nil, err
}

// properName tells whether a package can be called so.
func properName(name string) bool { return name != "" && !strings.ContainsAny(name, ",/ ") }
