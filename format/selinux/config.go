package selinux

import "strings"

// config is what the file of that name says.
type config struct {
	enabled bool
	policy  string // the name of its directory
}

// parseConfig reads lines KEY=VALUE as libostree does: what a line begins with
// counts, a later line wins for the policy, and one enforcing or permissive, which
// more text may follow, is enough to enable it.
func parseConfig(data []byte) config {
	var c config
	for line := range strings.SplitSeq(string(data), "\n") {
		if value, ok := strings.CutPrefix(line, "SELINUXTYPE="); ok {
			c.policy = strings.TrimSpace(value)
		} else if value, ok := strings.CutPrefix(line, "SELINUX="); ok {
			value = strings.ToLower(value)
			if strings.HasPrefix(value, "enforcing") || strings.HasPrefix(value, "permissive") {
				c.enabled = true
			}
		}
	}
	return c
}

// substitutions are pairs of paths; what is below the first is labelled as if it
// were below the second.
type substitutions []struct{ from, to string }

// parseSubstitutions reads the two words of each line that has two and is no
// comment.
func parseSubstitutions(data []byte) substitutions {
	var s substitutions
	for line := range strings.SplitSeq(string(data), "\n") {
		words := strings.FieldsFunc(line, isSpace)
		if len(words) < 2 || words[0][0] == '#' {
			continue
		}
		s = append(s, struct{ from, to string }{words[0], words[1]})
	}
	return s
}

// apply makes the substitution of the last pair that fits, if there is one.
func (s substitutions) apply(path string) string {
	for i := len(s) - 1; i >= 0; i-- {
		rest, ok := strings.CutPrefix(path, s[i].from)
		if !ok || rest != "" && rest[0] != '/' {
			continue
		}
		if s[i].to == "/" && rest != "" {
			return rest
		}
		return s[i].to + rest
	}
	return path
}

// isSpace is C's isspace.
func isSpace(r rune) bool { return r == ' ' || '\t' <= r && r <= '\r' }
