package transport_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/registry"
	"github.com/sirupsen/logrus"

	"github.com/treenail/treenail/oci"
	"github.com/treenail/treenail/oci/transport"
)

// hostile is a registry whose answers to GET requests can be replaced.
type hostile struct {
	host   string
	digest oci.Digest       // of the image pushed to it as x:v1
	image  *oci.Image       // the same
	answer http.HandlerFunc // for paths that end in suffix, after the push
	suffix string
}

func newHostile(t *testing.T) *hostile {
	t.Helper()
	h := new(hostile)
	h.host = newRegistry(t, func(honest http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if h.suffix != "" && strings.HasSuffix(r.URL.Path, h.suffix) {
				h.answer(w, r)
				return
			}
			honest.ServeHTTP(w, r)
		})
	})
	var err error
	if h.digest, err = push(t.Context(), h.ref(t), insecure, layers(1)); err != nil {
		t.Fatal(err)
	}
	if h.image, _, err = pull(t.Context(), h.ref(t), insecure); err != nil {
		t.Fatal(err)
	}
	return h
}

func (h *hostile) ref(t *testing.T) oci.Reference { return parse(t, "docker://"+h.host+"/x:v1") }

func (h *hostile) layer() oci.Descriptor { return h.image.Manifest.Layers[0] }

// lie answers requests for the given blob or tag with answer from now on.
func (h *hostile) lie(name string, answer http.HandlerFunc) { h.suffix, h.answer = "/"+name, answer }

// fetch returns the honest bytes of a blob.
func (h *hostile) fetch(t *testing.T, d oci.Descriptor) []byte {
	t.Helper()
	src, err := transport.OpenSource(t.Context(), h.ref(t), insecure)
	if err != nil {
		t.Fatal(err)
	}
	defer src.Close()
	if _, _, err := src.Manifest(t.Context()); err != nil { // before blobs
		t.Fatal(err)
	}
	body, err := src.Blob(t.Context(), d)
	if err != nil {
		t.Fatal(err)
	}
	defer body.Close()
	data, err := io.ReadAll(body)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// send answers with data, in one piece and with its length.
func send(data []byte) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Length", fmt.Sprint(len(data)))
		w.Write(data)
	}
}

// sendPart answers with data, also with a range of it, and breaks each
// connection after n bytes.
func sendPart(data []byte, n int) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		http.ServeContent(&cutWriter{w, n}, r, "", time.Time{}, bytes.NewReader(data))
	}
}

type cutWriter struct {
	http.ResponseWriter
	left int
}

func (w *cutWriter) Write(p []byte) (int, error) {
	n, err := w.ResponseWriter.Write(p[:min(len(p), w.left)])
	if w.left -= n; w.left == 0 {
		w.ResponseWriter.(http.Flusher).Flush()
		panic(http.ErrAbortHandler)
	}
	return n, err
}

func status(code int) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(code) }
}

func TestHostileBlobs(t *testing.T) {
	h := newHostile(t)
	layer := h.fetch(t, h.layer())
	flipped := bytes.Clone(layer)
	flipped[len(layer)/2] ^= 1
	size := len(layer)
	tests := []struct {
		name   string
		answer http.HandlerFunc
		want   string
	}{
		{"other bytes", send(flipped), "wrong content: digest is " + string(oci.Sum(flipped)) + ", expected DIGEST"},
		{"shorter", send(layer[:100]), fmt.Sprintf("wrong content: size is 100, expected %d", size)},
		{"longer", send(append(bytes.Clone(layer), 0)), fmt.Sprintf("wrong content: size is %d, expected %d", size+1, size)},
		{"cut off", sendPart(layer, 100), fmt.Sprintf("after 200 of %d bytes: unexpected EOF", size)},
		{"endless", func(w http.ResponseWriter, r *http.Request) {
			for {
				if _, err := w.Write(layer); err != nil {
					return
				}
			}
		}, fmt.Sprintf("wrong content: size is more, expected %d", size)},
		{"ends early, no length", func(w http.ResponseWriter, r *http.Request) {
			w.Write(layer[:10])
			w.(http.Flusher).Flush()
		}, fmt.Sprintf("wrong content: size is 10, expected %d", size)},
		{"missing", status(http.StatusNotFound), `fetching blob: StatusCode: 404, ""`},
		{"server error", status(http.StatusInternalServerError), "fetching blob: received unexpected HTTP status: 500 Internal Server Error"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			h.lie(string(h.layer().Digest), test.answer)
			_, _, err := pull(t.Context(), h.ref(t), insecure)
			want := strings.ReplaceAll(test.want, "DIGEST", string(h.layer().Digest))
			checkError(t, err, fmt.Sprintf("%s: blob %s: %s", h.ref(t), h.layer().Digest, want))
		})
	}
	h.lie(string(h.image.Manifest.Config.Digest), send(bytes.Repeat([]byte(" "), int(h.image.Manifest.Config.Size))))
	_, _, err := pull(t.Context(), h.ref(t), insecure)
	var mismatch *oci.DigestError
	if !errors.As(err, &mismatch) || mismatch.Blob != h.image.Manifest.Config.Digest {
		t.Errorf("config: error is %v", err)
	}
}

