package packages

import (
	"context"
	"strings"

	"github.com/treenail/treenail/encapsulate"
)

// pacmanDirs are the places of a pacman database: the traditional one, and where
// trees that keep /var out of the commit have moved it.
var pacmanDirs = []string{
	"/var/lib/pacman/local",
	"/usr/lib/sysimage/lib/pacman/local",
	"/usr/lib/sysimage/pacman/local",
	"/usr/lib/pacman/local",
	"/usr/share/pacman/local",
	"/usr/share/factory/var/lib/pacman/local",
}

// readPacman reads the first database with packages: a directory for each, with
// the files desc and files. In them a line "%SECTION%" is followed by values, a
// line each, up to an empty one (pacman's lib/libalpm/be_local.c).
func readPacman(ctx context.Context, t *encapsulate.Tree) (packages []encapsulate.Package, err error) {
	for _, dir := range pacmanDirs {
		for _, name := range t.Dirs(dir) {
			if err := ctx.Err(); err != nil {
				return nil, err
			}
			desc, _, err := readText(t, dir+"/"+name+"/desc")
			if err != nil {
				return nil, err
			}
			files, _, err := readText(t, dir+"/"+name+"/files")
			if err != nil {
				return nil, err
			}
			if p, ok := pacmanPackage(desc, files); ok {
				packages = append(packages, p)
			}
		}
		if len(packages) > 0 {
			break
		}
	}
	return packages, nil
}

// pacmanPackage is the package that two files describe, if they give it a proper
// name.
func pacmanPackage(desc, files string) (p encapsulate.Package, ok bool) {
	name := firstOf(pacmanSection(desc, "NAME"))
	if !properName(name) {
		return p, false
	}
	version := strings.Clone(firstOf(pacmanSection(desc, "VERSION")))
	p = encapsulate.Package{
		ID:      name + "-" + version,
		Name:    strings.Clone(name),
		Source:  strings.Clone(firstOf(pacmanSection(desc, "BASE"))),
		Version: version,
	}
	for _, path := range pacmanSection(files, "FILES") {
		if !strings.HasSuffix(path, "/") { // not a directory
			p.Paths = append(p.Paths, "/"+path)
		}
	}
	return p, true
}

// pacmanSection returns the values of a section.
func pacmanSection(text, section string) (values []string) {
	_, rest, ok := strings.Cut("\n"+text, "\n%"+section+"%\n")
	if !ok {
		return nil
	}
	rest, _, _ = strings.Cut(rest, "\n\n")
	for _, value := range lines(rest) {
		if value != "" {
			values = append(values, value)
		}
	}
	return values
}

func firstOf(values []string) string {
	if len(values) == 0 {
		return ""
	}
	return values[0]
}
