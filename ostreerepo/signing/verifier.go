package signing

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/treenail/treenail/format/gvariant"
	"github.com/treenail/treenail/format/keyfile"
	"github.com/treenail/treenail/format/sign"
	"github.com/treenail/treenail/ostreerepo"
)

// Subject is what a remote's configuration may demand signatures of. It is the key
// that does.
type Subject string

// What is signed.
const (
	Commits Subject = "sign-verify"
	Summary Subject = "sign-verify-summary"
)

// ErrNoSignatures says that there is no signature of any of the engines demanded.
var ErrNoSignatures = errors.New("No signatures found") //nolint:staticcheck // libostree's text

// ErrDummy says that the engine dummy, which proves nothing, is not enabled.
var ErrDummy = errors.New("dummy signature type is only for ostree testing")

// Options are the choices of ForRemote. The zero value is the safe one.
type Options struct {
	Dummy bool // let the engine dummy say that a signature is good (default: it is always bad)
}

// A Verifier verifies what comes from a remote. It may be used by several goroutines
// at a time.
type Verifier struct {
	engines []engine
}

// engine is the keys of one engine, or why it accepts nothing.
type engine struct {
	keys *Keys
	err  error
}

// ForRemote returns the verifier that a remote demands for a subject; nil when it
// demands none.
//
// The value of the key is a list of engines, separated by commas or semicolons, each
// of which must have keys in the configuration: verification-TYPE-key is one,
// verification-TYPE-file the path of a file of them. The value true, or 1, stands
// for all engines; one that the configuration has no keys for then uses those of the
// system.
func ForRemote(r *ostreerepo.Repo, remote string, subject Subject, o Options) (*Verifier, error) {
	config, err := r.RemoteConfig(remote)
	if err != nil {
		return nil, err
	}
	group := `remote "` + remote + `"`
	value, _, err := config.String(group, string(subject))
	if err != nil {
		return nil, fmt.Errorf("remote %q: %s: %w", remote, subject, err)
	}
	switch value {
	case "", "false", "0":
		return nil, nil
	case "true", "1":
		return newVerifier(config, group, sign.Types, false, o)
	}
	types, err := parseTypes(value)
	if err != nil {
		return nil, fmt.Errorf("remote %q: %s=%s: %w", remote, subject, value, err)
	}
	return newVerifier(config, group, types, true, o)
}

// parseTypes reads a list of engines. "remote add" writes commas, the format of the
// file wants semicolons.
func parseTypes(list string) ([]sign.Type, error) {
	var types []sign.Type
	for _, name := range strings.FieldsFunc(list, func(r rune) bool { return r == ',' || r == ';' }) {
		t, err := sign.ParseType(strings.TrimSpace(name))
		if err != nil {
			return nil, err
		}
		if !slices.Contains(types, t) {
			types = append(types, t)
		}
	}
	if len(types) == 0 {
		return nil, errors.New("no engine is named")
	}
	return types, nil
}

func newVerifier(config *keyfile.File, group string, types []sign.Type, required bool, o Options) (*Verifier, error) {
	v := &Verifier{}
	for _, t := range types {
		e := engine{keys: &Keys{Type: t}}
		configured, err := e.keys.addConfigured(config, group)
		switch {
		case err != nil:
			return nil, err
		case t == sign.Dummy && !o.Dummy:
			e.err = ErrDummy
		case !configured && required:
			return nil, fmt.Errorf("No keys found for required signapi type %s", t) //nolint:staticcheck // libostree's text
		case !configured:
			e.err = e.keys.AddSystem("")
		}
		v.engines = append(v.engines, e)
	}
	return v, nil
}

// addConfigured adds the keys of a remote's group, and reports whether it names any.
func (k *Keys) addConfigured(config *keyfile.File, group string) (configured bool, err error) {
	prefix := "verification-" + string(k.Type)
	file, hasFile, err := config.String(group, prefix+"-file")
	if err != nil {
		return false, err
	}
	key, hasKey, err := config.String(group, prefix+"-key")
	if err != nil {
		return false, err
	}
	if hasFile {
		if err := k.AddFile(file); err != nil {
			return false, fmt.Errorf("Failed loading '%s' keys from '%s': %w", k.Type, file, err) //nolint:staticcheck // libostree's text
		}
	}
	if hasKey {
		if err := k.Add(key); err != nil {
			return false, fmt.Errorf("Failed loading '%s' keys from inline `verification-key`: %w", k.Type, err) //nolint:staticcheck // libostree's text
		}
	}
	return hasFile || hasKey, nil
}

// Verify verifies that data has a good signature of one of the engines among those
// in a dictionary, which may be the zero Value: the detached metadata of a commit, or
// what is in summary.sig. The message says which. The error is ErrNoSignatures, or
// what the first engine that has signatures says of them.
func (v *Verifier) Verify(data []byte, signatures gvariant.Value) (message string, err error) {
	var first error
	bad := 0
	for _, e := range v.engines {
		if _, ok := sign.Signatures(signatures, e.keys.Type.Key()); !ok {
			continue
		}
		message, err := e.verify(data, signatures)
		if err == nil {
			return message, nil
		}
		if bad++; first == nil {
			first = err
		}
	}
	switch {
	case first == nil:
		return "", ErrNoSignatures
	case bad > 1:
		return "", fmt.Errorf("(%d other invalid signatures): %w", bad-1, first)
	}
	return "", first
}

func (e engine) verify(data []byte, signatures gvariant.Value) (string, error) {
	if e.err != nil {
		return "", e.err
	}
	return e.keys.VerifyData(data, signatures)
}
