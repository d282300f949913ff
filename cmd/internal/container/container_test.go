package container_test

import (
	"bytes"
	"encoding/json"
	"io"
	"log"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-containerregistry/pkg/registry"
	"github.com/treenail/treenail/cmd/internal/cli"
	"github.com/treenail/treenail/cmd/internal/container"
	"github.com/treenail/treenail/cmd/internal/ostree"
)

type output struct {
	Stdout, Stderr string
	Code           int
}

// run runs a command in this process.
func run(t *testing.T, args ...string) output {
	t.Helper()
	p := cli.Program{
		Name: "treenail", Version: func(io.Writer) {}, Groups: []string{ostree.GroupCommits, ostree.GroupRepo},
		Commands: append(ostree.Commands(), container.Command()),
	}
	var stdout, stderr bytes.Buffer
	code := p.Run(t.Context(), args, cli.Streams{Stdin: strings.NewReader(""), Stdout: &stdout, Stderr: &stderr})
	return output{stdout.String(), stderr.String(), code}
}

// must runs a command that has to succeed and returns its output without the
// last newline.
func must(t *testing.T, args ...string) string {
	t.Helper()
	o := run(t, args...)
	if o.Code != 0 || o.Stderr != "" {
		t.Fatalf("%s: %+v", strings.Join(args, " "), o)
	}
	return strings.TrimSuffix(o.Stdout, "\n")
}

