package packages

import (
	"context"
	"slices"
	"strings"

	"github.com/treenail/treenail/encapsulate"
)

// dpkgDirs are the places of a dpkg database: the traditional one, and where
// trees that keep /var out of the commit have moved it.
var dpkgDirs = []string{
	"/var/lib/dpkg",
	"/usr/lib/sysimage/dpkg",
	"/usr/share/dpkg-base",
	"/usr/share/dpkg/database",
	"/usr/share/dpkg",
	"/usr/lib/dpkg",
	"/usr/var/lib/dpkg",
}

// readDpkg reads the first database with packages: the file status, and for
// each package the file info/NAME.list or info/NAME:ARCHITECTURE.list, which
// has one path a line (dpkg(1), FILES; deb-control(5) for the fields).
func readDpkg(ctx context.Context, t *encapsulate.Tree) ([]encapsulate.Package, error) {
	for _, dir := range dpkgDirs {
		status, ok, err := readText(t, dir+"/status")
		if err != nil {
			return nil, err
		}
		if packages := dpkgStatus(status); ok && len(packages) > 0 {
			return dpkgFiles(ctx, t, dir+"/info/", packages)
		}
	}
	return nil, nil
}

func dpkgFiles(ctx context.Context, t *encapsulate.Tree, info string, found []stanza) ([]encapsulate.Package, error) {
	var packages []encapsulate.Package
	names := t.Files(info)
	for _, s := range found {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		p := s.pkg()
		for _, list := range []string{s.name + ".list", s.name + ":" + s.arch + ".list"} {
			if _, ok := slices.BinarySearch(names, list); !ok {
				continue
			}
			text, _, err := readText(t, info+list)
			if err != nil {
				return nil, err
			}
			p.Paths = append(p.Paths, files(lines(text))...)
		}
		packages = append(packages, p)
	}
	return packages, nil
}

// distrolessDir has a file with one stanza for each package, and next to it the
// sums of the package's files, "SUM  PATH" a line with the path relative.
const distrolessDir = "/var/lib/dpkg/status.d"

func readDistroless(ctx context.Context, t *encapsulate.Tree) ([]encapsulate.Package, error) {
	var packages []encapsulate.Package
	for _, name := range t.Files(distrolessDir) {
		if strings.HasSuffix(name, ".md5sums") {
			continue
		}
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		status, _, err := readText(t, distrolessDir+"/"+name)
		if err != nil {
			return nil, err
		}
		sums, _, err := readText(t, distrolessDir+"/"+name+".md5sums")
		if err != nil {
			return nil, err
		}
		for _, s := range dpkgStatus(status) {
			p := s.pkg()
			for _, line := range lines(sums) {
				if _, path, ok := strings.Cut(line, "  "); ok {
					p.Paths = append(p.Paths, path)
				}
			}
			packages = append(packages, p)
		}
	}
	return packages, nil
}

// stanza is what counts of a package's paragraph in a status file.
type stanza struct {
	name, arch, version, source, status string
}

// pkg copies the strings: they are pieces of the whole status file.
func (s stanza) pkg() encapsulate.Package {
	return encapsulate.Package{
		ID:      s.name + "_" + s.version + "_" + s.arch,
		Name:    strings.Clone(s.name),
		Source:  strings.Clone(s.source),
		Version: strings.Clone(s.version),
	}
}

// dpkgStatus reads a status file. Packages that are known but not on disk are
// left out, and so is what has no proper name.
func dpkgStatus(text string) (found []stanza) {
	for paragraph := range strings.SplitSeq(text, "\n\n") {
		var s stanza
		for line := range strings.SplitSeq(paragraph, "\n") {
			s.set(line)
		}
		if !properName(s.name) || strings.HasSuffix(s.status, " not-installed") {
			continue
		}
		found = append(found, s)
	}
	return found
}

func (s *stanza) set(line string) {
	if line == "" || line[0] == ' ' || line[0] == '\t' {
		return // a continued field, a description for instance
	}
	field, value, _ := strings.Cut(line, ":")
	value = strings.TrimSpace(value)
	switch field {
	case "Package":
		s.name = value
	case "Architecture":
		s.arch = value
	case "Version":
		s.version = value
	case "Status":
		s.status = value
	case "Source":
		s.source, _, _ = strings.Cut(value, " ") // a version in parentheses may follow
	}
}

// files leaves out what the next path shows to be a directory: where the tree has
// a symlink, /bin for instance, that is not the package's.
func files(list []string) []string {
	kept := list[:0]
	for i, path := range list {
		if i+1 == len(list) || !strings.HasPrefix(list[i+1], path+"/") {
			kept = append(kept, path)
		}
	}
	return kept
}

func lines(text string) []string {
	if text = strings.TrimSuffix(text, "\n"); text == "" {
		return nil
	}
	return strings.Split(text, "\n")
}
