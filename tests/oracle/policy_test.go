package oracle_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/registry"
)

// trust is a user's home with keys and the configuration of signatures.
type trust struct {
	home string
	gpg  string // fingerprint of the secret key
}

func newTrust(t *testing.T) *trust {
	t.Helper()
	need(t, "gpg", "skopeo")
	d, err := os.MkdirTemp("/tmp", "gpg") // gpg-agent wants its socket's path short
	if err != nil {
		t.Fatal(err)
	}
	w := &trust{home: d}
	t.Cleanup(func() {
		try(w.command("gpgconf", "--kill", "all"))
		os.RemoveAll(d)
	})
	for _, dir := range []string{d + "/.gnupg", d + "/.config/containers/registries.d"} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	w.write(t, ".config/containers/registries.d/default.yaml", "default-docker:\n  lookaside: file://"+d+"/signatures\n  use-sigstore-attachments: true\n")
	w.run(t, "gpg", "--batch", "--quiet", "--passphrase", "", "--quick-gen-key", "signer@example.org", "rsa2048", "sign", "never")
	for line := range strings.Lines(w.run(t, "gpg", "--list-keys", "--with-colons")) {
		if fields := strings.Split(line, ":"); fields[0] == "fpr" && w.gpg == "" {
			w.gpg = fields[9]
		}
	}
	w.run(t, "gpg", "--batch", "--output", d+"/key.gpg", "--export", w.gpg)
	return w
}

// sigstore signs an image of a registry as cosign does: an image of the signature, under
// a tag made of the digest, has what was signed as its layer. Debian's skopeo cannot.
func (w *trust) sigstore(t *testing.T, key *ecdsa.PrivateKey, name, digest string) {
	t.Helper()
	payload := fmt.Sprintf(`{"critical":{"identity":{"docker-reference":%q},"image":{"docker-manifest-digest":%q},"type":"cosign container image signature"},"optional":null}`, name, digest)
	hash := sha256.Sum256([]byte(payload))
	signature, err := ecdsa.SignASN1(rand.Reader, key, hash[:])
	if err != nil {
		t.Fatal(err)
	}
	d := dir(t)
	config := fmt.Sprintf(`{"architecture":"","os":"","config":{},"rootfs":{"type":"layers","diff_ids":["sha256:%x"]}}`, hash)
	manifest := fmt.Sprintf(`{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json",
		"config":{"mediaType":"application/vnd.oci.image.config.v1+json","size":%d,"digest":"sha256:%x"},
		"layers":[{"mediaType":"application/vnd.dev.cosign.simplesigning.v1+json","size":%d,"digest":"sha256:%x",
		"annotations":{"dev.cosignproject.cosign/signature":%q}}]}`,
		len(config), sha256.Sum256([]byte(config)), len(payload), hash, base64.StdEncoding.EncodeToString(signature))
	for name, text := range map[string]string{
		"version":       "Directory Transport Version: 1.1\n",
		"manifest.json": manifest,
		fmt.Sprintf("%x", sha256.Sum256([]byte(config))): config,
		fmt.Sprintf("%x", hash):                          payload,
	} {
		if err := os.WriteFile(d+"/"+name, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	repository := name[:strings.LastIndex(name, ":")]
	tag := strings.Replace(digest, ":", "-", 1) + ".sig"
	w.run(t, "skopeo", "copy", "--quiet", "--dest-tls-verify=false", "dir:"+d, "docker://"+repository+":"+tag)
}

// newKey makes a key, and writes its public half to a file.
func (w *trust) newKey(t *testing.T, file string) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	public, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	w.write(t, file, string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: public})))
	return key
}

func (w *trust) write(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(w.home, name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func (w *trust) command(name string, args ...string) *exec.Cmd {
	cmd := exec.Command(name, args...)
	cmd.Env = append(os.Environ(), "HOME="+w.home, "GNUPGHOME="+w.home+"/.gnupg", "XDG_CONFIG_HOME="+w.home+"/.config", "CONTAINERS_POLICY_JSON=")
	return cmd
}

func (w *trust) run(t *testing.T, name string, args ...string) string {
	t.Helper()
	stdout, stderr, err := try(w.command(name, args...))
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, stderr)
	}
	return stdout
}

