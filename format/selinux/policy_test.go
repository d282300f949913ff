package selinux_test

import (
	"maps"
	"strings"
	"sync"
	"testing"
	"testing/fstest"

	"github.com/treenail/treenail/format/selinux"
)

const (
	regular = 0o100644
	dir     = 0o040755
	symlink = 0o120777
	pipe    = 0o010644
	socket  = 0o140644
	char    = 0o020644
	block   = 0o060644
)

// files is a directory selinux with a policy called small, changed by pairs of a
// file's name and its contents; "-" takes the file away.
func files(changes ...string) fstest.MapFS {
	all := map[string]string{
		"config":                             "# a comment\nSELINUX=permissive\nSELINUXTYPE=small\n",
		"small/policy/policy.33":             "",
		"small/contexts/files/file_contexts": contexts,
		"small/contexts/files/file_contexts.homedirs": `
/home/[^/]+	-d	user_home_dir_t
/home/[^/]+/.+	user_home_t
/home/[^/]+/\.ssh(/.*)?	ssh_home_t
`,
		"small/contexts/files/file_contexts.local":     "/usr/share/mine(/.*)? local_t\n",
		"small/contexts/files/file_contexts.subs_dist": "# of the distribution\n/lib64 /usr/lib\n/run/lock /var/lock\n/lib /usr/wrong\n/lib /usr/lib\n",
		"small/contexts/files/file_contexts.subs":      "/srv/run /run\n/top /\n",
	}
	fs := fstest.MapFS{}
	for i := 0; i+1 < len(changes); i += 2 {
		all[changes[i]] = changes[i+1]
	}
	for name, data := range all {
		if data != "-" {
			fs[name] = &fstest.MapFile{Data: []byte(data)}
		}
	}
	return fs
}

const contexts = `
# from the general to the special
/	-d	root_t
/.*	default_t
/usr/bin/[^/]+	--	program_t
/usr/bin/bash	--	shell_t
/usr/(.*/)?bin(/.*)?	bin_t
/usr/(.*/)?lib(/.*)?	lib_t
/usr/(.*/)?lib(/.*)?/.+\.so(\.[^/]*)*	--	so_t
/usr/lib(64)?/firmware(/.*)?	firmware_t
/usr/share(/.*)?	usr_t
/usr/share/first	first_t
/usr/share/first	second_t
/usr/share/dot\.plain	plain_t
/var/lock(/.*)?	lock_t
/mnt(/[^/]*)?	-d	mnt_t
/mnt/[^/]*/.*	<<none>>
/dev/[shmxv]d[^/]*	-b	disk_t
/dev/tty[0-9]{1,2}	-c	tty_t
/dev/initctl	-p	initctl_t
/dev/log	-s	log_t
/etc/link	-l	link_t
/etc/with[[:alnum:]_-]+\d	--	etc_t	and more that nobody reads
/etc/(?i)case	case_t
/etc/[]x]\+[\w.-]	odd_t
/etc/{a	brace_t
/etc/end$	end_t
`

