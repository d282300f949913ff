package openpgp

import (
	"fmt"
	"strings"
	"time"
)

// Describe writes what became of a signature as libostree does, each line after
// the prefix. Times are in the local zone.
func (s *Signature) Describe(prefix string) string {
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, prefix+format+"\n", args...) }
	s = s.seen()
	line("Signature made %s using %s key ID %s", Date(s.Made), s.Algorithm, keyID(s.Fingerprint))
	line("%s", s.verdict())
	if s.Status == KeyMissing {
		return b.String()
	}
	if s.Fingerprint != s.Primary {
		line("Primary key ID %s", keyID(s.Primary))
	}
	expires := func(what string, t time.Time, expired bool) {
		switch {
		case t.IsZero():
		case expired:
			line("%s expired %s", what, Date(t))
		default:
			line("%s expires %s", what, Date(t))
		}
	}
	expires("Signature", s.Expires, s.Status == Expired)
	expires("Key", s.KeyExpires, s.Status == KeyExpired)
	if s.Fingerprint != s.Primary {
		expires("Primary key", s.PrimaryKeyExpires, s.Status == KeyExpired)
	}
	return b.String()
}

// seen is what GPG lets libostree see: of a bad signature not even what it says of
// itself, and when one expires only if it is right.
func (s *Signature) seen() *Signature {
	out := *s
	switch s.Status {
	case Bad:
		out.Made, out.Expires, out.KeyExpires = time.Unix(0, 0), time.Time{}, time.Time{}
		out.Algorithm, out.Fingerprint = unknownName, keyID(s.Fingerprint)
	case Unusable:
		out.Expires = time.Time{}
	}
	return &out
}

func (s *Signature) verdict() string {
	from := fmt.Sprintf("signature from \"%s <%s>\"", s.UserName, s.UserEmail)
	switch s.Status {
	case Good:
		return "Good " + from
	case KeyMissing:
		return "Can't check signature: public key not found"
	case KeyRevoked:
		return "Key revoked"
	case Expired:
		return "Expired " + from
	}
	return "BAD " + from
}

func keyID(fingerprint string) string { return fingerprint[max(0, len(fingerprint)-16):] }

// Date writes a time in the local zone as GLib does by %c in the C locale, where a
// figure space (U+2007) is before a day of one digit.
func Date(t time.Time) string {
	t = t.Local()
	day := fmt.Sprint(t.Day())
	if t.Day() < 10 {
		day = "\u2007" + day
	}
	return t.Format("Mon Jan ") + day + t.Format(" 15:04:05 2006")
}

// Valid is the number of valid signatures.
func (r *Result) Valid() int {
	n := 0
	for _, s := range r.Signatures {
		if s.Status == Good {
			n++
		}
	}
	return n
}

// InvalidError says that none of the signatures is valid.
type InvalidError struct {
	Result *Result
}

// Error describes all signatures, the last one first.
func (e *InvalidError) Error() string {
	if len(e.Result.Signatures) == 0 {
		return "No GPG signatures found"
	}
	var b strings.Builder
	for i := len(e.Result.Signatures) - 1; i >= 0; i-- {
		b.WriteString(e.Result.Signatures[i].Describe(""))
	}
	return strings.TrimRight(b.String(), "\n")
}

// Require returns an *InvalidError unless one of the signatures is valid.
func (r *Result) Require() error {
	if r.Valid() == 0 {
		return &InvalidError{r}
	}
	return nil
}
