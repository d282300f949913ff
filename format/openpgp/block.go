package openpgp

import (
	"bytes"
	"encoding/hex"
	"slices"
	"strings"

	"github.com/ProtonMail/go-crypto/openpgp/packet"
)

// block is a key with all that belongs to it, as packets. The first part is the
// primary key.
type block struct {
	parts []part
}

// maxKeyBits bounds the time that one signature takes. GPG makes no longer keys.
const maxKeyBits = 16384

// part is the primary key, a user ID or a subkey, with the signatures that follow
// it.
type part struct {
	rawPacket
	signatures []rawPacket

	key    *packet.PublicKey // nil if it is none, or one of an unknown kind
	userID string
}

func newPart(p rawPacket) part {
	out := part{rawPacket: p}
	parsed, err := packet.Read(bytes.NewReader(p.raw))
	if err != nil {
		return out
	}
	switch parsed := parsed.(type) {
	case *packet.PublicKey:
		if bits, err := parsed.BitLength(); err != nil || bits <= maxKeyBits {
			out.key = parsed
		}
	case *packet.UserId:
		out.userID = parsed.Id
	}
	return out
}

// public turns a secret key into the public one.
func (p rawPacket) public() rawPacket {
	if p.tag != tagSecretKey && p.tag != tagSecretSubkey {
		return p
	}
	var out bytes.Buffer
	parsed, err := packet.Read(bytes.NewReader(p.raw))
	secret, ok := parsed.(*packet.PrivateKey)
	if err != nil || !ok || secret.PublicKey.Serialize(&out) != nil {
		return p
	}
	packets, err := splitPackets(out.Bytes())
	if err != nil || len(packets) != 1 {
		return p
	}
	return packets[0]
}

func (b *block) fingerprint() string { return fingerprint(b.parts[0].key) }

func (p part) isUserID() bool { return p.tag == tagUserID }

// order is where a part stands among those of a key: a user ID after a subkey would
// be taken for another key's.
func (p part) order() int {
	return slices.Index([]byte{tagPublicKey, tagUserID, tagUserAttribute, tagPublicSubkey}, p.tag)
}

func (b *block) bytes() []byte {
	var out []byte
	for _, p := range b.parts {
		out = append(out, p.raw...)
		for _, s := range p.signatures {
			out = append(out, s.raw...)
		}
	}
	return out
}

func fingerprint(key *packet.PublicKey) string {
	return strings.ToUpper(hex.EncodeToString(key.Fingerprint))
}
