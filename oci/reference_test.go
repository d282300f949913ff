package oci_test

import (
	"testing"

	"github.com/treenail/treenail/oci"
)

func TestParseReference(t *testing.T) {
	registry := func(name string) oci.Reference { return oci.Reference{Transport: "registry", Name: name} }
	tests := []struct {
		in   string
		want oci.Reference
		text string // displayed, if not as it was written
	}{
		{"docker://quay.io/a/b:c", registry("quay.io/a/b:c"), ""},
		{"registry:quay.io/a/b:c", registry("quay.io/a/b:c"), "docker://quay.io/a/b:c"},
		{"oci:/tmp/x:y:z", oci.Reference{Transport: "oci", Name: "/tmp/x:y:z"}, ""},
		{"oci-archive:x.tar", oci.Reference{Transport: "oci-archive", Name: "x.tar"}, ""},
		{"docker-archive:x.tar", oci.Reference{Transport: "docker-archive", Name: "x.tar"}, ""},
		{"containers-storage:[overlay@/a+/b]x", oci.Reference{Transport: "containers-storage", Name: "[overlay@/a+/b]x"}, ""},
		{"dir:d", oci.Reference{Transport: "dir", Name: "d"}, ""},
		{"docker-daemon:a:b", oci.Reference{Transport: "docker-daemon", Name: "a:b"}, ""},
		{"ostree-image-signed:docker://q/x", oci.Reference{Transport: "registry", Name: "q/x", Scheme: oci.SchemeSigned}, ""},
		{"ostree-unverified-image:oci:d", oci.Reference{Transport: "oci", Name: "d", Scheme: oci.SchemeUnverified}, ""},
		{"ostree-unverified-image:docker://q/x", oci.Reference{Transport: "registry", Name: "q/x", Scheme: oci.SchemeUnverified}, "ostree-unverified-registry:q/x"},
		{"ostree-unverified-registry:q/x:1", oci.Reference{Transport: "registry", Name: "q/x:1", Scheme: oci.SchemeUnverified}, ""},
		{"ostree-remote-image:fedora:oci:d", oci.Reference{Transport: "oci", Name: "d", Scheme: oci.SchemeRemote, Remote: "fedora"}, ""},
		{"ostree-remote-registry:fedora:q/x", oci.Reference{Transport: "registry", Name: "q/x", Scheme: oci.SchemeRemote, Remote: "fedora"}, "ostree-remote-image:fedora:docker://q/x"},
	}
	for _, test := range tests {
		t.Run(test.in, func(t *testing.T) {
			got, err := oci.ParseReference(test.in)
			if err != nil || got != test.want {
				t.Fatalf("got %#v, %v; want %#v", got, err, test.want)
			}
			if test.text == "" {
				test.text = test.in
			}
			if got.String() != test.text {
				t.Errorf("displayed as %s, want %s", got, test.text)
			}
		})
	}
}

func TestParseReferenceErrors(t *testing.T) {
	for in, want := range map[string]string{
		"":                                   "Missing ':' in ",
		"quay.io/a":                          "Missing ':' in quay.io/a",
		"quay.io/a:b":                        "Unknown transport 'quay.io/a'",
		"docker:quay.io/a":                   "Missing // in docker:// in docker:quay.io/a",
		"docker:":                            "Invalid empty name in docker:",
		"docker://":                          "Invalid empty name in docker://",
		"oci:":                               "Invalid empty name in oci:",
		"ostree-bogus:oci:d":                 "Invalid ostree image reference scheme: ostree-bogus",
		"ostree-image-signed:oci":            "Missing ':' in oci",
		"ostree-image-signed:ostree-x:oci:d": "Unknown transport 'ostree-x'",
		"ostree-unverified-registry:":        "Invalid empty name in registry:",
		"ostree-remote-image:fedora":         "Missing second ':' in fedora",
		"ostree-remote-registry:fedora:":     "Invalid empty name in registry:",
		"ostree-remote-image::oci:d":         "Invalid empty remote in :oci:d",
	} {
		t.Run(in, func(t *testing.T) {
			_, err := oci.ParseReference(in)
			checkError(t, err, want)
		})
	}
}

func FuzzParseReference(f *testing.F) {
	for _, seed := range []string{"docker://a/b:c@d", "registry://x", "ostree-remote-image:r:docker:////x", "ostree-unverified-registry:x", "oci:a:b"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, s string) {
		r, err := oci.ParseReference(s)
		if err != nil {
			return
		}
		again, err := oci.ParseReference(r.String())
		if err != nil || again != r {
			t.Errorf("%q is read as %#v, displayed as %q and read again as %#v, %v", s, r, r, again, err)
		}
	})
}