func TestHostileManifests(t *testing.T) {
	h := newHostile(t)
	other := append([]byte(" "), h.image.RawManifest...)
	tests := []struct {
		name   string
		answer http.HandlerFunc
		want   string
	}{
		{"missing", status(http.StatusNotFound), `reading manifest v1 in HOST/x: StatusCode: 404, ""`},
		{"server error", status(http.StatusBadGateway), "reading manifest v1 in HOST/x: received unexpected HTTP status: 502 Bad Gateway"},
		{"not JSON", send([]byte("<html>")), "manifest: invalid character '<' looking for beginning of value"},
		{"endless", func(w http.ResponseWriter, r *http.Request) {
			for {
				if _, err := w.Write(make([]byte, 1<<16)); err != nil {
					return
				}
			}
		}, "reading manifest body v1 in HOST/x: exceeded maximum allowed size of 4194304 bytes"},
		{"schema 1", send([]byte(`{"schemaVersion":1}`)), "manifest: unsupported schema version 1"},
		{"another type", func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", oci.MediaTypeIndex)
			w.Write(h.image.RawManifest)
		}, "manifest: content is not of its media type " + oci.MediaTypeIndex},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			h.lie("v1", test.answer)
			_, _, err := pull(t.Context(), h.ref(t), insecure)
			checkError(t, err, h.ref(t).String()+": "+strings.ReplaceAll(test.want, "HOST", h.host))
		})
	}
	h.lie(string(h.digest), send(other))
	pinned := parse(t, "docker://"+h.host+"/x:ignored@"+string(h.digest))
	_, _, err := pull(t.Context(), pinned, insecure)
	checkError(t, err, fmt.Sprintf("%s: blob %s: wrong content: digest is %s, expected %s", pinned, h.digest, oci.Sum(other), h.digest))
}

func TestPinnedReference(t *testing.T) {
	h := newHostile(t)
	pinned := parse(t, "docker://"+h.host+"/x@"+string(h.digest))
	checkPull(t, pinned, insecure, h.digest, layers(1))
	if _, err := push(t.Context(), pinned, insecure, layers(1)); err != nil {
		t.Errorf("pushing what the reference names: %v", err)
	}
	_, err := push(t.Context(), pinned, insecure, layers(2))
	var mismatch *oci.DigestError
	if !errors.As(err, &mismatch) || mismatch.Blob != h.digest {
		t.Errorf("pushing something else: error is %v", err)
	}
}

func TestBrokenConnectionIsMadeAgain(t *testing.T) {
	h := newHostile(t)
	layer := h.fetch(t, h.layer())
	var requests atomic.Int32
	h.lie(string(h.layer().Digest), func(w http.ResponseWriter, r *http.Request) {
		if requests.Add(1) == 1 {
			sendPart(layer, len(layer)/2)(w, r)
		}
		http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(layer))
	})
	checkPull(t, h.ref(t), insecure, h.digest, layers(1))
	if n := requests.Load(); n != 2 {
		t.Errorf("%d requests", n)
	}
}

func TestStalledRegistry(t *testing.T) {
	h := newHostile(t)
	layer := h.fetch(t, h.layer())
	stall := func(n int) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Length", fmt.Sprint(len(layer)))
			w.Write(layer[:n])
			w.(http.Flusher).Flush()
			<-r.Context().Done()
		}
	}
	for name, answer := range map[string]http.HandlerFunc{
		string(h.layer().Digest): stall(10),
		"v1":                     func(w http.ResponseWriter, r *http.Request) { <-r.Context().Done() },
	} {
		h.lie(name, answer)
		ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
		_, _, err := pull(ctx, h.ref(t), insecure)
		cancel()
		if !errors.Is(err, context.DeadlineExceeded) || !strings.HasPrefix(err.Error(), h.ref(t).String()+": ") {
			t.Errorf("%s: error is %v", name, err)
		}
	}
}

