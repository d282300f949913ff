package container

import (
	"fmt"

	"github.com/treenail/treenail/format/gvariant"
	"github.com/treenail/treenail/format/object"
	importer "github.com/treenail/treenail/import"
	"github.com/treenail/treenail/oci"
	"github.com/treenail/treenail/ostreerepo"
	"github.com/treenail/treenail/ostreerepo/gpg"
	"github.com/treenail/treenail/ostreerepo/signing"
)

// verifier is how the commit of an image is verified: by all that the remote demands
// which the reference names, or not at all if it names none.
func verifier(repo *ostreerepo.Repo, ref oci.Reference) (importer.Verify, error) {
	if ref.Scheme != oci.SchemeRemote {
		return nil, nil
	}
	config, err := repo.RemoteConfig(ref.Remote)
	if err != nil {
		return nil, err
	}
	useGPG, err := config.Bool(`remote "`+ref.Remote+`"`, "gpg-verify", true)
	if err != nil {
		return nil, fmt.Errorf("remote %q: %w", ref.Remote, err)
	}
	keys, err := signing.ForRemote(repo, ref.Remote, signing.Commits, signing.Options{})
	if err != nil {
		return nil, err
	}
	if !useGPG && keys == nil {
		return nil, fmt.Errorf("%s: remote %q demands no signatures (set gpg-verify or sign-verify for it, or use ostree-unverified-image:)", ref, ref.Remote)
	}
	return func(c object.Checksum, commit []byte, detached gvariant.Value) error {
		if useGPG {
			if err := gpg.VerifyCommit(repo, ref.Remote, c, commit, detached); err != nil {
				return err
			}
		}
		if keys == nil {
			return nil
		}
		if _, err := keys.Verify(commit, detached); err != nil {
			return fmt.Errorf("commit %s: verification by the keys of remote %q: %w", c, ref.Remote, err)
		}
		return nil
	}, nil
}
