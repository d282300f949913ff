package sign

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// maxReported is how many keys an error names.
const maxReported = 3

// Verify looks for a signature by one of the keys that are not revoked. The
// message says which key it was; the error is libostree's and says which were
// tried. A later key is tried before an earlier one, and the dummy, which has but
// one key, knows the last.
func (t Type) Verify(data []byte, signatures [][]byte, keys, revoked []*PublicKey) (message string, err error) {
	if t == Dummy {
		return verifyDummy(data, signatures, keys)
	}
	keys = usable(keys, revoked)
	var tried []string
	n := 0
	for _, signature := range signatures {
		for _, key := range keys {
			valid, err := key.verify(data, signature)
			if err != nil {
				return "", fmt.Errorf("Invalid signature: %w", err) //nolint:staticcheck // libostree's text
			}
			if valid {
				return fmt.Sprintf("%s: Signature verified successfully with key '%s'", t, key), nil
			}
			if n++; n <= maxReported {
				tried = append(tried, fmt.Sprintf("key '%s'", key))
			}
		}
	}
	switch {
	case n > maxReported:
		return "", fmt.Errorf("%s: Signature couldn't be verified; tried %d keys", t, n)
	case n > 0:
		return "", fmt.Errorf("%s: Signature couldn't be verified with: %s", t, strings.Join(tried, "; "))
	}
	return "", fmt.Errorf("%s: no signatures found", t)
}

// usable is the keys from the last to the first, each once, without the revoked.
func usable(keys, revoked []*PublicKey) []*PublicKey {
	done := make(map[string]bool, len(keys)+len(revoked))
	for _, key := range revoked {
		done[string(key.raw)] = true
	}
	var list []*PublicKey
	for _, key := range keys { // of a key that comes twice, the first counts
		if !done[string(key.raw)] {
			done[string(key.raw)] = true
			list = append(list, key)
		}
	}
	slices.Reverse(list)
	return list
}

func verifyDummy(data []byte, signatures [][]byte, keys []*PublicKey) (string, error) {
	if len(signatures) == 0 {
		return "", errors.New("signature: dummy: no signatures")
	}
	for _, signature := range signatures {
		if len(keys) == 0 {
			break
		}
		if valid, _ := keys[len(keys)-1].verify(data, signature); valid {
			return "dummy: Signature verified", nil
		}
	}
	return "", fmt.Errorf("signature: dummy: incorrect signature %d", len(signatures)-1)
}
