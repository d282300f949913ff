package sign

import (
	"slices"

	"github.com/treenail/treenail/format/gvariant"
)

// KeyGPG is the key of GPG's signatures; Type.Key is that of each other engine.
const KeyGPG = "ostree.gpgsigs"

const signaturesType gvariant.Type = "aay"

// maxSignatures bounds the memory that a dictionary from outside takes: an empty
// signature is four bytes there and many times that here.
const maxSignatures = 1 << 16

// Signatures returns the signatures under key in a dictionary, which may be the
// zero Value. ok is false when the key is not there or has another type, or more
// than 65536 of them, which nobody makes in earnest.
func Signatures(metadata gvariant.Value, key string) (signatures [][]byte, ok bool) {
	if metadata.Type() == "" {
		return nil, false
	}
	v, ok := metadata.Lookup(key)
	if !ok || v.Type() != signaturesType || v.Len() > maxSignatures {
		return nil, false
	}
	for i := range v.Len() {
		signatures = append(signatures, v.At(i).Data())
	}
	return signatures, true
}

// Append returns the dictionary with one signature more under key, in the order in
// which libostree writes it.
func Append(metadata gvariant.Value, key string, signature []byte) gvariant.Value {
	signatures, _ := Signatures(metadata, key)
	return Replace(metadata, key, append(signatures, signature))
}

// Replace returns the dictionary with other signatures under key, or without the
// key when there are none.
func Replace(metadata gvariant.Value, key string, signatures [][]byte) gvariant.Value {
	var entries []gvariant.Entry
	if metadata.Type() != "" {
		for i := range metadata.Len() {
			e := metadata.At(i)
			entries = append(entries, gvariant.Entry{Key: e.At(0).Str(), Value: e.At(1).Variant()})
		}
	}
	var items []gvariant.Value
	for _, s := range signatures {
		items = append(items, gvariant.NewBytes(s))
	}
	entries = append(entries, gvariant.Entry{Key: key, Value: gvariant.NewArray("ay", items...)})
	entries = gvariant.DictOrder(entries)
	if len(signatures) == 0 {
		entries = slices.DeleteFunc(entries, func(e gvariant.Entry) bool { return e.Key == key })
	}
	return gvariant.NewVardict(entries...)
}
