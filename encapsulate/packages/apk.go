package packages

import (
	"context"
	"strings"

	"github.com/treenail/treenail/encapsulate"
)

// apkFiles are the places of an apk database: that of version 3, and the
// traditional one.
var apkFiles = []string{"/usr/lib/apk/db/installed", "/lib/apk/db/installed"}

// readAPK reads the first database with packages: one file, with a paragraph of
// lines "LETTER:VALUE" for each package (apk-package(5) for the letters, where F is
// a directory and R a file in it).
func readAPK(ctx context.Context, t *encapsulate.Tree) ([]encapsulate.Package, error) {
	for _, path := range apkFiles {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		text, _, err := readText(t, path)
		if err != nil {
			return nil, err
		}
		if packages := apkInstalled(text); len(packages) > 0 {
			return packages, nil
		}
	}
	return nil, nil
}

// apkInstalled reads a database; what has no proper name is left out.
func apkInstalled(text string) (packages []encapsulate.Package) {
	for paragraph := range strings.SplitSeq(text, "\n\n") {
		var name, version, origin, dir string
		var paths []string
		for line := range strings.SplitSeq(paragraph, "\n") {
			letter, value, _ := strings.Cut(line, ":")
			switch letter {
			case "P":
				name = value
			case "V":
				version = value
			case "o":
				origin = value
			case "F":
				dir = value
			case "R":
				paths = append(paths, "/"+dir+"/"+value)
			}
		}
		if properName(name) {
			packages = append(packages, encapsulate.Package{
				ID: name + "-" + version, Name: strings.Clone(name), Source: strings.Clone(origin), Version: strings.Clone(version), Paths: paths,
			})
		}
	}
	return packages
}