// sample moves into a directory with a repository "repo" that has a commit on
// the branch "os", and an empty one "empty". It returns the commit.
func sample(t *testing.T) string {
	t.Helper()
	t.Chdir(t.TempDir())
	t.Setenv("XDG_CACHE_HOME", "/dev/null") // every layer is made
	for path, content := range map[string]string{
		"tree/usr/bin/hello": "echo hello\n", "tree/usr/lib/modules/6.1/vmlinuz": "kernel", "tree/usr/lib/modules/6.1/initramfs.img": "initramfs",
	} {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	must(t, "init", "--repo=repo", "--mode=archive")
	must(t, "init", "--repo=empty", "--mode=bare-user")
	return must(t, "commit", "--repo=repo", "-b", "os", "-s", "An OS", "--bootable", "--add-metadata-string=version=42",
		"--add-metadata-string=vendor=us", "--timestamp=@1700000000", "tree")
}

var digest = regexp.MustCompile(`^sha256:[0-9a-f]{64}$`)

func TestRoundTrip(t *testing.T) {
	server := httptest.NewServer(registry.New(registry.Logger(log.New(io.Discard, "", 0))))
	defer server.Close()
	host := strings.TrimPrefix(server.URL, "http://")
	for _, image := range []string{"oci:layout:v1", "oci-archive:image.tar", "docker://" + host + "/os:v1"} {
		t.Run(image, func(t *testing.T) {
			commit := sample(t)
			d := must(t, "container", "encapsulate", "--repo=repo", "--tls-verify=false", "os", image)
			if !digest.MatchString(d) {
				t.Errorf("encapsulate printed %q", d)
			}
			if got := must(t, "container", "import", "--repo=empty", "--tls-verify=false", image); got != "Imported: "+commit {
				t.Error(got)
			}
			if got := must(t, "container", "unencapsulate", "--repo=empty", "--tls-verify=false", "--write-ref=a/b", "ostree-unverified-image:"+image); got != "Imported: a/b => "+commit {
				t.Error(got)
			}
			if got := must(t, "rev-parse", "--repo=empty", "a/b"); got != commit {
				t.Error(got)
			}
			if !strings.Contains(must(t, "container", "inspect", "--insecure-skip-tls-verification", image), "\nCommit:    "+commit+"\n") {
				t.Error("inspect names another commit")
			}
		})
	}
}

// TestDeterminism: neither the name of the command nor the medium changes the image.
func TestDeterminism(t *testing.T) {
	sample(t)
	first := must(t, "container", "encapsulate", "--repo=repo", "os", "oci:a")
	for _, args := range [][]string{
		{"container", "export", "--repo=repo", "os", "oci:b"},
		{"container", "encapsulate", "--repo=repo", "os", "oci-archive:c.tar"},
		{"container", "encapsulate", "--repo=repo", "--compression-level=6", "--format-version=1", "--max-layers=64", "os", "oci:a:tag"},
	} {
		if got := must(t, args...); got != first {
			t.Errorf("%s: %s, want %s", strings.Join(args, " "), got, first)
		}
	}
}

type info struct {
	Commit, Version, Created, Architecture, OS, Linux string
	Bootable, Encapsulated                            bool
	Labels, Annotations                               map[string]string
	Layers                                            []struct {
		Kind, Digest, DiffID string
		Size                 int64
		Components           []string
	}
}

func inspect(t *testing.T, image string, args ...string) (i info) {
	t.Helper()
	if err := json.Unmarshal([]byte(must(t, append([]string{"container", "inspect", "--json", image}, args...)...)), &i); err != nil {
		t.Fatal(err)
	}
	return i
}

func TestOptions(t *testing.T) {
	commit := sample(t)
	if err := os.WriteFile("config.json", []byte(`{"Env":["A=b"],"Labels":{"old":"1"}}`), 0o644); err != nil {
		t.Fatal(err)
	}
	must(t, "container", "encapsulate", "--repo=repo", "-l", "k=v", "--label=eq=a=b", "--copymeta=vendor", "--copymeta-opt=version",
		"--copymeta-opt=nope", "--cmd=/bin/sh", "--cmd=-c", "--config=config.json", "--created=2024-01-02T03:04:05Z", "--arch=riscv64",
		"--max-layers=2", "--compression-fast", "--format-version=2", "os", "oci:image")
	i := inspect(t, "oci:image", "--arch=riscv64")
	for key, want := range map[string]string{
		"k": "v", "eq": "a=b", "vendor": "us", "version": "42", "ostree.commit": commit, "ostree.bootable": "true", "ostree.linux": "6.1", "old": "1",
	} {
		if i.Labels[key] != want {
			t.Errorf("label %s is %q, want %q", key, i.Labels[key], want)
		}
	}
	if i.Created != "2024-01-02T03:04:05Z" || i.Architecture != "riscv64" || i.OS != "linux" || len(i.Layers) > 2 {
		t.Errorf("%+v", i)
	}
}

func TestContentMeta(t *testing.T) {
	sample(t)
	hello := strings.Fields(must(t, "ls", "--repo=repo", "-C", "os", "/usr/bin/hello"))[4]
	kernel := strings.Fields(must(t, "ls", "--repo=repo", "-C", "os", "/usr/lib/modules/6.1/vmlinuz"))[4]
	initramfs := strings.Fields(must(t, "ls", "--repo=repo", "-C", "os", "/usr/lib/modules/6.1/initramfs.img"))[4]
	meta := map[string]any{
		"version": 1, "created": "2023-05-06T07:08:09Z", "labels": map[string]string{"k": "meta"},
		"layers":  map[string]string{"a": "tools", "b": "kernel"},
		"mapping": map[string]string{hello: "a", kernel: "b", initramfs: "b"},
	}
	data, _ := json.Marshal(meta)
	if err := os.WriteFile("meta.json", data, 0o644); err != nil {
		t.Fatal(err)
	}
	must(t, "container", "encapsulate", "--repo=repo", "--contentmeta=meta.json", "--label=k=mine", "os", "oci:image")
	i := inspect(t, "oci:image")
	var components [][]string
	for _, l := range i.Layers {
		components = append(components, l.Components)
	}
	if diff := cmp.Diff([][]string{nil, {"tools"}, {"kernel"}}, components); diff != "" {
		t.Error(diff)
	}
	if i.Created != "2023-05-06T07:08:09Z" || i.Labels["k"] != "meta" {
		t.Errorf("%+v", i)
	}
}

func TestJSON(t *testing.T) {
	commit := sample(t)
	var encapsulated struct {
		Digest string
		Layers []struct {
			Digest, DiffID, Name string
			Size, Uncompressed   int64
			Components           []string
		}
	}
	if err := json.Unmarshal([]byte(must(t, "container", "encapsulate", "--json", "--repo=repo", "os", "oci:image")), &encapsulated); err != nil {
		t.Fatal(err)
	}
	i := inspect(t, "oci:image")
	if len(encapsulated.Layers) != len(i.Layers) || len(i.Layers) == 0 {
		t.Fatalf("%d layers written, %d read", len(encapsulated.Layers), len(i.Layers))
	}
	for n, l := range encapsulated.Layers {
		if l.Digest != i.Layers[n].Digest || l.DiffID != i.Layers[n].DiffID || l.Size != i.Layers[n].Size || l.Uncompressed < 1024 {
			t.Errorf("layer %d: %+v, read as %+v", n, l, i.Layers[n])
		}
	}
	var imported struct{ Commit, Digest, Ref string }
	if err := json.Unmarshal([]byte(must(t, "container", "import", "--json", "--repo=empty", "--write-ref=x", "oci:image")), &imported); err != nil {
		t.Fatal(err)
	}
	if imported.Commit != commit || imported.Digest != encapsulated.Digest || imported.Ref != "x" {
		t.Errorf("%+v", imported)
	}
}

func TestInspectText(t *testing.T) {
	commit := sample(t)
	d := must(t, "container", "encapsulate", "--repo=repo", "--arch=amd64", "os", "oci:image")
	got := must(t, "container", "inspect", "--arch=amd64", "oci:image")
	got = regexp.MustCompile(`[0-9.]+\x{a0}kB|[0-9]+ bytes`).ReplaceAllString(got, "N")
	got = regexp.MustCompile(`(ostree|chunk) +N  [0-9a-f]{12}`).ReplaceAllString(got, "$1 N HEX")
	want := "Digest:    " + d + "\nCommit:    " + commit + "\nVersion:   42\nCreated:   2023-11-14T22:13:20Z\n" +
		"Platform:  linux/amd64\nBootable:  yes, Linux 6.1\nSize:      N in 2 layers\n\n" +
		"LAYER  KIND          SIZE  DIGEST        COMPONENTS\n    0  ostree N HEX\n    1  chunk N HEX  initramfs"
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// TestPlan: an unchanged commit costs nothing, one with another file what that is in,
// and a previous image that tells nothing is warned of.
func TestPlan(t *testing.T) {
	sample(t)
	must(t, "container", "encapsulate", "--repo=repo", "os", "oci:image")
	plan := func(args ...string) output {
		return run(t, append([]string{"container", "plan", "--repo=repo"}, args...)...)
	}
	type update struct{ Layers, Content, Size int }
	cost := func(o output) update {
		var j struct{ Update update }
		if err := json.Unmarshal([]byte(o.Stdout), &j); err != nil {
			t.Fatalf("%v: %+v", err, o)
		}
		return j.Update
	}
	if got := cost(plan("--json", "--previous=oci:image", "os")); got != (update{}) {
		t.Errorf("the same commit: %+v", got)
	}
	if got := cost(plan("--json", "os")); got.Layers != 2 || got.Size == 0 {
		t.Errorf("without a previous image: %+v", got)
	}
	if err := os.WriteFile("tree/usr/bin/hello", []byte("echo more"), 0o755); err != nil {
		t.Fatal(err)
	}
	must(t, "--repo=repo", "commit", "--branch=other", "--tree=dir=tree")
	if got := cost(plan("--json", "--previous=oci:image", "other")); got.Layers != 1 || got.Content == 0 {
		t.Errorf("another file: %+v", got)
	}
	must(t, "container", "encapsulate", "--repo=repo", "--max-layers=1", "os", "oci:single")
	o := plan("--previous=oci:single", "os")
	if o.Code != 0 || !strings.Contains(o.Stderr, "warning: oci:single says nothing about the layers: its layers don't say what they hold") || !strings.Contains(o.Stdout, "\nUpdate: ") {
		t.Errorf("%+v", o)
	}
}

func TestErrors(t *testing.T) {
	sample(t)
	must(t, "container", "encapsulate", "--repo=repo", "os", "oci:image")
	if err := os.WriteFile("bad.json", []byte("{"), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		args, want string
		usage      bool
	}{
		{"encapsulate --repo=repo os", "A REV and an IMAGE must be specified", true},
		{"encapsulate --repo=repo os oci:x y", "A REV and an IMAGE must be specified", true},
		{"encapsulate os oci:x", "Command requires a --repo argument", true},
		{"encapsulate --repo=repo nope oci:x", "Refspec 'nope' not found", false},
		{"encapsulate --repo=repo os x", "Missing ':' in x", false},
		{"encapsulate --repo=repo os what:x", "Unknown transport 'what'", false},
		{"encapsulate --repo=repo --label=x os oci:x", "Missing '=' in label x", false},
		{"encapsulate --repo=repo --copymeta=nope os oci:x", "nope", false},
		{"encapsulate --repo=repo --format-version=3 os oci:x", "--format-version: 3 is neither 1 nor 2", false},
		{"encapsulate --repo=repo --compression-level=10 os oci:x", "gzip level 10 is not between 1 and 9", false},
		{"encapsulate --repo=repo --compression-fast --compression-level=9 os oci:x", "--compression-fast and --compression-level contradict each other", false},
		{"encapsulate --repo=repo --max-layers=-1 os oci:x", "--max-layers: -1 is negative", false},
		{"encapsulate --repo=repo --config=nope os oci:x", "open nope: No such file or directory", false},
		{"encapsulate --repo=repo --config=bad.json os oci:x", "config", false},
		{"encapsulate --repo=repo --contentmeta=bad.json os oci:x", "bad.json: content meta:", false},
		{"encapsulate --repo=repo --compression=lzma os oci:x", `compression "lzma" is not one of gzip, zstd, zstd:chunked, none`, false},
		{"encapsulate --repo=repo --compression=none --compression-fast os oci:x", "without compression there is no level of it", false},
		{"encapsulate --repo=repo --annotation=x os oci:x", "Missing '=' in annotation x", false},
		{"encapsulate --repo=repo --layer-cache=c --no-layer-cache os oci:x", "--no-layer-cache and --layer-cache contradict each other", false},
		{"encapsulate --repo=repo --layer-cache=bad.json os oci:x", "layer cache: ", false},
		{"encapsulate --repo=repo --previous=nope os oci:x", "--previous: neither an image", false},
		{"encapsulate --repo=repo --previous=bad.json os oci:x", "bad.json: manifest:", false},
		{"encapsulate --repo=repo --previous=oci:nope os oci:x", "oci:nope: ", false},
		{"plan --repo=repo", "A REV must be specified", true},
		{"plan --repo=repo nope", "Refspec 'nope' not found", false},
		{"index oci:x", "An IMAGE and at least one SOURCE must be specified", true},
		{"index oci:x oci:nope", "oci:nope: ", false},
		{"import --repo=empty", "One IMAGE must be specified", true},
		{"import --repo=empty oci:nope", "oci:nope: ", false},
		{"import --repo=empty --write-ref=! oci:image", "Invalid refspec !", false},
		{"import --repo=empty ostree-image-signed:oci:image", "the reference demands that signatures be verified", false},
		{"inspect", "One IMAGE must be specified", true},
		{"inspect oci:nope", "oci:nope: ", false},
		{"inspect --tls-verify=perhaps oci:image", "Invalid boolean argument 'perhaps'", false},
		{"nope", `Unknown "container" subcommand 'nope'`, true},
	} {
		t.Run(c.args, func(t *testing.T) {
			o := run(t, append([]string{"container"}, strings.Fields(c.args)...)...)
			last := strings.TrimSuffix(o.Stderr, "\n")
			last = last[strings.LastIndexByte(last, '\n')+1:]
			if o.Code != 1 || o.Stdout != "" || !strings.HasPrefix(last, "error: ") || !strings.Contains(last, c.want) {
				t.Errorf("exit code %d, %q, want %q", o.Code, last, c.want)
			}
			if strings.HasPrefix(o.Stderr, "Usage:") != c.usage {
				t.Errorf("standard error:\n%s", o.Stderr)
			}
		})
	}
	if _, err := os.Stat("x/index.json"); err == nil {
		t.Error("an image that failed is visible")
	}
}
