package openpgp

import "strings"

// splitUserID takes a user ID apart as GPGME does: the first text outside of any
// brackets is the name, the first in angle brackets the address. A user ID that is
// a bare address has no name.
func splitUserID(id string) (name, email string) {
	var haveName, haveEmail bool
	for rest := strings.TrimLeft(id, " \t"); rest != ""; rest = strings.TrimLeft(rest, " \t") {
		switch rest[0] {
		case '<', '(':
			var inside string
			angle := rest[0] == '<'
			inside, rest = bracketed(rest)
			if angle && !haveEmail {
				email, haveEmail = strings.TrimRight(inside, " \t"), true
			}
		default:
			end := strings.IndexAny(rest, "<(")
			if end < 0 {
				end = len(rest)
			}
			if !haveName {
				name, haveName = strings.TrimRight(rest[:end], " \t"), true
			}
			rest = rest[end:]
		}
	}
	if !haveEmail && isMailbox(id) && id == lower(id) { // capitals make it a name
		return "", id
	}
	return name, email
}

// bracketed returns what the first bracket of s holds, and the rest after it.
// Brackets nest; one that is not closed holds nothing.
func bracketed(s string) (inside, rest string) {
	open, closed := s[0], byte('>')
	if open == '(' {
		closed = ')'
	}
	depth := 0
	for i := range len(s) {
		switch s[i] {
		case open:
			depth++
		case closed:
			if depth--; depth == 0 {
				return s[1:i], s[i+1:]
			}
		}
	}
	return "", ""
}

// mailbox is the address in a user ID in lower case, or "" when it has none that is
// well formed, of which GPGME has two ideas: a strict one for a bare address.
func mailbox(id string) string {
	_, after, found := strings.Cut(id, "<")
	if !found {
		if !isMailbox(id) {
			return ""
		}
		return lower(id)
	}
	address, _, closed := strings.Cut(after, ">")
	if !closed || !isAddress(address) || strings.ContainsFunc(address, func(r rune) bool { return r <= ' ' || r == 0x7f }) {
		return ""
	}
	return lower(address)
}

// isAddress reports whether s is two parts around an @.
func isAddress(s string) bool {
	local, domain, ok := strings.Cut(s, "@")
	return ok && local != "" && domain != "" && !strings.Contains(domain, "@") &&
		!strings.Contains(domain, "..") && !strings.HasSuffix(domain, ".")
}

// isMailbox reports whether a bare address has no characters but those that GPGME
// takes, which are fewer than a mail server does.
func isMailbox(s string) bool {
	local, domain, _ := strings.Cut(s, "@")
	return isAddress(s) && !strings.Contains(s, "..") && allIn(local, "!#$%&'*+-/=?^_`{|}~.") && allIn(domain, "-_.")
}

// allIn reports whether s has letters, digits, characters beyond ASCII and those of
// set alone.
func allIn(s, set string) bool {
	for i := range len(s) {
		if c := s[i]; c < 0x80 && !isAlnum(c) && strings.IndexByte(set, c) < 0 {
			return false
		}
	}
	return true
}

// lower makes ASCII letters small and leaves others as they are.
func lower(s string) string {
	b := []byte(s)
	for i, c := range b {
		if c >= 'A' && c <= 'Z' {
			b[i] = c + 'a' - 'A'
		}
	}
	return string(b)
}
