package transport_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/treenail/treenail/oci"
	"github.com/treenail/treenail/oci/policy"
	"github.com/treenail/treenail/oci/transport"
)

// TestBlobsComeAfterTheManifest holds back the blobs of an image of which no manifest
// has been seen, and so none allowed.
func TestBlobsComeAfterTheManifest(t *testing.T) {
	ref := parse(t, "oci:"+t.TempDir()+"/x")
	if _, err := push(t.Context(), ref, insecure, layers(1)); err != nil {
		t.Fatal(err)
	}
	image, _, err := pull(t.Context(), ref, insecure)
	if err != nil {
		t.Fatal(err)
	}
	src := open(t, ref)
	if _, err := src.Blob(t.Context(), image.Manifest.Config); err == nil || !strings.Contains(err.Error(), "not the manifest of an image") {
		t.Errorf("error is %v", err)
	}
	if _, _, err := src.Manifest(t.Context()); err != nil {
		t.Fatal(err)
	}
	body, err := src.Blob(t.Context(), image.Manifest.Config)
	if err != nil {
		t.Fatal(err)
	}
	defer body.Close()
	if raw, err := io.ReadAll(body); err != nil || !bytes.Equal(raw, image.RawConfig) {
		t.Errorf("config is %s, %v", raw, err)
	}
}

// setPolicy makes the text the host's policy for the time of the test.
func setPolicy(t *testing.T, text string) (path string) {
	t.Helper()
	path = t.TempDir() + "/policy.json"
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	t.Setenv("CONTAINERS_POLICY_JSON", path)
	return path
}

func TestRefusal(t *testing.T) {
	dir := t.TempDir()
	ref := parse(t, "oci:"+dir+"/x")
	if _, err := push(t.Context(), ref, insecure, layers(1)); err != nil {
		t.Fatal(err)
	}
	path := setPolicy(t, `{"default":[{"type":"reject"}],"transports":{"oci":{"`+dir+`":[{"type":"insecureAcceptAnything"}]}}}`)
	if _, _, err := pull(t.Context(), ref, insecure); err != nil {
		t.Error(err)
	}
	ref.Scheme = oci.SchemeSigned
	_, _, err := pull(t.Context(), ref, insecure)
	var refused *policy.RefusedError
	scope := `transports.oci."` + dir + `"`
	if !errors.As(err, &refused) || refused.File != path || refused.Scope != scope || !slices.Equal(refused.Requires, []string{"insecureAcceptAnything"}) || refused.Err != nil {
		t.Errorf("error is %v: %+v", err, refused)
	}
	setPolicy(t, "{")
	_, _, err = pull(t.Context(), ref, insecure)
	if err == nil || !strings.Contains(err.Error(), "signature policy") {
		t.Errorf("a policy that cannot be read: %v", err)
	}
}

// TestRefusalBehindIndex reads an image that the policy rejects by an index of it, also
// by one that calls the manifest something else.
func TestRefusalBehindIndex(t *testing.T) {
	for _, mediaType := range []string{oci.MediaTypeManifest, oci.MediaTypeLayer, "application/x-unknown"} {
		dir := t.TempDir() + "/layout"
		digest, err := push(t.Context(), parse(t, "oci:"+dir), insecure, layers(1))
		if err != nil {
			t.Fatal(err)
		}
		write := func(name, text string) {
			if err := os.WriteFile(dir+"/"+name, []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		size := len(read(t, dir+"/blobs/sha256/"+digest.Hex()))
		index := fmt.Sprintf(`{"schemaVersion":2,"manifests":[{"mediaType":%q,"digest":%q,"size":%d}]}`, mediaType, digest, size)
		sum := oci.Sum([]byte(index))
		write("blobs/sha256/"+sum.Hex(), index)
		write("index.json", fmt.Sprintf(`{"schemaVersion":2,"manifests":[{"mediaType":%q,"digest":%q,"size":%d}]}`, oci.MediaTypeIndex, sum, len(index)))
		ref := parse(t, "oci:"+dir)
		if mediaType == oci.MediaTypeManifest {
			checkPull(t, ref, insecure, digest, layers(1))
		}
		setPolicy(t, `{"default":[{"type":"reject"}]}`)
		if _, _, err := pull(t.Context(), ref, transport.Options{}); err == nil {
			t.Errorf("%s: not refused", mediaType)
		}
		os.Unsetenv("CONTAINERS_POLICY_JSON")
	}
}
