// Package policy lets images be read only as the host's signature policy allows, as it
// does for podman and skopeo: policy.json (containers-policy.json(5)) says which images
// need which signatures, registries.d (containers-registries.d(5)) where these are.
package policy

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"go.podman.io/image/v5/signature"
	"go.podman.io/image/v5/types"
	"go.podman.io/storage/pkg/configfile"
)

// A Policy says what is demanded of images.
type Policy struct {
	file   string // "" where the host has none
	policy *signature.Policy
	signed bool
}

// Read reads the host's policy: the file that $CONTAINERS_POLICY_JSON names, else the
// first that exists of containers/policy.json in $XDG_CONFIG_HOME or ~/.config, in /etc
// and in /usr/share. Where there is none, everything is allowed.
//
// With signed, an image is allowed only by a requirement that verifies signatures: a
// policy that takes it as it is, or a missing one, refuses it.
func Read(signed bool) (*Policy, error) {
	p := &Policy{signed: signed}
	files := configfile.Read(&configfile.File{
		Name: "policy", Extension: "json", EnvironmentName: "CONTAINERS_POLICY_JSON", DoNotLoadDropInFiles: true,
	})
	for item, err := range files {
		if err != nil {
			return nil, fmt.Errorf("signature policy: %w", err)
		}
		data, err := io.ReadAll(item.Reader)
		if err == nil {
			p.file = item.Name
			p.policy, err = signature.NewPolicyFromBytes(data)
		}
		if err != nil {
			return nil, fmt.Errorf("signature policy %s: %w", item.Name, err)
		}
	}
	return p, nil
}

// RefusedError says that the policy does not allow an image.
type RefusedError struct {
	File     string   // the policy; "" if there is none
	Scope    string   // which part of it applies: "default", or transports and a scope
	Requires []string // what that part demands, by the types of requirements
	Err      error    // what is not fulfilled; nil: that signatures be demanded
}

// Error explains the refusal, and what can be done.
func (e *RefusedError) Error() string {
	const unverified = "the reference demands that signatures be verified, but "
	switch {
	case e.File == "":
		return unverified + "there is no signature policy (write /etc/containers/policy.json, see containers-policy.json(5), or use ostree-unverified-image:)"
	case e.Err == nil:
		return fmt.Sprintf("%ssignature policy %s has %s for it at %s, which verifies nothing (add a scope with signedBy or sigstoreSigned there, or use ostree-unverified-image:)",
			unverified, e.File, strings.Join(e.Requires, ", "), e.Scope)
	case slices.Contains(e.Requires, "reject"):
		return fmt.Sprintf("signature policy %s refuses it by %s at %s: %v", e.File, strings.Join(e.Requires, ", "), e.Scope, e.Err)
	}
	return fmt.Sprintf("signature policy %s refuses it: %s demands %s: %v (is it signed by a key that the policy names, and do its name and registries.d lead to the signature?)",
		e.File, e.Scope, strings.Join(e.Requires, ", "), e.Err)
}

// Unwrap returns the cause.
func (e *RefusedError) Unwrap() error { return e.Err }

// check verifies an image's manifest as the policy demands it.
func (p *Policy) check(ctx context.Context, image types.UnparsedImage) error {
	if p.policy == nil {
		if p.signed {
			return &RefusedError{}
		}
		return nil
	}
	refused := &RefusedError{File: p.file}
	var requirements signature.PolicyRequirements
	refused.Scope, requirements = p.applies(image.Reference())
	refused.Requires = kinds(requirements)
	if p.signed && !slices.ContainsFunc(refused.Requires, func(kind string) bool { return kind != "insecureAcceptAnything" }) {
		return refused
	}
	verifier, err := signature.NewPolicyContext(p.policy)
	if err != nil {
		return err
	}
	verifier.RequireSignatureVerification(p.signed)
	allowed, err := verifier.IsRunningImageAllowed(ctx, image)
	if err := errors.Join(err, verifier.Destroy()); err != nil || !allowed {
		refused.Err = err
		return refused
	}
	return nil
}

// applies finds the part of the policy that applies to an image. It is how the library
// finds it, which keeps it to itself.
func (p *Policy) applies(ref types.ImageReference) (scope string, requirements signature.PolicyRequirements) {
	transport := ref.Transport().Name()
	scopes := p.policy.Transports[transport]
	for _, name := range slices.Concat([]string{ref.PolicyConfigurationIdentity()}, ref.PolicyConfigurationNamespaces(), []string{""}) {
		if requirements, ok := scopes[name]; ok {
			return fmt.Sprintf("transports.%s.%q", transport, name), requirements
		}
	}
	return "default", p.policy.Default
}

// kinds are the types of requirements, as the policy has them.
func kinds(requirements signature.PolicyRequirements) []string {
	var kinds []string
	for _, r := range requirements {
		var kind struct{ Type string }
		if data, err := json.Marshal(r); err == nil && json.Unmarshal(data, &kind) == nil {
			kinds = append(kinds, kind.Type)
		}
	}
	return kinds
}