func TestRefusedUpload(t *testing.T) {
	refuse := func(method, part string) func(http.Handler) http.Handler {
		return func(honest http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.Method == method && strings.Contains(r.URL.Path, part) {
					io.Copy(io.Discard, r.Body)
					http.Error(w, `{"errors":[{"code":"DENIED","message":"quota is used up"}]}`, http.StatusForbidden)
					return
				}
				honest.ServeHTTP(w, r)
			})
		}
	}
	for _, test := range []struct{ method, part, want string }{
		{"POST", "/blobs/uploads/", "put blob: initiating layer upload to /v2/x/blobs/uploads/ in HOST: denied: quota is used up"},
		{"PATCH", "/blobs/uploads/", "put blob: uploading layer chunked: denied: quota is used up"},
		{"PUT", "/manifests/", "put manifest: uploading manifest v1 to HOST/x: denied: quota is used up"},
	} {
		host := newRegistry(t, refuse(test.method, test.part))
		ref := parse(t, "docker://"+host+"/x:v1")
		_, err := push(t.Context(), ref, insecure, layers(1))
		checkError(t, err, ref.String()+": "+strings.ReplaceAll(test.want, "HOST", host))
		if _, _, err := pull(t.Context(), ref, insecure); err == nil {
			t.Error("an image is visible")
		}
	}
}

func TestManifestTypeMustBeTrue(t *testing.T) {
	ref := parse(t, "docker://"+newRegistry(t, nil)+"/x:v1")
	sink, err := transport.OpenSink(t.Context(), ref, insecure)
	if err != nil {
		t.Fatal(err)
	}
	defer sink.Close()
	raw := []byte(`{"schemaVersion":2,"config":{"mediaType":"` + oci.MediaTypeConfig + `"}}`)
	_, err = sink.PutManifest(t.Context(), raw, oci.MediaTypeDockerManifest)
	checkError(t, err, ref.String()+": put manifest: content is "+oci.MediaTypeManifest+", not "+oci.MediaTypeDockerManifest)
}

func TestPlainHTTPNeedsInsecure(t *testing.T) {
	host := newRegistry(t, nil)
	ref := parse(t, "docker://"+host+"/x:v1")
	const cause = "http: server gave HTTP response to HTTPS client"
	_, _, err := pull(t.Context(), ref, transport.Options{})
	checkError(t, err, fmt.Sprintf(`%s: fetching manifest v1 in %s/x: pinging container registry %s: Get "https://%s/v2/": %s`, ref, host, host, host, cause))
	_, err = push(t.Context(), ref, transport.Options{}, layers(1))
	if err == nil || !strings.HasSuffix(err.Error(), cause) || !strings.HasPrefix(err.Error(), ref.String()+": put blob: pinging") {
		t.Errorf("error is %v", err)
	}
}

func TestTLS(t *testing.T) {
	server := httptest.NewTLSServer(registry.New(registry.Logger(log.New(io.Discard, "", 0))))
	defer server.Close()
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	ref := parse(t, "docker://"+strings.TrimPrefix(server.URL, "https://")+"/x:v1")
	certs := t.TempDir()
	cert := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	if err := os.WriteFile(certs+"/ca.crt", cert, 0o644); err != nil {
		t.Fatal(err)
	}
	for _, o := range []transport.Options{insecure, {CertDir: certs}} {
		digest, err := push(t.Context(), ref, o, layers(1))
		if err != nil {
			t.Fatal(err)
		}
		checkPull(t, ref, o, digest, layers(1))
	}
	if _, _, err := pull(t.Context(), ref, transport.Options{}); err == nil || !strings.Contains(err.Error(), "certificate signed by unknown authority") {
		t.Errorf("unknown certificate: error is %v", err)
	}
}

// needLogin is a registry for user "me" with password "secret".
func needLogin(agents *atomic.Value) func(http.Handler) http.Handler {
	return func(honest http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			agents.Store(r.UserAgent())
			if user, password, _ := r.BasicAuth(); user != "me" || password != "secret" {
				w.Header().Set("WWW-Authenticate", `Basic realm="test"`)
				http.Error(w, `{"errors":[{"code":"UNAUTHORIZED","message":"authentication required"}]}`, http.StatusUnauthorized)
				return
			}
			honest.ServeHTTP(w, r)
		})
	}
}

