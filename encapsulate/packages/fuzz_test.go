package packages

import (
	"strings"
	"testing"
)

// FuzzText: whatever a database says, what comes of it are packages with names that
// an annotation can hold.
func FuzzText(f *testing.F) {
	f.Add("P:musl\nV:1.2.5-r0\no:musl\nF:lib\nR:ld-musl.so.1\nZ:Q1\n\nP:a,b\n", "")
	f.Add("Package: bash\nStatus: install ok installed\nVersion: 1\nSource: x (2)\n d\n\n", "")
	f.Add("%NAME%\nbash\n\n%VERSION%\n5-1\n\n%BASE%\nbash\n\n", "%FILES%\nusr/\nusr/bin/bash\n\n%BACKUP%\netc/x\tsum\n")
	f.Fuzz(func(t *testing.T, text, files string) {
		check := func(name string) {
			if name == "" || strings.ContainsAny(name, ",/ ") {
				t.Errorf("package %q", name)
			}
		}
		for _, p := range apkInstalled(text) {
			check(p.Name)
		}
		for _, s := range dpkgStatus(text) {
			check(s.pkg().Name)
		}
		if p, ok := pacmanPackage(text, files); ok {
			check(p.Name)
			for _, path := range p.Paths {
				if !strings.HasPrefix(path, "/") || strings.ContainsAny(path, "\n") {
					t.Errorf("path %q", path)
				}
			}
		}
	})
}
