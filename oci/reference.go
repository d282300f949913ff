package oci

import (
	"fmt"
	"slices"
	"strings"
)

// A Scheme says what a reference asks to have verified before its image is used.
type Scheme uint8

const (
	NoScheme         Scheme = iota // a plain image reference, which asks for nothing
	SchemeUnverified               // "ostree-unverified-image:": containers policy as it is
	SchemeSigned                   // "ostree-image-signed:": containers policy that accepts only signed images
	SchemeRemote                   // "ostree-remote-image:REMOTE:": the keys of an OSTree remote
)

// TransportRegistry is the transport of "docker://NAME" and "registry:NAME".
const TransportRegistry = "registry"

var transports = []string{
	TransportRegistry, "oci", "oci-archive", "docker-archive", "containers-storage", "dir", "docker-daemon",
}

// A Reference names an image: where it is kept and, optionally, how it must be
// verified. It is a comparable value.
type Reference struct {
	Transport string // "registry", "oci", "oci-archive", "docker-archive", "containers-storage", "dir" or "docker-daemon"
	Name      string // never empty; its form depends on the transport
	Scheme    Scheme
	Remote    string // name of the remote for SchemeRemote
}

// ParseReference parses an image reference,
//
//	docker://NAME   registry:NAME   oci:PATH[:TAG]   oci-archive:PATH[:TAG]   …
//
// or one with a prefix that says what to verify, as ostree-ext writes them:
//
//	ostree-image-signed:IMAGE
//	ostree-unverified-image:IMAGE            ostree-unverified-registry:NAME
//	ostree-remote-image:REMOTE:IMAGE         ostree-remote-registry:REMOTE:NAME
//
// Error texts are those of ostree-ext.
func ParseReference(s string) (Reference, error) {
	first, rest, ok := strings.Cut(s, ":")
	if !ok {
		return Reference{}, fmt.Errorf("Missing ':' in %s", s)
	}
	switch first {
	case "ostree-image-signed":
		return parseImage(rest, Reference{Scheme: SchemeSigned})
	case "ostree-unverified-image":
		return parseImage(rest, Reference{Scheme: SchemeUnverified})
	case "ostree-unverified-registry":
		return parseImage("registry:"+rest, Reference{Scheme: SchemeUnverified})
	case "ostree-remote-image", "ostree-remote-registry":
		return parseRemote(first, rest)
	}
	if strings.HasPrefix(first, "ostree-") {
		return Reference{}, fmt.Errorf("Invalid ostree image reference scheme: %s", first)
	}
	return parseImage(s, Reference{})
}

func parseRemote(scheme, s string) (Reference, error) {
	remote, image, ok := strings.Cut(s, ":")
	if !ok {
		return Reference{}, fmt.Errorf("Missing second ':' in %s", s)
	}
	if remote == "" {
		return Reference{}, fmt.Errorf("Invalid empty remote in %s", s)
	}
	if scheme == "ostree-remote-registry" {
		image = "registry:" + image
	}
	return parseImage(image, Reference{Scheme: SchemeRemote, Remote: remote})
}

// parseImage parses the part of a reference that says where the image is, and
// completes r with it.
func parseImage(s string, r Reference) (Reference, error) {
	transport, name, ok := strings.Cut(s, ":")
	if !ok {
		return Reference{}, fmt.Errorf("Missing ':' in %s", s)
	}
	if transport == "docker" && name != "" {
		if name, ok = strings.CutPrefix(name, "//"); !ok {
			return Reference{}, fmt.Errorf("Missing // in docker:// in %s", s)
		}
	}
	if transport == "docker" {
		transport = TransportRegistry
	}
	if !slices.Contains(transports, transport) {
		return Reference{}, fmt.Errorf("Unknown transport '%s'", transport)
	}
	if name == "" {
		return Reference{}, fmt.Errorf("Invalid empty name in %s", s)
	}
	r.Transport, r.Name = transport, name
	return r, nil
}

// Image returns the part of the reference that says where the image is, with
// "docker://" for a registry.
func (r Reference) Image() string {
	if r.Transport == TransportRegistry {
		return "docker://" + r.Name
	}
	return r.Transport + ":" + r.Name
}

// String returns the reference in the form ostree-ext displays; ParseReference
// reads it back.
func (r Reference) String() string {
	switch r.Scheme {
	case SchemeSigned:
		return "ostree-image-signed:" + r.Image()
	case SchemeRemote:
		return "ostree-remote-image:" + r.Remote + ":" + r.Image()
	case SchemeUnverified:
		if r.Transport == TransportRegistry {
			return "ostree-unverified-registry:" + r.Name
		}
		return "ostree-unverified-image:" + r.Image()
	}
	return r.Image()
}
