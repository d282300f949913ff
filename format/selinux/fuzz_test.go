package selinux_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/treenail/treenail/format/selinux"
)

// FuzzLabel compares a policy, with its index and its order, to its lines taken one
// at a time.
func FuzzLabel(f *testing.F) {
	f.Add(contexts, "/usr/lib/a/b.so.1", uint32(regular))
	f.Add("/a/.* x\n/a/b -- x\n/a\\.b -d x\n", "/a/b", uint32(dir))
	f.Add("/[^/]+(/.*)?\n/(x|y)+z{2} -l <<none>>\n", "/xyxzz", uint32(0))
	f.Add("/a|/b x\n/a[[:alpha:]\\d]$ x\n", "/a/b\n", uint32(symlink))
	f.Fuzz(func(t *testing.T, text, path string, mode uint32) {
		if len(text) > 1<<12 || strings.Count(text, "\n") > 64 {
			return
		}
		lines := strings.Split(text, "\n")
		want := ""
		for _, last := range []bool{false, true} {
			for i, line := range lines {
				words := strings.Fields(line)
				if len(words) < 2 || words[0] == "/" || strings.HasPrefix(words[0], "#") {
					lines[i] = ""
					continue
				}
				words = append(words[:min(len(words)-1, 2)], fmt.Sprint("c", i))
				lines[i] = strings.Join(words, " ")
				p, err := selinux.LoadDir(files("small/contexts/files/file_contexts", "/ root_t\n"+lines[i]+"\n",
					"small/contexts/files/file_contexts.homedirs", "-", "small/contexts/files/file_contexts.local", "-"))
				if err != nil {
					lines[i] = ""
					continue
				}
				if got, ok := p.Label(path, mode); ok && got != "root_t" && isPath(words[0]) == last {
					want = got
				}
			}
		}
		p, err := selinux.LoadDir(files("small/contexts/files/file_contexts", "/ root_t\n"+strings.Join(lines, "\n"),
			"small/contexts/files/file_contexts.homedirs", "-", "small/contexts/files/file_contexts.local", "-"))
		if err != nil {
			t.Fatalf("lines that are good by themselves: %v", err)
		}
		if got, ok := p.Label(path, mode); ok && got != "root_t" && got != want || !ok && want != "" {
			t.Errorf("%q with mode %o: %q, want %q, of\n%s", path, mode, got, want, strings.Join(lines, "\n"))
		}
	})
}

// isPath reports whether a pattern has none of the characters that make it an
// expression.
func isPath(pattern string) bool {
	for strings.Contains(pattern, `\`) {
		before, after, _ := strings.Cut(pattern, `\`)
		pattern = before + after[min(1, len(after)):]
	}
	return !strings.ContainsAny(pattern, ".^$?*+|[({")
}
