package openpgp

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
)

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

// keyboxPackets returns the packets of all keys in a keybox. Beside an error there
// are those before it.
func keyboxPackets(data []byte) ([]byte, error) {
	var out []byte
	for at := 0; len(data) > 0; at++ {
		if len(data) < keyboxBlobSize {
			return out, fmt.Errorf("keybox: blob %d: %w", at, io.ErrUnexpectedEOF)
		}
		size := uint64(binary.BigEndian.Uint32(data))
		if size < keyboxBlobSize || size > uint64(len(data)) {
			return out, fmt.Errorf("keybox: blob %d has the length %d", at, size)
		}
		blob := data[:size]
		data = data[size:]
		if blob[keyboxTypeAt] != keyboxTypeOfKey {
			continue
		}
		begin := uint64(binary.BigEndian.Uint32(blob[keyboxBlockAt:]))
		length := uint64(binary.BigEndian.Uint32(blob[keyboxLengthAt:]))
		if begin+length > size {
			return out, fmt.Errorf("keybox: blob %d: the key is outside of it", at)
		}
		out = append(out, blob[begin:begin+length]...)
	}
	return out, nil
}
