package tree_test

import (
	"bytes"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/treenail/treenail/internal/repotest"
	"github.com/treenail/treenail/ostreerepo"
	"github.com/treenail/treenail/ostreerepo/tree"
)

func TestCpio(t *testing.T) {
	top := t.TempDir() + "/top"
	hardBodies(t, top)
	hardModes(t, top)
	oracle, r := newOracle(t, "archive"), repotest.New(t, ostreerepo.ModeArchive)
	names := run(t, top, nil, "find", ".")
	for _, format := range []string{"newc", "crc", "odc", "hpodc"} {
		data := run(t, top, names, "cpio", "-o", "-H", format)
		path := t.TempDir() + "/cpio"
		must(t, os.WriteFile(path, data, 0o644))
		compare(t, r, mustBuild(t, r, tree.Options{}, tars(data)), oracle, theirs(t, oracle, "--tree=tar="+path))
	}
}

// newc is one entry of the format newc; crc, unless it is -1, makes it crc.
func newc(name string, mode, nlink int, body string, crc int) string {
	magic := "070701"
	if crc >= 0 {
		magic = "070702"
	} else {
		crc = 0
	}
	var out strings.Builder
	fmt.Fprintf(&out, "%s%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%s\x00",
		magic, 5, mode, 0, 0, nlink, 0, len(body), 0, 1, 0, 0, len(name)+1, crc, name)
	pad := func() {
		for out.Len()%4 != 0 {
			out.WriteByte(0)
		}
	}
	pad()
	out.WriteString(body)
	pad()
	return out.String()
}

func TestCpioRefused(t *testing.T) {
	end := newc("TRAILER!!!", 0, 1, "", -1)
	top := newc(".", 0o040755, 2, "", -1)
	r := repotest.New(t, ostreerepo.ModeArchive)
	mustBuild(t, r, tree.Options{}, tars([]byte(top+newc("a", 0o100644, 1, "abc", 'a'+'b'+'c')+end)))
	for want, data := range map[string]string{
		`archive entry "../a": Invalid uplink '..'`:              top + newc("../a", 0o100644, 1, "x", -1) + end,
		`archive entry "p": Unsupported file type`:               top + newc("p", 0o010644, 1, "", -1) + end,
		`archive entry "d": directory with a body`:               top + newc("d", 0o040755, 1, "x", -1) + end,
		`archive entry "a": wrong checksum`:                      top + newc("a", 0o100644, 1, "abc", 7) + end,
		`archive, after entry "a": unexpected EOF`:               top + newc("a", 0o100644, 1, "abc", -1),
		`archive entry "a": unexpected EOF`:                      (top + newc("a", 0o100644, 1, strings.Repeat("x", 100), -1))[:300],
		`archive entry "l": symlink target of 70000 bytes`:       top + newc("l", 0o120777, 1, strings.Repeat("x", 70000), -1) + end,
		`archive, after entry ".": cpio entry with a name of`:    top + newc(strings.Repeat("n", 70000), 0o100644, 1, "", -1) + end,
		`archive, after entry ".": cpio entry "a\x00b\x00"`:      top + newc("a\x00b", 0o100644, 1, "", -1) + end,
		`archive, after entry ".": invalid cpio magic`:           top + "junkjunkjunk",
		`archive, after entry ".": invalid number "0000z000" in`: top + "0707010000z000",
	} {
		_, err := build(r, tree.Options{}, tars([]byte(data)))
		if err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%v\nwant %s", err, want)
		}
	}
}

// TestCpioLinks has three names of one file with the body at any of them.
func TestCpioLinks(t *testing.T) {
	end := newc("TRAILER!!!", 0, 1, "", -1)
	oracle, r := newOracle(t, "archive"), repotest.New(t, ostreerepo.ModeArchive)
	for at := range 3 {
		var data bytes.Buffer
		data.WriteString(newc(".", 0o040755, 1, "", -1))
		for i, name := range []string{"a", "b", "c"} {
			body := ""
			if i == at {
				body = "body"
			}
			data.WriteString(newc(name, 0o100644, 3, body, -1))
		}
		data.WriteString(newc("d", 0o100644, 3, "another file, the inode again", -1) + end)
		path := t.TempDir() + "/cpio"
		must(t, os.WriteFile(path, data.Bytes(), 0o644))
		compare(t, r, mustBuild(t, r, tree.Options{}, tars(data.Bytes())), oracle, theirs(t, oracle, "--tree=tar="+path))
	}
}
