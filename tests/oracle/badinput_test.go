package oracle_test

import (
	"archive/tar"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
)

// unchanged runs a command that must be refused with an error that has all
// words, and checks that the repository stays as it was, to the byte.
func unchanged(t *testing.T, repo string, words []string, args ...string) {
	t.Helper()
	before := repository(t, repo)
	line := refuse(t, treenail, append([]string{args[0], "--repo=" + repo}, args[1:]...)...)
	for _, word := range words {
		if !strings.Contains(line, word) {
			t.Errorf("the error does not name %q: %s", word, line)
		}
	}
	same(t, "repository", before, repository(t, repo))
}

// entry is one member of an archive; a body makes it a regular file.
func entry(typ byte, name, link string) tar.Header {
	return tar.Header{Typeflag: typ, Name: name, Linkname: link, Mode: 0o644}
}

// tarball writes headers as they are, whatever they say.
func tarball(t *testing.T, headers ...tar.Header) string {
	t.Helper()
	var buf bytes.Buffer
	w := tar.NewWriter(&buf)
	for _, h := range headers {
		if err := w.WriteHeader(&h); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir(t), "hostile.tar")
	if err := os.WriteFile(path, buf.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestHostileTar commits archives that try things. Where the real program
// refuses, ours does, and neither writes outside the repository.
func TestHostileTar(t *testing.T) {
	need(t, "ostree")
	root := entry(tar.TypeDir, "./", "")
	for name, headers := range map[string][]tar.Header{
		"dot dot":          {root, entry(tar.TypeReg, "../escape", "")},
		"inner dot dot":    {root, entry(tar.TypeDir, "a", ""), entry(tar.TypeReg, "a/../../escape", "")},
		"device":           {root, entry(tar.TypeChar, "null", "")},
		"block":            {root, entry(tar.TypeBlock, "disk", "")},
		"fifo":             {root, entry(tar.TypeFifo, "pipe", "")},
		"link to nothing":  {root, entry(tar.TypeLink, "x", "nowhere")},
		"link outside":     {root, entry(tar.TypeLink, "x", "../../etc/passwd")},
		"no parent":        {root, entry(tar.TypeReg, "a/b", "")},
		"file as parent":   {root, entry(tar.TypeReg, "a", ""), entry(tar.TypeReg, "a/b", "")},
		"through symlink":  {root, entry(tar.TypeSymlink, "a", "/tmp"), entry(tar.TypeReg, "a/escape", "")},
		"dir becomes file": {root, entry(tar.TypeDir, "a", ""), entry(tar.TypeReg, "a", "")},
		"file becomes dir": {root, entry(tar.TypeReg, "a", ""), entry(tar.TypeDir, "a", "")},
		"not UTF-8":        {root, entry(tar.TypeReg, "caf\xe9", "")},
	} {
		t.Run(name, func(t *testing.T) {
			path := tarball(t, headers...)
			args := []string{"commit", "--branch=x", "--timestamp=@1", "--tree=tar=" + path}
			theirs := filepath.Join(dir(t), "theirs")
			run(t, "ostree", "--repo="+theirs, "init", "--mode=archive")
			if _, _, err := try(exec.Command("ostree", append(args, "--repo="+theirs)...)); err == nil {
				t.Fatal("ostree takes this, so the case is wrong")
			}
			ours := filepath.Join(dir(t), "ours")
			run(t, treenail, "--repo="+ours, "init", "--mode=archive")
			unchanged(t, ours, nil, args...)
		})
	}
}

// TestBrokenTar cuts an archive in each of its headers and bodies, and breaks
// its headers. The real program is not asked: 2022.7 repeats a warning for ever.
func TestBrokenTar(t *testing.T) {
	need(t, "tar")
	whole := filepath.Join(dir(t), "whole.tar")
	run(t, "tar", "-C", smallTree(t, dir(t)+"/tree", 4), "-cf", whole, ".")
	data, err := os.ReadFile(whole)
	if err != nil {
		t.Fatal(err)
	}
	broken := map[string][]byte{"garbage": []byte(noise(4096))}
	for _, at := range cuts(t, data) {
		broken[fmt.Sprint("cut at ", at)] = data[:at]
	}
	checksum := bytes.Index(data, []byte("./usr/lib/1\x00")) + 150
	broken["checksum of a header"] = slices.Concat(data[:checksum], []byte("9"), data[checksum+1:])
	repo := filepath.Join(dir(t), "repo")
	run(t, treenail, "--repo="+repo, "init", "--mode=archive")
	for name, data := range broken {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(dir(t), "broken.tar")
			if err := os.WriteFile(path, data, 0o644); err != nil {
				t.Fatal(err)
			}
			unchanged(t, repo, nil, "commit", "--branch=x", "--timestamp=@1", "--tree=tar="+path)
		})
	}
}

