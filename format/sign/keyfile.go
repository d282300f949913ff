package sign

import (
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"strings"
)

// ReadPublicKeys reads the keys of a key file: PEM blocks for spki, else one key a
// line. Lines and blocks that are no keys are passed over; it is an error when no
// key is left.
func (t Type) ReadPublicKeys(data []byte) ([]*PublicKey, error) {
	var keys []*PublicKey
	var first error
	for _, text := range t.split(string(data)) {
		key, err := t.ParsePublicKey(text)
		if err == nil {
			keys = append(keys, key)
		} else if first == nil {
			first = err
		}
	}
	switch {
	case len(keys) > 0:
		return keys, nil
	case first == nil:
		first = errNoKeys
	}
	return nil, first
}

var errNoKeys = errors.New("there are no keys in it")

// ReadSecretKeys reads the keys of a key file, of which there must be one or more,
// and all must be good.
func (t Type) ReadSecretKeys(data []byte) ([]*Signer, error) {
	var signers []*Signer
	for i, text := range t.split(string(data)) {
		s, err := t.ParseSecretKey(text)
		if err != nil {
			return nil, fmt.Errorf("key %d: %w", i+1, err)
		}
		signers = append(signers, s)
	}
	if len(signers) == 0 {
		return nil, errNoKeys
	}
	return signers, nil
}

// split takes a key file apart into the texts of its keys.
func (t Type) split(s string) []string {
	if t == SPKI && strings.Contains(s, pemBegin) {
		return splitPEM(s)
	}
	lines := strings.FieldsFunc(s, func(r rune) bool { return r == '\n' || r == '\r' })
	if t == Dummy {
		return lines
	}
	var texts []string
	for _, line := range lines {
		if strings.TrimSpace(line) != "" {
			texts = append(texts, line)
		}
	}
	return texts
}

// decode turns a key's text into its bytes. Spaces and line breaks in base64 count
// for nothing.
func (t Type) decode(s string, label func(string) bool) ([]byte, error) {
	switch {
	case t == Dummy:
		return []byte(s), nil
	case t == SPKI && strings.Contains(s, pemBegin):
		return decodePEM(s, label)
	}
	return base64.StdEncoding.DecodeString(strings.Join(strings.Fields(s), ""))
}

const pemBegin = "-----BEGIN "

func isPublicLabel(label string) bool { return label == "PUBLIC KEY" }

// isSecretLabel knows PKCS #8 and OpenSSL's older forms, but no encrypted keys.
func isSecretLabel(label string) bool {
	return label == "PRIVATE KEY" || label == "RSA PRIVATE KEY" || label == "EC PRIVATE KEY"
}

// decodePEM returns what is in the first block of PEM.
func decodePEM(s string, label func(string) bool) ([]byte, error) {
	block, _ := pem.Decode([]byte(s))
	switch {
	case block == nil:
		return nil, errors.New("bad PEM")
	case block.Type == "ENCRYPTED PRIVATE KEY" || block.Headers["DEK-Info"] != "":
		return nil, errors.New("the key is encrypted")
	case !label(block.Type):
		return nil, fmt.Errorf("Unexpected label %q", block.Type) //nolint:staticcheck // libostree's text
	}
	return block.Bytes, nil
}

// splitPEM takes a file of PEM blocks apart. Parameters of a curve, which OpenSSL
// writes before an EC key, are no key.
func splitPEM(s string) []string {
	var blocks []string
	for rest := []byte(s); ; {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			return blocks
		}
		if block.Type != "EC PARAMETERS" {
			blocks = append(blocks, string(pem.EncodeToMemory(block)))
		}
	}
}
