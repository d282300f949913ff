package importer_test

import (
	"testing"

	importer "github.com/treenail/treenail/import"
	"github.com/treenail/treenail/oci"
	"github.com/treenail/treenail/ostreerepo"
)

func TestRefs(t *testing.T) {
	for _, c := range []struct {
		ref  oci.Reference
		want string
	}{
		{oci.Reference{Transport: "registry", Name: "quay.io/coreos/fedora:latest"}, "docker_3A__2F__2F_quay_2E_io/coreos/fedora_3A_latest"},
		{oci.Reference{Transport: "registry", Name: "h:5000/a_b-c@sha256:ab", Scheme: oci.SchemeUnverified}, "docker_3A__2F__2F_h_3A_5000/a__b-c_40_sha256_3A_ab"},
		{oci.Reference{Transport: "oci", Name: "/über/x/"}, "oci_3A__2F__FC_ber/x_2F_"},
	} {
		got := importer.ImageRef(c.ref)
		if got != "ostree/container/image/"+c.want {
			t.Errorf("%v: %s, want …%s", c.ref, got, c.want)
		}
		if err := ostreerepo.ValidateRef(got); err != nil {
			t.Error(err)
		}
	}
	if got := importer.BlobRef("sha256:ab"); got != "ostree/container/blob/sha256_3A_ab" {
		t.Errorf("blob: %s", got)
	}
}