// TestSignaturePolicy pulls images, signed and not, under policies, and compares with
// whether skopeo would.
func TestSignaturePolicy(t *testing.T) {
	need(t, "setfattr")
	w := newTrust(t)
	host, d := serveRegistry(t), dir(t)
	repo, _ := sampleRepo(t)
	local := "oci:" + d + "/local:tag"
	digest := encapsulate(t, repo, local)
	push := func(name string, args ...string) {
		t.Helper()
		w.run(t, "skopeo", append(append([]string{"copy", "--quiet", "--dest-tls-verify=false"}, args...), local, "docker://"+host+"/"+name)...)
	}
	push("os/unsigned:1")
	push("os/gpg:1", "--sign-by="+w.gpg)
	push("os/sigstore:1")
	w.sigstore(t, w.newKey(t, "good.pub"), host+"/os/sigstore:1", digest)
	w.newKey(t, "other.pub")

	scopes := func(requirement string) string {
		return fmt.Sprintf(`{"default":[{"type":"insecureAcceptAnything"}],"transports":{"docker":{"%s/os":[%s]},"oci":{"%s":[{"type":"reject"}]}}}`, host, requirement, d)
	}
	gpg := scopes(`{"type":"signedBy","keyType":"GPGKeys","keyPath":"` + w.home + `/key.gpg"}`)
	good := scopes(`{"type":"sigstoreSigned","keyPath":"` + w.home + `/good.pub"}`)
	other := scopes(`{"type":"sigstoreSigned","keyPath":"` + w.home + `/other.pub"}`)
	scope := `transports.docker."` + host + `/os"`
	registry := "docker://" + host + "/os/"
	for _, c := range []struct {
		name, policy, image string
		want                string // what the refusal says; "": none
	}{
		{"no demands", `{"default":[{"type":"insecureAcceptAnything"}]}`, registry + "unsigned:1", ""},
		{"all rejected", `{"default":[{"type":"reject"}]}`, registry + "gpg:1", "refuses it by reject at default"},
		{"GPG, signed", gpg, registry + "gpg:1", ""},
		{"GPG, unsigned", gpg, registry + "unsigned:1", scope + " demands signedBy: A signature was required, but no signature exists"},
		{"sigstore, signed", good, registry + "sigstore:1", ""},
		{"sigstore, unsigned", good, registry + "unsigned:1", scope + " demands sigstoreSigned: A signature was required, but no signature exists"},
		{"sigstore, another key", other, registry + "sigstore:1", scope + " demands sigstoreSigned: cryptographic signature verification failed"},
		{"layout in a rejected directory", good, local, `refuses it by reject at transports.oci."` + d + `"`},
		{"broken policy", `{`, registry + "gpg:1", "signature policy"},
	} {
		t.Run(c.name, func(t *testing.T) {
			policy := w.write(t, "policy.json", c.policy)
			_, _, skopeoErr := try(w.command("skopeo", "copy", "--quiet", "--policy="+policy, "--src-tls-verify=false", c.image, "dir:"+dir(t)+"/x"))
			bySigstore := strings.Contains(c.policy, "sigstoreSigned") // which Debian's skopeo cannot verify
			if (skopeoErr == nil) != (c.want == "") && !bySigstore {
				t.Errorf("skopeo: %v", skopeoErr)
			}
			for _, image := range []string{c.image, "ostree-unverified-image:" + c.image, "ostree-image-signed:" + c.image} {
				want := c.want
				if c.name == "no demands" && strings.HasPrefix(image, "ostree-image-signed:") {
					want = "has insecureAcceptAnything for it at default, which verifies nothing"
				}
				w.pull(t, "CONTAINERS_POLICY_JSON="+policy, image, want)
			}
		})
	}
	t.Run("user's policy", func(t *testing.T) {
		w.write(t, ".config/containers/policy.json", gpg)
		w.pull(t, "CONTAINERS_POLICY_JSON=", registry+"unsigned:1", w.home+"/.config/containers/policy.json refuses it")
		w.pull(t, "CONTAINERS_POLICY_JSON=", registry+"gpg:1", "")
	})
	t.Run("no policy", func(t *testing.T) {
		into := filepath.Join(dir(t), "repo")
		run(t, treenail, "--repo="+into, "init", "--mode=archive")
		pull := func(image string) (stderr string, err error) {
			hidden := `for d in /etc/containers /usr/share/containers; do [ ! -d $d ] || mount -t tmpfs none $d; done; exec "$@"`
			cmd := w.command("unshare", "--mount", "sh", "-c", hidden, "sh", treenail, "container", "image", "pull", "--tls-verify=false", into, image)
			cmd.Env = append(cmd.Env, "HOME=/nonexistent", "XDG_CONFIG_HOME=/nonexistent")
			_, stderr, err = try(cmd)
			return stderr, err
		}
		if stderr, err := pull("ostree-image-signed:" + registry + "gpg:1"); err == nil || !strings.Contains(stderr, "there is no signature policy") {
			t.Errorf("%v: %s", err, stderr)
		}
		if stderr, err := pull(registry + "unsigned:1"); err != nil {
			t.Error(stderr)
		}
	})
	t.Run("kept by podman's storage", func(t *testing.T) {
		s := newStore(t)
		policy := w.write(t, "policy.json", `{"default":[{"type":"reject"}],"transports":{"containers-storage":{"":[{"type":"insecureAcceptAnything"}]}}}`)
		encapsulate(t, repo, s.in("localhost/os:1"))
		w.pull(t, "CONTAINERS_POLICY_JSON="+policy, s.in("localhost/os:1"), "")
	})
}

