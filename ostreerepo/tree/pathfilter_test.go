package tree_test

import (
	"os"
	"strings"
	"testing"

	"github.com/treenail/treenail/internal/repotest"
	"github.com/treenail/treenail/ostreerepo"
	"github.com/treenail/treenail/ostreerepo/tree"
)

func TestPathFilter(t *testing.T) {
	data := archive(t, root(), folder("./usr/", 0o755), folder("./usr/bin/", 0o700), member("./usr/bin/tool", "x"),
		symlink("./usr/bin/sh", "tool"), link("./usr/bin/alias", "./usr/bin/tool"), folder("/var/", 0o711), link("var/x", "usr/bin/sh"))
	path := t.TempDir() + "/tar"
	must(t, os.WriteFile(path, data, 0o644))
	oracle, r := newOracle(t, "archive"), repotest.New(t, ostreerepo.ModeArchive)
	for _, filter := range []string{
		"nothing,changes", "^,foo/", "^usr/bin/,usr/sbin/", "/bin/,/sbin/", "tool,new", "^usr/,", "bin/?$,", `\bbin\b,sb`,
		`usr/(.*),\1/\0`, `(?i)USR,q`, `(?P<n>usr),\g<n>_\g<1>\g<7>\n\t\x41\\`, `(u)(s)(r),\3\2\1`, `(nope)?usr,[\1]\01`,
		`usr,\Uabc\E\ldEf\uüx\LABC\E,`, `usr/(.*)/(.*),\U\1\E/\u\2`, `usr,\x{20ac}\101\0101`, `^(.*)/$,\1`,
	} {
		f, err := tree.ParsePathFilter(filter)
		if err != nil {
			t.Errorf("%s: %v", filter, err)
			continue
		}
		got, err := build(r, tree.Options{TarAutocreateParents: true, TarPathFilter: f}, tars(data))
		want, oracleErr := tryTheirs(oracle, "--tar-autocreate-parents", "--tar-pathname-filter="+filter, "--tree=tar="+path)
		if err != nil || oracleErr != nil {
			t.Errorf("%s: %v; ostree: %v", filter, err, oracleErr)
			continue
		}
		compare(t, r, got, oracle, want)
	}
	f, err := tree.ParsePathFilter("usr,/../x")
	must(t, err)
	if _, err := build(r, tree.Options{TarPathFilter: f}, tars(data)); err == nil || !strings.Contains(err.Error(), "Invalid uplink '..'") {
		t.Errorf("%v, want the filter's .. refused", err)
	}
}

func TestParsePathFilterErrors(t *testing.T) {
	for filter, want := range map[string]string{
		"no comma":     "Missing ',' in --tar-pathname-filter",
		"[,x":          "--tar-pathname-filter: error parsing regexp",
		"a(?=b),x":     "invalid or unsupported Perl syntax",
		`a,\`:          "stray",
		`a,\q`:         `unknown escape \q`,
		`a,\x{41`:      `\x{ without }`,
		`a,\xzz`:       "not a character",
		`a,\x{ffffff}`: "not a character",
		`a,\g1`:        `\g without <group>`,
		`a,\g<>`:       `\g without <group>`,
		`a,\g<none>`:   "no group of that name",
	} {
		if _, err := tree.ParsePathFilter(filter); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", filter, err, want)
		}
	}
}
