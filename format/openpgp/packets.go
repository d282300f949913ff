package openpgp

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/ProtonMail/go-crypto/openpgp/armor"
)

// Tags of the packets of keys (RFC 9580, section 5).
const (
	tagSignature     = 2
	tagPublicKey     = 6
	tagUserID        = 13
	tagPublicSubkey  = 14
	tagUserAttribute = 17
)

// rawPacket is a packet with its header.
type rawPacket struct {
	tag byte
	raw []byte
}

var errPacket = errors.New("not an OpenPGP packet")

// splitPackets takes a run of packets apart.
func splitPackets(data []byte) ([]rawPacket, error) {
	var packets []rawPacket
	for len(data) > 0 {
		tag, header, body, err := packetHeader(data)
		if err != nil {
			return nil, err
		}
		if body > uint64(len(data)-header) {
			return nil, fmt.Errorf("packet of %d bytes: %w", body, io.ErrUnexpectedEOF)
		}
		n := header + int(body)
		packets = append(packets, rawPacket{tag, data[:n]})
		data = data[n:]
	}
	return packets, nil
}

// packetHeader reads the tag and the lengths of a packet (RFC 9580, section 4.2).
// Lengths that are not known at the start do not occur in keys.
func packetHeader(data []byte) (tag byte, header int, body uint64, err error) {
	first := data[0]
	if first&0x80 == 0 {
		return 0, 0, 0, errPacket
	}
	if first&0x40 != 0 {
		header, body, err = newLength(data)
		return first & 0x3f, header, body, err
	}
	size := []int{1, 2, 4, 0}[first&3]
	if size == 0 || len(data) < 1+size {
		return 0, 0, 0, errPacket
	}
	for _, b := range data[1 : 1+size] {
		body = body<<8 | uint64(b)
	}
	return first >> 2 & 0xf, 1 + size, body, nil
}

func newLength(data []byte) (header int, body uint64, err error) {
	switch {
	case len(data) >= 2 && data[1] < 192:
		return 2, uint64(data[1]), nil
	case len(data) >= 3 && data[1] < 224:
		return 3, uint64(data[1]-192)<<8 + uint64(data[2]) + 192, nil
	case len(data) >= 6 && data[1] == 255:
		return 6, uint64(binary.BigEndian.Uint32(data[2:])), nil
	}
	return 0, 0, errPacket
}

// maxArmored bounds what comes out of armour, in bytes.
const maxArmored = 64 << 20

const armorBegin = "-----BEGIN PGP "

// dearmor returns the packets in ASCII armour, of all blocks one after the other,
// and binary data as it is.
func dearmor(data []byte) ([]byte, error) {
	begin := bytes.Index(data, []byte(armorBegin))
	if begin < 0 {
		return data, nil
	}
	var out bytes.Buffer
	for rest := data[begin:]; len(rest) > 0; {
		text := rest
		if next := bytes.Index(rest[1:], []byte(armorBegin)); next >= 0 {
			text, rest = rest[:next+1], rest[next+1:]
		} else {
			rest = nil
		}
		block, err := armor.Decode(bytes.NewReader(text))
		if err != nil {
			return nil, fmt.Errorf("ASCII armour: %w", err)
		}
		if _, err := io.Copy(&out, io.LimitReader(block.Body, maxArmored)); err != nil {
			return nil, fmt.Errorf("ASCII armour: %w", err)
		}
	}
	return out.Bytes(), nil
}

// Places in a keybox (GnuPG, kbx/keybox-blob.c): each blob begins with its length
// and type; one that holds a key has there where the packets of the key are.
const (
	keyboxMagicAt   = 8
	keyboxTypeAt    = 4
	keyboxBlockAt   = 8
	keyboxLengthAt  = 12
	keyboxBlobSize  = 16 // at least
	keyboxTypeOfKey = 2
)

var keyboxMagic = []byte("KBXf")

func isKeybox(data []byte) bool {
	return len(data) >= keyboxMagicAt+4 && bytes.Equal(data[keyboxMagicAt:keyboxMagicAt+4], keyboxMagic)
}

// keyboxPackets returns the packets of all keys in a keybox.
func keyboxPackets(data []byte) ([]byte, error) {
	var out []byte
	for at := 0; len(data) > 0; at++ {
		if len(data) < keyboxBlobSize {
			return nil, fmt.Errorf("keybox: blob %d: %w", at, io.ErrUnexpectedEOF)
		}
		size := uint64(binary.BigEndian.Uint32(data))
		if size < keyboxBlobSize || size > uint64(len(data)) {
			return nil, fmt.Errorf("keybox: blob %d has the length %d", at, size)
		}
		blob := data[:size]
		data = data[size:]
		if blob[keyboxTypeAt] != keyboxTypeOfKey {
			continue
		}
		begin := uint64(binary.BigEndian.Uint32(blob[keyboxBlockAt:]))
		length := uint64(binary.BigEndian.Uint32(blob[keyboxLengthAt:]))
		if begin+length > size {
			return nil, fmt.Errorf("keybox: blob %d: the key is outside of it", at)
		}
		out = append(out, blob[begin:begin+length]...)
	}
	return out, nil
}
