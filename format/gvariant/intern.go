package gvariant

import (
	"maps"
	"sync"
	"sync/atomic"
)

// maxInterned bounds the descriptors kept: type strings inside of variants come from
// outside and could be made to differ without end.
const maxInterned = 256

// maxInternedLength keeps long type strings out of that set.
const maxInternedLength = 128

// interned maps type strings to descriptors. It is replaced, never modified, so
// that readers need no lock.
var (
	interned   atomic.Pointer[map[string]*descriptor]
	internedMu sync.Mutex // held while replacing
)

func init() { interned.Store(&map[string]*descriptor{}) }

// describe returns the descriptor of a type string. Types in use are found again
// without parsing and without allocation.
func describe[S string | Type](s S) (*descriptor, error) {
	if d := lookupDescriptor(s); d != nil {
		return d, nil
	}
	d, err := describeString(string(s))
	if err == nil {
		intern(d)
	}
	return d, err
}

// describeBytes is describe for a type string that lies in serialised data; nil when it
// is invalid.
func describeBytes(b []byte) *descriptor {
	if d := lookupDescriptor(b); d != nil {
		return d
	}
	if len(b) > maxTypeLength {
		return nil
	}
	d, err := describe(string(b))
	if err != nil {
		return nil
	}
	return d
}

func lookupDescriptor[S string | Type | []byte](s S) *descriptor {
	if len(s) == 1 && s[0] < 128 {
		return basic[s[0]]
	}
	return (*interned.Load())[string(s)]
}

// intern keeps d for later calls of describe.
func intern(d *descriptor) {
	if len(d.typ) > maxInternedLength {
		return
	}
	internedMu.Lock()
	defer internedMu.Unlock()
	old := *interned.Load()
	if len(old) >= maxInterned {
		return
	}
	next := maps.Clone(old)
	next[string(d.typ)] = d
	interned.Store(&next)
}

// mustDescribe is describe for types that the program states.
func mustDescribe(t Type) *descriptor {
	d, err := describe(t)
	if err != nil {
		panic(err)
	}
	return d
}
