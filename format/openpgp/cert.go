package openpgp

import (
	"bytes"
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp/packet"
)

// cert is what a key says about itself at a time, by the signatures that are right.
// The rules are GPG's (merge_selfsigs in GnuPG 2.2, g10/getkey.c).
type cert struct {
	keys    []certKey // the primary key first
	userIDs []certUserID
}

type certKey struct {
	*packet.PublicKey
	valid   bool      // the key vouches for it
	expires time.Time // zero: never
	expired bool
	revoked bool
	signs   bool // it may sign data
	crossed bool // a subkey that signs has to be signed by itself too
}

type certUserID struct {
	id        string
	created   time.Time // zero unless valid now
	isPrimary bool
	revoked   bool
}

// cert evaluates the signatures of a block.
func (b *block) cert(now time.Time) *cert {
	c := &cert{keys: []certKey{{PublicKey: b.parts[0].key, signs: true, crossed: true}}}
	e := evaluation{cert: c, now: now.Truncate(time.Second)} // as GPG's clock
	e.direct(b.parts[0])
	for _, p := range b.parts[1:] {
		switch {
		case p.isUserID():
			e.userID(p)
		case p.key != nil:
			e.subkey(p)
		}
	}
	e.finish()
	return c
}

// evaluation goes through the parts of a key in their order.
type evaluation struct {
	*cert
	now time.Time

	expirySeen, usageSeen bool      // the key itself says so, not a user ID
	newest                time.Time // the valid user ID whose word counts
}

// selfSignatures calls with the signatures of the primary key on a part that are
// right.
func (e *evaluation) selfSignatures(p part, right func(s *packet.Signature) error, with func(*packet.Signature)) {
	primary := e.keys[0].PublicKey
	for _, signature := range p.signatures {
		parsed, err := packet.Read(bytes.NewReader(signature.raw))
		s, ok := parsed.(*packet.Signature)
		if err != nil || !ok || !s.CheckKeyIdOrFingerprint(primary) || !s.Hash.Available() {
			continue
		}
		if s.CreationTime.Before(primary.CreationTime) || primary.CreationTime.After(e.now) || right(s) != nil {
			continue
		}
		with(s)
	}
}

// direct takes in the signatures on the primary key itself.
func (e *evaluation) direct(p part) {
	var latest *packet.Signature
	primary := &e.keys[0]
	right := func(s *packet.Signature) error {
		if s.SigType == packet.SigTypeKeyRevocation {
			return primary.VerifyRevocationSignature(s)
		}
		return primary.VerifyDirectKeySignature(s)
	}
	e.selfSignatures(p, right, func(s *packet.Signature) {
		switch {
		case s.SigType == packet.SigTypeKeyRevocation:
			primary.revoked = true
		case s.SigType == packet.SigTypeDirectSignature && !expiredSignature(s, e.now) && notBefore(s, latest):
			latest = s
		}
	})
	if latest == nil {
		return
	}
	primary.valid = true
	if t := expiry(primary.PublicKey, latest); !t.IsZero() {
		primary.expires, e.expirySeen = t, true
	}
	if latest.FlagsValid {
		primary.signs, e.usageSeen = latest.FlagSign, true
	}
}

// userID takes in the signatures on a user ID, of which the latest counts.
func (e *evaluation) userID(p part) {
	var latest *packet.Signature
	primary := &e.keys[0]
	right := func(s *packet.Signature) error { return primary.VerifyUserIdSignature(p.userID, primary.PublicKey, s) }
	e.selfSignatures(p, right, func(s *packet.Signature) {
		certifies := s.SigType >= packet.SigTypeGenericCert && s.SigType <= packet.SigTypePositiveCert
		if (certifies || s.SigType == packet.SigTypeCertificationRevocation) && notBefore(s, latest) {
			latest = s
		}
	})
	u := certUserID{id: p.userID}
	if latest != nil {
		primary.valid = true
		u.revoked = latest.SigType == packet.SigTypeCertificationRevocation
		u.isPrimary = !u.revoked && latest.IsPrimaryId != nil && *latest.IsPrimaryId
		if !u.revoked && !expiredSignature(latest, e.now) {
			u.created = latest.CreationTime
			e.believe(latest)
		}
	}
	e.userIDs = append(e.userIDs, u)
}