// pull pulls an image into a new repository, in which nothing is written if the pull has
// to be refused with an error that says want.
func (w *trust) pull(t *testing.T, env, image, want string) {
	t.Helper()
	repo := filepath.Join(dir(t), "repo")
	run(t, treenail, "--repo="+repo, "init", "--mode=archive")
	before := snapshot(t, repo, everything)
	cmd := w.command(treenail, "container", "image", "pull", "--tls-verify=false", repo, image)
	cmd.Env = append(cmd.Env, env)
	if want == "" {
		if _, stderr, err := try(cmd); err != nil {
			t.Errorf("%s: %s", image, stderr)
		}
		return
	}
	if message := refused(t, cmd); !strings.Contains(message, want) {
		t.Errorf("%s: %s\nwant: %s", image, message, want)
	}
	same(t, "repository after a refusal", before, snapshot(t, repo, everything))
}

// TestCommitSignature imports images whose commits are signed, or not, by the keys of
// remotes.
func TestCommitSignature(t *testing.T) {
	need(t, "setfattr")
	w, d := newTrust(t), dir(t)
	repo, commit := sampleRepo(t)
	unsigned := "oci:" + d + "/unsigned"
	encapsulate(t, repo, unsigned)
	w.run(t, "ostree", "--repo="+repo, "gpg-sign", "--gpg-homedir="+w.home+"/.gnupg", commit, w.gpg)
	run(t, treenail, "--repo="+repo, "sign", "--sign-type=ed25519", commit, base64.StdEncoding.EncodeToString(testKey))
	byGPG := "oci:" + d + "/gpg" // and by ed25519
	encapsulate(t, repo, byGPG)
	derived := "oci:" + d + "/derived"
	deriveFrom(t, byGPG, derived)

	into := filepath.Join(d, "into")
	run(t, treenail, "--repo="+into, "init", "--mode=archive")
	run(t, treenail, "--repo="+into, "remote", "add", "--gpg-import="+w.home+"/key.gpg", "good", "file:///nowhere")
	run(t, treenail, "--repo="+into, "remote", "add", "other", "file:///nowhere")
	run(t, treenail, "--repo="+into, "remote", "add", "--no-gpg-verify", "lax", "file:///nowhere")
	addKey := func(remote string, key ed25519.PublicKey) {
		run(t, treenail, "--repo="+into, "remote", "add", "--no-gpg-verify", "--sign-verify=ed25519=inline:"+base64.StdEncoding.EncodeToString(key), remote, "file:///nowhere")
	}
	addKey("ed25519", testKey.Public().(ed25519.PublicKey))
	addKey("wrong", ed25519.NewKeyFromSeed(bytes.Repeat([]byte{1}, ed25519.SeedSize)).Public().(ed25519.PublicKey))
	before := snapshot(t, into, everything)
	for _, c := range []struct{ remote, image, want string }{
		{"good", unsigned, "GPG verification enabled, but no signatures found"},
		{"ed25519", unsigned, `verification by the keys of remote "ed25519": No signatures found`},
		{"wrong", byGPG, `verification by the keys of remote "wrong": ed25519: Signature couldn't be verified`},
		{"lax", byGPG, `remote "lax" demands no signatures`},
		{"none", byGPG, `Remote "none" not found`},
		{"good", derived, "cannot verify the image by its commit: image has 1 non-ostree layers"},
	} {
		image := "ostree-remote-image:" + c.remote + ":" + c.image
		for _, args := range [][]string{{"container", "import", "--repo=" + into, image}, {"container", "image", "pull", into, image}} {
			if message := refuse(t, treenail, args...); !strings.Contains(message, c.want) {
				t.Errorf("%s: %s\nwant: %s", image, message, c.want)
			}
			same(t, "repository after a refusal", before, snapshot(t, into, everything))
		}
	}
	for _, args := range [][]string{{"import", "--repo=" + into}, {"image", "pull", into}} {
		args = append(append([]string{"container"}, args...), "ostree-remote-image:other:"+byGPG)
		if _, stderr, err := try(exec.Command(treenail, args...)); err == nil || !strings.Contains(stderr, "public key not found") {
			t.Errorf("without the key: %v, %s", err, stderr)
		}
		same(t, "repository after a refusal", before, snapshot(t, into, everything))
	}
	image := "ostree-remote-image:good:" + byGPG
	run(t, treenail, "container", "import", "--repo="+into, "--write-ref="+branch, image)
	isWhole(t, into, "archive", commit)
	run(t, treenail, "container", "import", "--repo="+into, "ostree-remote-image:ed25519:"+byGPG)
	run(t, treenail, "container", "image", "pull", into, image)
	// What is there already is verified, too.
	refuse(t, treenail, "container", "import", "--repo="+into, "ostree-remote-image:good:"+unsigned)
	if _, _, err := try(exec.Command(treenail, "container", "image", "pull", into, "ostree-remote-image:other:"+byGPG)); err == nil {
		t.Error("an image that is there is taken without the key")
	}
}