// cuts returns places inside the members of an archive.
func cuts(t *testing.T, data []byte) (at []int) {
	t.Helper()
	r := bytes.NewReader(data)
	for members := tar.NewReader(r); ; {
		h, err := members.Next()
		if err == io.EOF {
			return at
		}
		if err != nil {
			t.Fatal(err)
		}
		body := len(data) - r.Len()
		at = append(at, body-100)
		if h.Size > 0 {
			at = append(at, body+int(h.Size)/2)
		}
	}
}

// TestDamagedObject breaks one object. Everything that reads it says which one.
func TestDamagedObject(t *testing.T) {
	need(t, "ostree")
	for _, mode := range []string{"archive", "bare", "bare-user"} {
		t.Run(mode, func(t *testing.T) {
			repo, _ := commitTree(t, treenail, mode, smallTree(t, dir(t)+"/tree", 6))
			name := damageOne(t, repo, mode)
			d := dir(t)
			for _, args := range [][]string{
				{"fsck"},
				{"cat", branch, "/usr/lib/5"},
				{"container", "encapsulate", branch, "oci:" + d + "/image"},
			} {
				line := refuse(t, treenail, append(args, "--repo="+repo)...)
				if args[0] != "fsck" && !strings.Contains(line, name) {
					t.Errorf("%s: the error does not name %s: %s", args[0], name, line)
				}
			}
			refuse(t, "ostree", "fsck", "--repo="+repo)
			if _, err := os.Stat(d + "/image/index.json"); err == nil {
				t.Error("the image is visible in spite of the error")
			}
		})
	}
}

// damageOne flips a bit in the object of /usr/lib/5 and returns its checksum.
func damageOne(t *testing.T, repo, mode string) string {
	t.Helper()
	fields := strings.Fields(run(t, treenail, "--repo="+repo, "ls", "-C", branch, "/usr/lib/5"))
	name := fields[len(fields)-2]
	path := filepath.Join(repo, "objects", name[:2], name[2:]+".file")
	if mode == "archive" {
		path += "z"
	}
	flip(t, path, -10)
	return name
}

// flip changes one bit of a file, counted from its end when at is negative.
func flip(t *testing.T, path string, at int) {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if at < 0 {
		at += len(data)
	}
	data[at] ^= 4
	if err := os.WriteFile(path, data, 0o644); err != nil {
		t.Fatal(err)
	}
}

// TestDamagedImage breaks images in the ways that a bad disk or a bad registry
// has. Import names what is wrong and leaves the repository as it was.
func TestDamagedImage(t *testing.T) {
	need(t, "ostree")
	source, _ := commitTree(t, treenail, "archive", smallTree(t, dir(t)+"/tree", 30))
	for name, damage := range map[string]func(t *testing.T, layout string, m manifest) (named string){
		"bit in a layer": func(t *testing.T, layout string, m manifest) string {
			flip(t, blob(layout, m.Layers[0].Digest), 300)
			return m.Layers[0].Digest
		},
		"bit at the end of a layer": func(t *testing.T, layout string, m manifest) string {
			flip(t, blob(layout, m.Layers[0].Digest), -3)
			return m.Layers[0].Digest
		},
		"layer cut short": func(t *testing.T, layout string, m manifest) string {
			truncate(t, blob(layout, m.Layers[0].Digest), -1000)
			return m.Layers[0].Digest
		},
		"layer with a tail": func(t *testing.T, layout string, m manifest) string {
			truncate(t, blob(layout, m.Layers[0].Digest), 1000)
			return m.Layers[0].Digest
		},
		"layer missing": func(t *testing.T, layout string, m manifest) string {
			if err := os.Remove(blob(layout, m.Layers[0].Digest)); err != nil {
				t.Fatal(err)
			}
			return m.Layers[0].Digest
		},
		"bit in the config": func(t *testing.T, layout string, m manifest) string {
			flip(t, blob(layout, m.Config.Digest), 40)
			return m.Config.Digest
		},
		"bit in the manifest": func(t *testing.T, layout string, m manifest) string {
			flip(t, blob(layout, m.digest), 40)
			return m.digest
		},
	} {
		t.Run(name, func(t *testing.T) {
			layout := filepath.Join(dir(t), "image")
			digest := encapsulate(t, source, "oci:"+layout+":1")
			named := damage(t, layout, readManifest(t, layout, digest))
			repo := filepath.Join(dir(t), "repo")
			run(t, treenail, "--repo="+repo, "init", "--mode=bare-user")
			unchanged(t, repo, []string{named}, "container", "import", "--write-ref="+branch, "oci:"+layout+":1")
		})
	}
}