// believe takes from the signature on the newest user ID what the key does not say
// itself.
func (e *evaluation) believe(s *packet.Signature) {
	if !s.CreationTime.After(e.newest) {
		return
	}
	e.newest = s.CreationTime
	primary := &e.keys[0]
	if !e.expirySeen {
		primary.expires = expiry(primary.PublicKey, s)
	}
	if !e.usageSeen {
		primary.signs = !s.FlagsValid || s.FlagSign
	}
}

// subkey takes in the signatures on a subkey. A revocation counts whatever came
// after it.
func (e *evaluation) subkey(p part) {
	var latest *packet.Signature
	k := certKey{PublicKey: p.key}
	primary := e.keys[0].PublicKey
	right := func(s *packet.Signature) error {
		if s.SigType == packet.SigTypeSubkeyRevocation {
			return primary.VerifySubkeyRevocationSignature(s, p.key)
		}
		bare := *s
		bare.FlagSign = false // so that the subkey's own signature is not asked for
		return primary.VerifyKeySignature(p.key, &bare)
	}
	e.selfSignatures(p, right, func(s *packet.Signature) {
		switch {
		case s.SigType == packet.SigTypeSubkeyRevocation:
			k.revoked = true
		case s.SigType == packet.SigTypeSubkeyBinding && !expiredSignature(s, e.now) && notBefore(s, latest):
			latest = s
		}
	})
	if latest != nil {
		k.valid = true
		k.expires = expiry(p.key, latest)
		k.signs = !latest.FlagsValid || latest.FlagSign
		full := *latest
		full.FlagSign = true
		k.crossed = primary.VerifyKeySignature(p.key, &full) == nil
	}
	e.keys = append(e.keys, k)
}

// finish hands down to the subkeys what holds for the primary key, and puts the
// primary user ID first.
func (e *evaluation) finish() {
	primary := &e.keys[0]
	for i := range e.keys {
		k := &e.keys[i]
		k.expired = !k.expires.IsZero() && k.expires.Before(e.now) || primary.expired
		k.revoked = k.revoked || primary.revoked
		k.valid = k.valid && primary.valid
	}
	if at := e.primaryUserID(); at > 0 {
		u := e.userIDs[at]
		e.userIDs = slices.Insert(slices.Delete(e.userIDs, at, at+1), 0, u)
	}
}

// primaryUserID is the newest user ID that is marked as the primary one, or the
// newest of all, the longest if there are several.
func (e *evaluation) primaryUserID() int {
	best := 0
	for i, u := range e.userIDs {
		b := e.userIDs[best]
		switch {
		case u.isPrimary && u.created.IsZero():
		case u.isPrimary != b.isPrimary:
			if u.isPrimary {
				best = i
			}
		case u.isPrimary && u.created.After(b.created), !u.isPrimary && moreRecent(u, b):
			best = i
		}
	}
	return best
}

func moreRecent(a, b certUserID) bool {
	return cmp.Or(a.created.Compare(b.created), cmp.Compare(len(a.id), len(b.id)), strings.Compare(a.id, b.id)) > 0
}

func notBefore(s, latest *packet.Signature) bool {
	return latest == nil || !s.CreationTime.Before(latest.CreationTime)
}

// expiry is when a key expires by a signature; zero: never.
func expiry(key *packet.PublicKey, s *packet.Signature) time.Time {
	return after(key.CreationTime, s.KeyLifetimeSecs)
}

func after(t time.Time, seconds *uint32) time.Time {
	if seconds == nil || *seconds == 0 {
		return time.Time{}
	}
	return t.Add(time.Duration(*seconds) * time.Second)
}

func expiredSignature(s *packet.Signature, now time.Time) bool {
	t := after(s.CreationTime, s.SigLifetimeSecs)
	return !t.IsZero() && !t.After(now)
}
