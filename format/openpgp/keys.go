package openpgp

import (
	"crypto/sha1" //nolint:gosec // what the Web Key Directory names users by
	"fmt"
	"strings"
	"time"
)

// Key describes a key.
type Key struct {
	Fingerprint string    `json:"fingerprint"` // hexadecimal, upper case
	Created     time.Time `json:"created"`
	Expires     time.Time `json:"expires,omitzero"`  // zero: never
	Expired     bool      `json:"expired,omitempty"` // or its primary key is
	Revoked     bool      `json:"revoked,omitempty"` // or its primary key is
	Invalid     bool      `json:"invalid,omitempty"` // its owner has not signed it
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
		keys = append(keys, b.cert(now).describe())
	}
	return keys
}

func (c *cert) describe() Key {
	key := c.keys[0].describe()
	for _, id := range c.userIDs {
		u := UserID{Name: id.id, Revoked: id.revoked || key.Revoked}
		u.AdvancedURL, u.DirectURL = directoryURLs(id.id)
		key.UserIDs = append(key.UserIDs, u)
	}
	for _, sub := range c.keys[1:] {
		key.Subkeys = append(key.Subkeys, sub.describe())
	}
	return key
}

func (k *certKey) describe() Key {
	return Key{
		Fingerprint: fingerprint(k.PublicKey), Created: k.CreationTime, Expires: k.expires,
		Expired: k.expired && !k.revoked, Revoked: k.revoked, Invalid: !k.valid,
	}
}

// directoryURLs are where the Web Key Directory has the key of a user ID with an
// address: by the hash of the part before the @, in lower case.
func directoryURLs(userID string) (advanced, direct string) {
	local, domain, ok := strings.Cut(mailbox(userID), "@")
	if !ok {
		return "", ""
	}
	sum := sha1.Sum([]byte(local)) //nolint:gosec // the directory's own way
	user := fmt.Sprintf("hu/%s?l=%s", zbase32(sum[:]), escape(local))
	return fmt.Sprintf("https://openpgpkey.%s/.well-known/openpgpkey/%s/%s", domain, domain, user),
		fmt.Sprintf("https://%s/.well-known/openpgpkey/%s", domain, user)
}

// escape writes what is no unreserved character of a URI as %XX.
func escape(s string) string {
	var b strings.Builder
	for i := range len(s) {
		if c := s[i]; isAlnum(c) || strings.IndexByte("-._~", c) >= 0 {
			b.WriteByte(c)
		} else {
			fmt.Fprintf(&b, "%%%02X", c)
		}
	}
	return b.String()
}

func isAlnum(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
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
