package openpgp

import (
	"bytes"
	"cmp"
	"crypto/sha1" //nolint:gosec // what OpenPGP identifies keys and addresses by
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	pgp "github.com/ProtonMail/go-crypto/openpgp"
	"github.com/ProtonMail/go-crypto/openpgp/packet"
)

// A Keyring is public keys.
type Keyring struct {
	blocks []*block
}

// block is a key with all that belongs to it, as packets.
type block struct {
	parts  []part
	entity *pgp.Entity
}

// part is the primary key, a user ID or a subkey, with the signatures that follow
// it.
type part struct {
	packet     []byte
	signatures [][]byte
}

// ReadKeyring reads the keys of a keyring in any form. Keys that cannot be
// understood, because of their version or algorithm, are passed over.
func ReadKeyring(data []byte) (*Keyring, error) {
	var err error
	if isKeybox(data) {
		data, err = keyboxPackets(data)
	} else {
		data, err = dearmor(data)
	}
	if err != nil {
		return nil, err
	}
	packets, err := splitPackets(data)
	if err != nil {
		return nil, fmt.Errorf("keyring: %w", err)
	}
	k := &Keyring{}
	for _, b := range group(packets) {
		if b.read() == nil {
			k.add(b)
		}
	}
	return k, nil
}

// group collects packets into keys. What is not of a public key is left out.
func group(packets []rawPacket) []*block {
	var blocks []*block
	for _, p := range packets {
		if p.tag == tagPublicKey {
			blocks = append(blocks, &block{parts: []part{{packet: p.raw}}})
			continue
		}
		if len(blocks) == 0 {
			continue
		}
		b := blocks[len(blocks)-1]
		switch p.tag {
		case tagUserID, tagPublicSubkey, tagUserAttribute:
			b.parts = append(b.parts, part{packet: p.raw})
		case tagSignature:
			last := &b.parts[len(b.parts)-1]
			last.signatures = append(last.signatures, p.raw)
		}
	}
	return blocks
}

// read makes sense of the packets.
func (b *block) read() (err error) {
	b.entity, err = pgp.ReadEntity(packet.NewReader(bytes.NewReader(b.bytes())))
	return err
}

func (b *block) bytes() []byte {
	var out []byte
	for _, p := range b.parts {
		out = append(out, p.packet...)
		for _, s := range p.signatures {
			out = append(out, s...)
		}
	}
	return out
}

// add puts a key in, and reports whether it was not there. What is new about a key
// that is there is added to it.
func (k *Keyring) add(b *block) bool {
	for _, had := range k.blocks {
		if bytes.Equal(had.parts[0].packet, b.parts[0].packet) {
			had.merge(b)
			return false
		}
	}
	k.blocks = append(k.blocks, b)
	return true
}

func (b *block) merge(more *block) {
	before := b.parts
	b.parts = slices.Clone(b.parts)
	for _, p := range more.parts {
		at := slices.IndexFunc(b.parts, func(had part) bool { return bytes.Equal(had.packet, p.packet) })
		if at < 0 {
			b.parts = append(b.parts, p)
			continue
		}
		b.parts[at].signatures = union(b.parts[at].signatures, p.signatures)
	}
	// A user ID after a subkey would be taken for another key's.
	slices.SortStableFunc(b.parts, func(a, c part) int { return cmp.Compare(a.order(), c.order()) })
	if b.read() != nil {
		b.parts = before
	}
}

// order is where a part stands among those of a key.
func (p part) order() int {
	tag, _, _, err := packetHeader(p.packet)
	switch {
	case err == nil && tag == tagPublicKey:
		return 0
	case err == nil && tag == tagPublicSubkey:
		return 2
	}
	return 1
}

func union(a, b [][]byte) [][]byte {
	a = slices.Clone(a)
	for _, s := range b {
		if !slices.ContainsFunc(a, func(had []byte) bool { return bytes.Equal(had, s) }) {
			a = append(a, s)
		}
	}
	return a
}

// Import adds the keys of another keyring and returns how many were not there.
func (k *Keyring) Import(other *Keyring) (added int) {
	for _, b := range other.blocks {
		if k.add(b) {
			added++
		}
	}
	return added
}

// ErrNoKey says that a keyring has no such key.
var ErrNoKey = errors.New("no such key")

// Select returns the keys that have an ID: the end of a fingerprint, or part of a
// user ID.
func (k *Keyring) Select(ids []string) (*Keyring, error) {
	selected := &Keyring{}
	for _, id := range ids {
		found := false
		for _, b := range k.blocks {
			if b.matches(id) {
				selected.add(b)
				found = true
			}
		}
		if !found {
			return nil, fmt.Errorf("key %s: %w", id, ErrNoKey)
		}
	}
	return selected, nil
}

func (b *block) matches(id string) bool {
	hexID := strings.ToUpper(strings.TrimPrefix(strings.TrimPrefix(id, "0x"), "0X"))
	if len(hexID) >= 8 && strings.Trim(hexID, "0123456789ABCDEF") == "" {
		for _, key := range b.publicKeys() {
			if strings.HasSuffix(fingerprint(key), hexID) {
				return true
			}
		}
	}
	for name := range b.entity.Identities {
		if strings.Contains(strings.ToLower(name), strings.ToLower(id)) {
			return true
		}
	}
	return false
}