type manifest struct {
	digest string
	Config struct{ Digest string }
	Layers []struct{ Digest string }
}

func blob(layout, digest string) string {
	return filepath.Join(layout, "blobs", strings.Replace(digest, ":", "/", 1))
}

func readManifest(t *testing.T, layout, digest string) manifest {
	t.Helper()
	data, err := os.ReadFile(blob(layout, digest))
	if err != nil {
		t.Fatal(err)
	}
	m := manifest{digest: digest}
	if err := json.Unmarshal(data, &m); err != nil {
		t.Fatal(err)
	}
	return m
}

// truncate makes a file longer or shorter by n bytes.
func truncate(t *testing.T, path string, n int64) {
	t.Helper()
	info, err := os.Stat(path)
	if err == nil {
		err = os.Truncate(path, info.Size()+n)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// TestWrongWords: what a command line can get wrong.
func TestWrongWords(t *testing.T) {
	repo, commit := commitTree(t, treenail, "archive", smallTree(t, dir(t)+"/tree", 3))
	plain := filepath.Join(dir(t), "plain")
	if err := os.MkdirAll(plain, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ words, args []string }{
		{[]string{"nosuch"}, []string{"container", "encapsulate", "nosuch", "oci:" + plain + "/x"}},
		{[]string{"'odd'"}, []string{"container", "encapsulate", branch, "odd:name"}},
		{[]string{"absent.json"}, []string{"container", "encapsulate", "--contentmeta=/absent.json", branch, "oci:" + plain + "/x"}},
		{[]string{plain}, []string{"container", "import", "oci:" + plain}},
		{[]string{"bad..ref"}, []string{"container", "import", "--write-ref=bad..ref/", "oci:" + plain}},
		{[]string{"../../x"}, []string{"commit", "--branch=../../x", "--tree=ref=" + commit}},
		{[]string{"x y"}, []string{"refs", "--create=x y", commit}},
		{[]string{"/absent"}, []string{"commit", "--branch=x", "--statoverride=/absent", "--tree=ref=" + commit}},
	} {
		t.Run(strings.Join(c.args, " "), func(t *testing.T) { unchanged(t, repo, c.words, c.args...) })
	}
	t.Run("unknown mode", func(t *testing.T) {
		absent := filepath.Join(dir(t), "repo")
		if line := refuse(t, treenail, "--repo="+absent, "init", "--mode=odd"); !strings.Contains(line, "odd") {
			t.Error(line)
		}
		if _, err := os.Stat(absent); err == nil {
			t.Error("something was made of it nevertheless")
		}
	})
}

// TestUnreadable commits as a user who may not read one of the files.
func TestUnreadable(t *testing.T) {
	home := dir(t)
	b := &builder{root: filepath.Join(home, "tree")}
	b.dir("sub", 0o755)
	b.file("sub/secret", "for root alone", 0o600)
	b.do(func() error { return os.Chown(home, 65534, 65534) })
	if b.err != nil {
		t.Fatal(b.err)
	}
	nobody := func(args ...string) *exec.Cmd {
		cmd := exec.Command(treenail, append(args, "--repo="+home+"/repo")...)
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
		return cmd
	}
	if _, stderr, err := try(nobody("init", "--mode=bare-user")); err != nil {
		t.Fatal(stderr)
	}
	before := repository(t, home+"/repo")
	line := refused(t, nobody("commit", "--branch=x", "--tree=dir="+b.root))
	if !strings.Contains(line, "sub/secret") || !strings.Contains(strings.ToLower(line), "permission denied") {
		t.Errorf("the error does not tell what and why: %s", line)
	}
	same(t, "repository", before, repository(t, home+"/repo"))
}