func load(t *testing.T, fs fstest.MapFS) *selinux.Policy {
	t.Helper()
	p, err := selinux.LoadDir(fs)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestLabel(t *testing.T) {
	p := load(t, files())
	if p.Name() != "small" {
		t.Errorf("name %q", p.Name())
	}
	for _, c := range []struct {
		path string
		mode uint32
		want string
	}{
		{"/", dir, "root_t"},
		{"/", 0, "root_t"},
		{"/anything", regular, "default_t"},
		{"/usr/bin/cat", regular, "bin_t"}, // a later expression wins
		{"/usr/bin/bash", regular, "shell_t"},
		{"/usr/bin/bash", 0, "shell_t"},
		{"/usr/bin/bash", symlink, "bin_t"},
		{"/usr/local/bin", dir, "bin_t"},
		{"/usr/localbin", dir, "default_t"},
		{"/usr/lib/a/b.so.1", regular, "so_t"},
		{"/usr/lib/a/b.so.1", symlink, "lib_t"},
		{"/usr/lib/a/b.sox", regular, "lib_t"},
		{"/usr/lib64/firmware/x", regular, "firmware_t"},
		{"/usr/share/first", regular, "second_t"}, // so does a later path
		{"/usr/share/dot.plain", regular, "plain_t"},
		{"/usr/share/dotxplain", regular, "usr_t"},
		{"/usr/share/mine/x", regular, "local_t"},
		{"/usr/share/\xff\n", regular, "usr_t"},
		{"/mnt", dir, "mnt_t"},
		{"/mnt/usb", dir, "mnt_t"},
		{"/mnt/usb", symlink, "default_t"},
		{"/mnt/usb/x", regular, ""},
		{"/proc", dir, "mnt_t"},
		{"/dev/sda1", block, "disk_t"},
		{"/dev/sda1", regular, "default_t"},
		{"/dev/tty63", char, "tty_t"},
		{"/dev/tty630", char, "default_t"},
		{"/dev/initctl", pipe, "initctl_t"},
		{"/dev/log", socket, "log_t"},
		{"/etc/link", symlink, "link_t"},
		{"/etc/with-_a1", regular, "etc_t"},
		{"/etc/with1", regular, "default_t"},
		{"/etc/CASE", regular, "case_t"},
		{"/etc/]+.", regular, "odd_t"},
		{"/etc/x+é", regular, "default_t"}, // which is two bytes
		{"/etc/{a", regular, "brace_t"},
		{"/etc/end", regular, "end_t"},
		{"/etc/end\n", regular, "end_t"},
		{"/etc/end\n\n", regular, "default_t"},
		{"/etc/link\n", symlink, "link_t"},

		{"/home/joe", dir, "user_home_dir_t"},
		{"/home/joe/x", regular, "user_home_t"},
		{"/home/joe/.ssh/id", regular, "ssh_home_t"},

		{"/lib/x", regular, "lib_t"}, // the last line for /lib
		{"/lib64", symlink, "lib_t"},
		{"/lib64x", regular, "default_t"},
		{"/srv/run/lock/x", regular, "lock_t"}, // local first, then the distribution's
		{"/run/lock", dir, "lock_t"},
		{"/top/usr/bin/bash", regular, "shell_t"},
		{"/top", dir, "root_t"},

		{"//usr///bin//bash/", regular, "shell_t"},
		{"", dir, ""},
		{"usr/bin/bash", regular, ""},
	} {
		got, ok := p.Label(c.path, c.mode)
		if got != c.want || ok != (c.want != "") {
			t.Errorf("%q with mode %o: %q, %v, want %q", c.path, c.mode, got, ok, c.want)
		}
	}
}

// Many goroutines may ask, also for what has to be compiled first.
func TestConcurrent(t *testing.T) {
	p := load(t, files())
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for _, path := range []string{"/usr/lib/x.so", "/usr/x/bin/y", "/etc/with_1"} {
				if got, _ := p.Label(path, regular); got == "default_t" {
					t.Errorf("%s: %s", path, got)
				}
			}
		})
	}
	all.Wait()
}

func TestNoPolicy(t *testing.T) {
	for name, fs := range map[string]fstest.MapFS{
		"no config":    files("config", "-"),
		"empty config": files("config", ""),
		"disabled":     files("config", "SELINUX=disabled\nSELINUXTYPE=small\n"),
		"commented":    files("config", "#SELINUX=enforcing\n SELINUX=enforcing\nSELINUXTYPE=small\n"),
	} {
		t.Run(name, func(t *testing.T) {
			p := load(t, fs)
			if label, ok := p.Label("/", dir); ok || p.Name() != "" {
				t.Errorf("policy %q labels / as %q", p.Name(), label)
			}
		})
	}
	if _, ok := new(selinux.Policy).Label("/", dir); ok {
		t.Error("the zero Policy has a label")
	}
}

func TestConfig(t *testing.T) {
	for _, config := range []string{
		"SELINUX=Enforcing\nSELINUXTYPE= small \t\r\n",
		"SELINUXTYPE=other\nSELINUXTYPE=small\nSELINUX=permissive # always\nSELINUX=disabled",
	} {
		if p := load(t, files("config", config)); p.Name() != "small" {
			t.Errorf("%q: policy %q", config, p.Name())
		}
	}
}

