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
	tagSecretKey     = 5
	tagPublicKey     = 6
	tagSecretSubkey  = 7
	tagUserID        = 13
	tagPublicSubkey  = 14
	tagUserAttribute = 17
)

// rawPacket is a packet with its header, which has several forms.
type rawPacket struct {
	tag    byte
	raw    []byte
	header int // length
}

// equal compares all but the form of the header.
func (p rawPacket) equal(q rawPacket) bool {
	return p.tag == q.tag && bytes.Equal(p.raw[p.header:], q.raw[q.header:])
}

var errPacket = errors.New("not an OpenPGP packet")

// splitPackets takes a run of packets apart. Beside an error there are the packets
// before it.
func splitPackets(data []byte) ([]rawPacket, error) {
	var packets []rawPacket
	for len(data) > 0 {
		tag, header, body, err := packetHeader(data)
		if err != nil {
			return packets, err
		}
		if body > uint64(len(data)-header) {
			return packets, fmt.Errorf("packet of %d bytes: %w", body, io.ErrUnexpectedEOF)
		}
		n := header + int(body)
		packets = append(packets, rawPacket{tag, data[:n], header})
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
// and binary data as it is. Beside an error there is what was before it.
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
		if err == nil {
			_, err = io.Copy(&out, io.LimitReader(block.Body, maxArmored))
		}
		if err != nil {
			return out.Bytes(), fmt.Errorf("ASCII armour: %w", err)
		}
	}
	return out.Bytes(), nil
}
