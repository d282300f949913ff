package container

import (
	"context"

	"github.com/treenail/treenail/cmd/internal/cli"
	"github.com/treenail/treenail/oci"
	"github.com/treenail/treenail/oci/transport"
)

// access are the options with which a command reaches an image.
type access struct {
	options    transport.Options
	tlsVerify  bool
	skipVerify bool
}

func (a *access) flags(f *cli.Flags) {
	a.tlsVerify = true
	f.String(&a.options.AuthFile, "authfile", "", "PATH", "File with registry credentials (default: those of ostree, podman and docker)")
	f.Bool(&a.options.Anonymous, "auth-anonymous", "", "Send no credentials")
	f.String(&a.options.CertDir, "cert-dir", "", "DIR", "Directory with certificates and keys for the registry")
	f.Truth(&a.tlsVerify, "tls-verify", "", "BOOL", "Whether to require HTTPS with a valid certificate: true (default) or false")
	f.Bool(&a.skipVerify, "insecure-skip-tls-verification", "", "The same as --tls-verify=false")
}

func (a *access) transport() transport.Options {
	o := a.options
	o.Insecure = a.skipVerify || !a.tlsVerify
	o.UserAgent = "treenail"
	return o
}

// openSource opens an image for reading.
func (a *access) openSource(ctx context.Context, ref oci.Reference) (oci.Source, error) {
	return transport.OpenSource(ctx, ref, a.transport())
}

// openNamed opens the image that a reference names for reading.
func (a *access) openNamed(ctx context.Context, image string) (oci.Source, error) {
	ref, err := oci.ParseReference(image)
	if err != nil {
		return nil, err
	}
	return a.openSource(ctx, ref)
}

// openSink opens an image for writing.
func (a *access) openSink(ctx context.Context, image string) (oci.Sink, error) {
	ref, err := oci.ParseReference(image)
	if err != nil {
		return nil, err
	}
	return transport.OpenSink(ctx, ref, a.transport())
}

// platformFlags are the options that choose one image of an index.
func platformFlags(f *cli.Flags, p *oci.Platform) {
	f.String(&p.Architecture, "arch", "", "ARCH", "Architecture to take from an image of several, by Go's name (default: this machine's)")
	f.String(&p.OS, "os", "", "OS", "Operating system to take from an image of several (default: linux)")
}