// etc/selinux hides usr/etc/selinux, even when it has no config.
func TestLoad(t *testing.T) {
	under := func(dir string, from fstest.MapFS) fstest.MapFS {
		to := fstest.MapFS{}
		for name, f := range from {
			to[dir+"/"+name] = f
		}
		return to
	}
	usr := under("usr/etc/selinux", files())
	empty := under("etc/selinux", fstest.MapFS{"semanage.conf": {}})
	maps.Copy(empty, usr)
	for name, c := range map[string]struct {
		root fstest.MapFS
		want string
	}{
		"etc":     {under("etc/selinux", files()), "small"},
		"usr/etc": {usr, "small"},
		"both":    {empty, ""},
		"neither": {fstest.MapFS{}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			p, err := selinux.Load(c.root)
			if err != nil {
				t.Fatal(err)
			}
			if p.Name() != c.want {
				t.Errorf("policy %q, want %q", p.Name(), c.want)
			}
		})
	}
}

func TestLoadErrors(t *testing.T) {
	const file = "small/contexts/files/file_contexts"
	for name, c := range map[string]struct {
		changes []string
		want    string
	}{
		"no type":          {[]string{"config", "SELINUX=enforcing\n"}, `SELINUXTYPE ""`},
		"type that climbs": {[]string{"config", "SELINUX=enforcing\nSELINUXTYPE=../small\n"}, `SELINUXTYPE "../small"`},
		"other type":       {[]string{"config", "SELINUX=enforcing\nSELINUXTYPE=other\n"}, "policy other: "},
		"no contexts":      {[]string{file, "-"}, "policy small: open contexts/files/file_contexts"},
		"empty contexts":   {[]string{file, ""}, "no context for /"},
		"no binary":        {[]string{"small/policy/policy.33", "-", "small/policy/policy.kern", ""}, "Could not find binary policy file"},
		"no binaries":      {[]string{"small/policy/policy.33", "-"}, "open policy"},
		"one field":        {[]string{file, "/ root_t\n\n/x\n"}, `file_contexts: line 3: "/x" is missing fields`},
		"bad type":         {[]string{file, "/ root_t\n/x -f x_t\n"}, `file_contexts: line 2: invalid file type "-f"`},
		"not ASCII":        {[]string{file, "/ root_t\n/ö x_t\n"}, "line 2: field \"/ö\" has a byte that is not ASCII"},
		"NUL":              {[]string{file, "/\x00 root_t\n"}, "not ASCII"},
		"long":             {[]string{file, "/" + strings.Repeat("x", 1<<16) + " root_t\n"}, "65537 bytes is too long"},
		"huge":             {[]string{file, strings.Repeat("#", 16<<20+1)}, "exceeds the limit of 16777216 bytes"},
		"homedirs":         {[]string{file + ".homedirs", "\n/( x_t\n"}, "file_contexts.homedirs: line 2: expression \"/(\": missing )"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := selinux.LoadDir(files(c.changes...))
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v, want %q", err, c.want)
			}
		})
	}
}