// deriveFrom adds a layer to an image.
func deriveFrom(t *testing.T, image, to string) {
	t.Helper()
	s := newStore(t)
	run(t, "skopeo", "copy", "--quiet", image, "oci:"+s.dir+"/base") // buildah wants paths in lower case
	container := s.run(t, "buildah", "from", "oci:"+s.dir+"/base")
	file := s.dir + "/file"
	if err := os.WriteFile(file, []byte("x"), 0o644); err != nil {
		t.Fatal(err)
	}
	s.run(t, "buildah", "copy", container, file, "/usr/share/added")
	s.run(t, "buildah", "commit", "--quiet", container, "oci:"+s.dir+"/derived")
	run(t, "skopeo", "copy", "--quiet", "oci:"+s.dir+"/derived", to)
	s.run(t, "buildah", "rm", "--all")
}

// TestOstreeAuthFile logs in with the credentials that a host has for ostree.
func TestOstreeAuthFile(t *testing.T) {
	need(t, "setfattr", "skopeo")
	open := registry.New(registry.Logger(log.New(io.Discard, "", 0)))
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if user, password, _ := r.BasicAuth(); user != "me" || password != "secret" {
			w.Header().Set("WWW-Authenticate", `Basic realm="here"`)
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		open.ServeHTTP(w, r)
	}))
	defer server.Close()
	host := strings.TrimPrefix(server.URL, "http://")
	repo, _ := sampleRepo(t)
	d := dir(t)
	auth := fmt.Sprintf(`{"auths":{%q:{"auth":%q}}}`, host, base64.StdEncoding.EncodeToString([]byte("me:secret")))
	if err := os.WriteFile(d+"/auth.json", []byte(auth), 0o600); err != nil {
		t.Fatal(err)
	}
	push := func(setUp string) error {
		script := "mount -t tmpfs none /run && mkdir /run/ostree && " + setUp + ` && exec "$@"`
		_, _, err := try(exec.Command("unshare", "--mount", "sh", "-c", script, "sh",
			treenail, "container", "encapsulate", "--tls-verify=false", "--repo="+repo, branch, "docker://"+host+"/os:1"))
		return err
	}
	if err := push("true"); err == nil {
		t.Error("pushed without credentials")
	}
	if err := push("cp " + d + "/auth.json /run/ostree"); err != nil {
		t.Error("credentials of ostree are not used")
	}
}