func (b *block) publicKeys() []*packet.PublicKey {
	keys := []*packet.PublicKey{b.entity.PrimaryKey}
	for _, s := range b.entity.Subkeys {
		keys = append(keys, s.PublicKey)
	}
	return keys
}

func fingerprint(key *packet.PublicKey) string {
	return strings.ToUpper(hex.EncodeToString(key.Fingerprint))
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

// Key describes a key.
type Key struct {
	Fingerprint string    `json:"fingerprint"` // hexadecimal, upper case
	Created     time.Time `json:"created"`
	Expires     time.Time `json:"expires,omitzero"` // zero: never
	Revoked     bool      `json:"revoked,omitempty"`
	UserIDs     []UserID  `json:"userIDs,omitempty"`
	Subkeys     []Key     `json:"subkeys,omitempty"`
}

// UserID is a name of a key, and where its owner publishes the key (draft
// OpenPGP Web Key Directory); "" where the name has no address.
type UserID struct {
	Name        string `json:"name"`
	Revoked     bool   `json:"revoked,omitempty"`
	AdvancedURL string `json:"advancedURL,omitempty"`
	DirectURL   string `json:"directURL,omitempty"`
}

// Keys describes the keys at a time, in the order of the keyring.
func (k *Keyring) Keys(now time.Time) []Key {
	var keys []Key
	for _, b := range k.blocks {
		keys = append(keys, b.describe(now))
	}
	return keys
}

func (b *block) describe(now time.Time) Key {
	e := b.entity
	key := Key{
		Fingerprint: fingerprint(e.PrimaryKey), Created: e.PrimaryKey.CreationTime, Expires: primaryExpiry(e),
		Revoked: e.Revoked(now),
	}
	for _, id := range identities(e) {
		u := userID(id, now)
		u.Revoked = u.Revoked || key.Revoked
		key.UserIDs = append(key.UserIDs, u)
	}
	for _, s := range e.Subkeys {
		key.Subkeys = append(key.Subkeys, Key{
			Fingerprint: fingerprint(s.PublicKey), Created: s.PublicKey.CreationTime,
			Expires: expiry(s.PublicKey, s.Sig), Revoked: key.Revoked || s.Revoked(now),
		})
	}
	return key
}

// identities are the user IDs, the primary one first, then the newest.
func identities(e *pgp.Entity) []*pgp.Identity {
	var all []*pgp.Identity
	for _, id := range e.Identities {
		all = append(all, id)
	}
	primary := e.PrimaryIdentity()
	slices.SortFunc(all, func(a, b *pgp.Identity) int {
		if a == primary || b == primary {
			return cmp.Compare(rank(b == primary), rank(a == primary))
		}
		return cmp.Or(created(b).Compare(created(a)), cmp.Compare(a.Name, b.Name))
	})
	return all
}

func rank(first bool) int {
	if first {
		return 1
	}
	return 0
}

func created(id *pgp.Identity) time.Time {
	if id.SelfSignature == nil {
		return time.Time{}
	}
	return id.SelfSignature.CreationTime
}

func userID(id *pgp.Identity, now time.Time) UserID {
	u := UserID{Name: id.Name, Revoked: id.Revoked(now)}
	local, domain, ok := strings.Cut(id.UserId.Email, "@")
	if !ok || local == "" || domain == "" {
		return u
	}
	domain = strings.ToLower(domain)
	sum := sha1.Sum([]byte(strings.ToLower(local))) //nolint:gosec // the directory's own way
	hash := zbase32(sum[:])
	u.AdvancedURL = fmt.Sprintf("https://openpgpkey.%s/.well-known/openpgpkey/%s/hu/%s?l=%s", domain, domain, hash, escape(local))
	u.DirectURL = fmt.Sprintf("https://%s/.well-known/openpgpkey/hu/%s?l=%s", domain, hash, escape(local))
	return u
}

// escape writes what is no unreserved character of a URI as %XX.
func escape(s string) string {
	var b strings.Builder
	for i := range len(s) {
		c := s[i]
		if c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || strings.IndexByte("-._~", c) >= 0 {
			b.WriteByte(c)
		} else {
			fmt.Fprintf(&b, "%%%02X", c)
		}
	}
	return b.String()
}

// zbase32 encodes data whose length is a multiple of five bytes (Zooko's base-32).
func zbase32(data []byte) string {
	const alphabet = "ybndrfg8ejkmcpqxot1uwisza345h769"
	var b strings.Builder
	for len(data) >= 5 {
		n := uint64(data[0])<<32 | uint64(data[1])<<24 | uint64(data[2])<<16 | uint64(data[3])<<8 | uint64(data[4])
		for shift := 35; shift >= 0; shift -= 5 {
			b.WriteByte(alphabet[n>>shift&31])
		}
		data = data[5:]
	}
	return b.String()
}

// expiry is when a key expires by the signature that binds it; zero: never.
func expiry(key *packet.PublicKey, sig *packet.Signature) time.Time {
	if sig == nil || sig.KeyLifetimeSecs == nil || *sig.KeyLifetimeSecs == 0 {
		return time.Time{}
	}
	return key.CreationTime.Add(time.Duration(*sig.KeyLifetimeSecs) * time.Second)
}

func primaryExpiry(e *pgp.Entity) time.Time {
	sig, _ := e.PrimarySelfSignature()
	return expiry(e.PrimaryKey, sig)
}
