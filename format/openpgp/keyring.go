package openpgp

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// A Keyring is public keys. The zero Keyring has none.
type Keyring struct {
	blocks []*block
}

// ReadKeyring reads the keys of a keyring in any form. Keys that cannot be
// understood, because of their version or algorithm, are passed over; of a secret
// key the public part is read. Beside an error there are the keys before the place
// where the data is damaged.
func ReadKeyring(data []byte) (*Keyring, error) {
	var err error
	if isKeybox(data) {
		data, err = keyboxPackets(data)
	} else {
		data, err = dearmor(data)
	}
	packets, damaged := splitPackets(data)
	if err == nil {
		err = damaged
	}
	if err != nil {
		err = fmt.Errorf("keyring: %w", err)
	}
	k := &Keyring{}
	for _, b := range group(packets) {
		if b.parts[0].key != nil {
			k.blocks = append(k.blocks, b)
		}
	}
	return k, err
}

// group collects packets into keys. What is not of a key is left out.
func group(packets []rawPacket) []*block {
	var blocks []*block
	for _, p := range packets {
		p = p.public()
		if p.tag == tagPublicKey || p.tag == tagSecretKey { // that cannot be read
			blocks = append(blocks, &block{parts: []part{newPart(p)}})
			continue
		}
		if len(blocks) == 0 {
			continue
		}
		b := blocks[len(blocks)-1]
		switch p.tag {
		case tagUserID, tagPublicSubkey, tagUserAttribute:
			b.parts = append(b.parts, newPart(p))
		case tagSignature:
			last := &b.parts[len(b.parts)-1]
			last.signatures = append(last.signatures, p)
		}
	}
	return blocks
}

// Append adds the keys of another keyring after these. Of a key that is in both
// the first counts, as it does for GPG.
func (k *Keyring) Append(other *Keyring) { k.blocks = append(k.blocks, other.blocks...) }

// Import adds the keys of another keyring and returns how many were not there.
// What is new about a key that is there, such as a later date of expiry, is added
// to it.
func (k *Keyring) Import(other *Keyring) (added int) {
	for _, b := range other.blocks {
		at := slices.IndexFunc(k.blocks, func(had *block) bool { return had.fingerprint() == b.fingerprint() })
		if at >= 0 {
			k.blocks[at] = k.blocks[at].merged(b)
			continue
		}
		k.blocks = append(k.blocks, b)
		added++
	}
	return added
}

// merged returns the union of two states of one key.
func (b *block) merged(more *block) *block {
	parts := slices.Clone(b.parts)
	for _, p := range more.parts {
		at := slices.IndexFunc(parts, func(had part) bool { return had.equal(p.rawPacket) })
		if at < 0 {
			parts = append(parts, p)
			continue
		}
		parts[at].signatures = union(parts[at].signatures, p.signatures)
	}
	slices.SortStableFunc(parts, func(a, c part) int { return cmp.Compare(a.order(), c.order()) })
	return &block{parts}
}

func union(a, b []rawPacket) []rawPacket {
	a = slices.Clone(a)
	for _, s := range b {
		if !slices.ContainsFunc(a, s.equal) {
			a = append(a, s)
		}
	}
	return a
}

// KeyError says why an ID is not that of one key.
type KeyError struct {
	ID     string
	Reason string // GPGME's: End of file, Ambiguous name or Invalid value
}

// Error is libostree's text.
func (e *KeyError) Error() string {
	return fmt.Sprintf("GPG: Unable to find key %q: GPGME: %s", e.ID, e.Reason)
}

// minID is how long an ID is at least: GPGME refuses shorter ones.
const minID = 8

// Select returns the keys that have an ID: the end of the fingerprint of the key or
// a subkey, or part of a user ID. An ID that no key has, or several, is a
// *KeyError.
func (k *Keyring) Select(ids []string) (*Keyring, error) {
	selected := &Keyring{}
	for _, id := range ids {
		b, err := k.lookup(id)
		if err != nil {
			return nil, err
		}
		if !slices.Contains(selected.blocks, b) {
			selected.blocks = append(selected.blocks, b)
		}
	}
	return selected, nil
}

// lookup returns the one key that an ID names.
func (k *Keyring) lookup(id string) (*block, error) {
	if len(id) < minID {
		return nil, &KeyError{id, "Invalid value"}
	}
	var found *block
	for _, b := range k.blocks {
		if !b.matches(id) {
			continue
		}
		if found != nil && found.fingerprint() != b.fingerprint() {
			return nil, &KeyError{id, "Ambiguous name"}
		}
		if found == nil {
			found = b
		}
	}
	if found == nil {
		return nil, &KeyError{id, "End of file"}
	}
	return found, nil
}

// keyIDPattern is what GPG takes for a key ID or a fingerprint.
var keyIDPattern = regexp.MustCompile(`^(?:0[Xx])?((?:[0-9A-Fa-f]{8}){1,2}|[0-9A-Fa-f]{40}|[0-9A-Fa-f]{64})!?$`)

func (b *block) matches(id string) bool {
	if digits := keyIDPattern.FindStringSubmatch(id); digits != nil {
		return slices.ContainsFunc(b.parts, func(p part) bool {
			return p.key != nil && strings.HasSuffix(fingerprint(p.key), strings.ToUpper(digits[1]))
		})
	}
	return slices.ContainsFunc(b.parts, func(p part) bool {
		return p.isUserID() && strings.Contains(strings.ToLower(p.userID), strings.ToLower(id))
	})
}

// Bytes returns the keyring as packets one after the other.
func (k *Keyring) Bytes() []byte {
	var out []byte
	for _, b := range k.blocks {
		out = append(out, b.bytes()...)
	}
	return out
}

// Len is the number of keys.
func (k *Keyring) Len() int { return len(k.blocks) }