func authFile(t *testing.T, path, host, login string) string {
	t.Helper()
	auth := base64.StdEncoding.EncodeToString([]byte(login))
	if err := os.WriteFile(path, fmt.Appendf(nil, `{"auths":{%q:{"auth":%q}}}`, host, auth), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestLogin(t *testing.T) {
	var agent atomic.Value
	host := newRegistry(t, needLogin(&agent))
	ref := parse(t, "docker://"+host+"/x:v1")
	dir := t.TempDir()
	good := authFile(t, dir+"/good.json", host, "me:secret")
	bad := authFile(t, dir+"/bad.json", host, "me:wrong")
	withFile := func(path string) transport.Options {
		return transport.Options{Insecure: true, AuthFile: path, UserAgent: "treenail/test"}
	}

	digest, err := push(t.Context(), ref, withFile(good), layers(1))
	if err != nil {
		t.Fatal(err)
	}
	checkPull(t, ref, withFile(good), digest, layers(1))
	if agent.Load() != "treenail/test" {
		t.Errorf("user agent is %v", agent.Load())
	}
	for _, o := range []transport.Options{insecure, withFile(bad), {Insecure: true, AuthFile: good, Anonymous: true}} {
		_, _, err := pull(t.Context(), ref, o)
		checkError(t, err, ref.String()+": reading manifest v1 in "+host+"/x: unauthorized")
	}
	_, _, err = pull(t.Context(), ref, withFile(dir+"/none.json"))
	checkError(t, err, ref.String()+": auth file: stat "+dir+"/none.json: no such file or directory")

	t.Setenv("REGISTRY_AUTH_FILE", good)
	checkPull(t, ref, insecure, digest, layers(1))
	t.Setenv("REGISTRY_AUTH_FILE", "")
	if err := os.Mkdir(dir+"/containers", 0o700); err != nil {
		t.Fatal(err)
	}
	authFile(t, dir+"/containers/auth.json", host, "me:secret")
	t.Setenv("XDG_RUNTIME_DIR", dir)
	checkPull(t, ref, insecure, digest, layers(1))
	t.Setenv("XDG_RUNTIME_DIR", "")
	authFile(t, dir+"/config.json", host, "me:secret")
	t.Setenv("DOCKER_CONFIG", dir)
	checkPull(t, ref, insecure, digest, layers(1))
}

// TestIndex reads an image out of an index in a registry, where manifests are
// not blobs.
func TestIndex(t *testing.T) {
	host := newRegistry(t, nil)
	var entries []string
	var digests []oci.Digest
	for i, arch := range []string{"amd64", "riscv64"} {
		ref := parse(t, fmt.Sprintf("docker://%s/x:%s", host, arch))
		digest, err := push(t.Context(), ref, insecure, layers(i+1))
		if err != nil {
			t.Fatal(err)
		}
		image, _, err := pull(t.Context(), ref, insecure)
		if err != nil {
			t.Fatal(err)
		}
		digests = append(digests, digest)
		entries = append(entries, fmt.Sprintf(`{"mediaType":%q,"digest":%q,"size":%d,"platform":{"os":"linux","architecture":%q}}`,
			oci.MediaTypeManifest, digest, len(image.RawManifest), arch))
	}
	index := `{"schemaVersion":2,"mediaType":"` + oci.MediaTypeIndex + `","manifests":[` + strings.Join(entries, ",") + `]}`
	request, err := http.NewRequestWithContext(t.Context(), "PUT", "http://"+host+"/v2/x/manifests/multi", strings.NewReader(index))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Content-Type", oci.MediaTypeIndex)
	response, err := http.DefaultClient.Do(request)
	if err != nil || response.StatusCode != http.StatusCreated {
		t.Fatal(response, err)
	}
	response.Body.Close()
	src, err := transport.OpenSource(t.Context(), parse(t, "docker://"+host+"/x:multi"), insecure)
	if err != nil {
		t.Fatal(err)
	}
	defer src.Close()
	image, err := oci.ReadImage(t.Context(), src, oci.Platform{Architecture: "riscv64"})
	if err != nil || image.Digest != digests[1] {
		t.Errorf("got %v, %v", image, err)
	}
}

func TestLibraryLogsNowhere(t *testing.T) {
	checkPull(t, newHostile(t).ref(t), insecure, newHostile(t).digest, layers(1))
	if logrus.StandardLogger().Out == os.Stderr {
		t.Error("messages of the library go to stderr")
	}
}