// TestSyntax goes through what PCRE has and package regexp has not, or has in
// another way.
func TestSyntax(t *testing.T) {
	for _, c := range []struct{ pattern, matches, others string }{
		{`/a\sb`, "/a\vb /a\tb", "/ab /asb"},
		{`/a\Sb`, "/axb", "/a\vb /ab"},
		{`/a\hb\vc`, "/a\tb\nc", "/ab\nc"},
		{`/a\Hb\Vc\Nd`, "/axbxcxd", "/a\tbxcxd /axb\ncxd /axbxc\nd"},
		{`/a.b`, "/axb /a\nb /a\xffb", "/ab /aéb"},
		{`/a[^x]b`, "/a\nb /a\xffb", "/axb /aéb"},
		{`/a\x41\x{42}\t\e`, "/aAB\t\x1b", "/aab\t\x1b"},
		{`/a\Q.*\E+`, "/a.* /a.**", "/abc /a.*+"},
		{`/a(?#comment)b`, "/ab", "/a"},
		{`/a(?:b|c)*?`, "/a /abcb", "/ad"},
		{`/(?i:a)b`, "/Ab /ab", "/AB"},
		{`/(?)a`, "/a", "/b"},
		{`/a[[:upper:][:digit:]]`, "/aB /a1", "/ab"},
		{`/a[[:^upper:]]`, "/ab", "/aB"},
		{`/a[-x]b[x-]`, "/a-b- /axbx", "/aybx"},
		{`/a[^]x]`, "/ay", "/a] /ax"},
		{`/a[\]\-\\]`, `/a] /a- /a\`, "/ab"},
		{`/a[\s\S]`, "/a\n /ab", "/a"},
		{`/a[\d_\w\h\v-]`, "/a- /a1 /a\n", "/a:"},
		{`/a[\W][\D]`, "/a:x", "/aax /a:1"},
		{`/a[[]b`, "/a[b", "/ab"},
		{`/a[a\bz]`, "/a\b", "/a\\"},
		{`/a{b{2}`, "/a{bb", "/abb /a{b"},
		{`/a{}b}`, "/a{}b}", "/ab}"},
		{`/a{1,}b{2,3}`, "/aaabb /abbb", "/abbbb"},
		{`/a]\@\/b`, "/a]@/b", "/a]"},
		{`/a\bb|/a\B-`, "", "/ab"},
		{`/a\b-\Bb?`, "/a-", "/a-b"},
		{`/a\z`, "/a", "/a\n"},
		{`/a/x|/b/y`, "/a/x /a/xyz /a/z/b/y", "/b/y /c/x"}, // whatever it is good for
		{`/a|/b`, "/a /ab /x/b", "/x/c"},
		{`/(a|b)$`, "/a /b\n", "/ab"},
		{`/(a|b$)`, "/a /b\n", "/bc"},
		{`/a\.b`, "/a.b", "/axb"},
		{`/a\d`, "/a1", "/ad"},
	} {
		p, err := selinux.LoadDir(files("small/contexts/files/file_contexts", "/ root_t\n"+c.pattern+" found_t\n"))
		if err != nil {
			t.Errorf("%s: %v", c.pattern, err)
			continue
		}
		for list, want := range map[string]string{c.matches: "found_t", c.others: ""} {
			for _, path := range strings.Split(list, " ") {
				if got, _ := p.Label(path, regular); path != "" && got != want {
					t.Errorf("%s for %q: %q, want %q", c.pattern, path, got, want)
				}
			}
		}
	}
}

func TestUnsupportedSyntax(t *testing.T) {
	for _, pattern := range []string{
		`/a(`, `/a)`, `/a[`, `/a[b`, `/a[]`, `/a[b-`, `/a[b\`, `/a\`, `*`, `/a|*`, `/a**`, `/a{2}{3}`, `/a{,3}`, `/a{1001}`, `/(a{999}){999}`,
		`/a*+`, `/a++`, `/a{2}+`, `/a(?=b)`, `/a(?!b)`, `/a(?<=b)`, `/a(?>b)`, `/(?P<n>a)`, `/(?m)a`, `/(?x)a`, `/(?i-)a`, `/(?-i-s)a`, `/(?i`,
		`/(*UTF8)a`, `/(a)\1`, `/a\R`, `/a\pL`, `/a\G`, `/a\xff`, `/a\x{100}`, `/a\x{41`, `/a\xg`, `/a\o{1}`, `/a$b`, `/(a$)b`, `/(a$|b)c`,
		`/[z-a]`, `/[a-\d]`, `/[\d-z]`, `/[a-[:digit:]]`, `/[[:foo:]]`, `/[[.a.]]`, `/[\H]`, `/[\V]`, `/[\Q]`, `/a(?#b`,
		"/" + strings.Repeat("(", 2000) + strings.Repeat(")", 2000),
	} {
		_, err := selinux.LoadDir(files("small/contexts/files/file_contexts", "/ root_t\n"+pattern+" found_t\n"))
		if err == nil || !strings.Contains(err.Error(), "file_contexts: line 2: ") {
			t.Errorf("%.40s: %v", pattern, err)
		}
	}
}
