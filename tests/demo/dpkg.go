package main

import (
	"bufio"
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

const (
	dpkgDir = "/var/lib/dpkg"
	// treeDpkgDir is where an image keeps the database, since /var is not part of it.
	treeDpkgDir = "usr/share/dpkg-base"
)

// debianPackages copies installed packages until the budget is spent, the
// essential ones first, with their entries of the database. It returns how many
// there were, or fs.ErrNotExist where there is no such database.
func (c *copier) debianPackages() (int, error) {
	status, err := os.ReadFile(filepath.Join(dpkgDir, "status"))
	if err != nil {
		return 0, err
	}
	info := filepath.Join(c.dest, treeDpkgDir, "info")
	if err := os.MkdirAll(info, 0o755); err != nil {
		return 0, err
	}
	var kept bytes.Buffer
	count := 0
	for _, stanza := range byImportance(bytes.Split(status, []byte("\n\n"))) {
		if c.bytes >= budget {
			break
		}
		switch err := c.debianPackage(stanza, info); {
		case errors.Is(err, fs.ErrNotExist):
			continue
		case err != nil:
			return 0, err
		}
		kept.Write(bytes.TrimSpace(stanza))
		kept.WriteString("\n\n")
		count++
	}
	return count, os.WriteFile(filepath.Join(c.dest, treeDpkgDir, "status"), kept.Bytes(), 0o644)
}

// byImportance orders the stanzas of the status file: essential packages, then
// required, important and all others, each in the order of the file.
func byImportance(stanzas [][]byte) [][]byte {
	var ranks [4][][]byte
	for _, s := range stanzas {
		rank := 3
		switch {
		case !bytes.Contains(s, []byte("\nStatus: install ok installed\n")):
			continue
		case bytes.Contains(s, []byte("\nEssential: yes\n")):
			rank = 0
		case bytes.Contains(s, []byte("\nPriority: required\n")):
			rank = 1
		case bytes.Contains(s, []byte("\nPriority: important\n")):
			rank = 2
		}
		ranks[rank] = append(ranks[rank], s)
	}
	return append(append(append(ranks[0], ranks[1]...), ranks[2]...), ranks[3]...)
}

// debianPackage copies the files of one package and the list of their names.
func (c *copier) debianPackage(stanza []byte, info string) error {
	name, arch := field(stanza, "Package"), field(stanza, "Architecture")
	list := name + ".list"
	data, err := os.ReadFile(filepath.Join(dpkgDir, "info", list))
	if errors.Is(err, fs.ErrNotExist) { // of a package that can be there for several architectures
		list = name + ":" + arch + ".list"
		data, err = os.ReadFile(filepath.Join(dpkgDir, "info", list))
	}
	if err != nil {
		return err
	}
	for lines := bufio.NewScanner(bytes.NewReader(data)); lines.Scan(); {
		if err := c.copy(lines.Text()); err != nil {
			return err
		}
	}
	return os.WriteFile(filepath.Join(info, list), data, 0o644)
}

// field is the value of a one-line field of a stanza.
func field(stanza []byte, name string) string {
	for line := range strings.Lines(string(stanza)) {
		if value, ok := strings.CutPrefix(line, name+": "); ok {
			return strings.TrimSpace(value)
		}
	}
	return ""
}
