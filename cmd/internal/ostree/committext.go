package ostree

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/treenail/treenail/format/gvariant"
	"github.com/treenail/treenail/format/object"
)

// commitVariant is the type of a commit object (libostree repo format).
const commitVariant = "(a{sv}aya(say)sstayay)"

// dump says how an object is written out.
type dump struct {
	raw       bool // as GVariant text
	unswapped bool // integers as they are stored, most significant byte first
}

// variant reports whether the object is written as GVariant text.
func (d dump) variant() bool { return d.raw || d.unswapped }

// text is the GVariant text of v. Objects store integers most significant
// byte first, so they are swapped to be readable.
func (d dump) text(v gvariant.Value) string {
	if !d.unswapped {
		v = v.Byteswap()
	}
	return v.Print(true)
}

// writeCommit writes a commit in the form of ostree's log and show.
func writeCommit(w io.Writer, c object.Checksum, commit *object.Commit, d dump) error {
	fmt.Fprintf(w, "commit %s\n", c)
	if d.variant() {
		fmt.Fprintf(w, "%s\n", d.text(gvariant.FromBytes(commitVariant, commit.Encode())))
	}
	if d.raw && !d.unswapped {
		return nil // libostree writes the readable form too with --no-byteswap
	}
	return writeCommitText(w, commit)
}

func writeCommitText(w io.Writer, commit *object.Commit) error {
	date, err := dateText(commit.Timestamp)
	if err != nil {
		return err
	}
	if !commit.Parent.IsZero() {
		fmt.Fprintf(w, "Parent:  %s\n", commit.Parent)
	}
	fmt.Fprintf(w, "ContentChecksum:  %s\nDate:  %s\n", commit.ContentChecksum(), date)
	if version := metadataString(commit, "version"); version != "" {
		fmt.Fprintf(w, "Version: %s\n", version)
	}
	if commit.Subject == "" {
		fmt.Fprintln(w, "(no subject)")
	} else {
		writeIndented(w, commit.Subject)
	}
	if commit.Body != "" {
		writeIndented(w, commit.Body)
	}
	_, err = fmt.Fprintln(w)
	return err
}

// writeIndented writes a blank line, then the lines of text four columns in.
// One newline at the end of text is not a line of its own.
func writeIndented(w io.Writer, text string) {
	fmt.Fprintln(w)
	for line := range strings.SplitSeq(strings.TrimSuffix(text, "\n"), "\n") {
		fmt.Fprintf(w, "    %s\n", line)
	}
}

// dateText writes a commit's timestamp in UTC. Years beyond 9999 are refused,
// as by libostree.
func dateText(timestamp uint64) (string, error) {
	t := time.Unix(int64(timestamp), 0).UTC()
	if t.Year() < 1 || t.Year() > 9999 {
		return "", fmt.Errorf("Failed to read commit: Invalid timestamp: %d", timestamp)
	}
	return t.Format("2006-01-02 15:04:05 -0700"), nil
}

// metadataString is a string in a commit's metadata, "" when it is absent or
// of another type.
func metadataString(commit *object.Commit, key string) string {
	v, ok := commit.Metadata.Lookup(key)
	if !ok || v.Type() != "s" {
		return ""
	}
	return v.Str()
}

// jsonCommit is a commit in JSON output. Metadata values are GVariant text,
// as show --print-metadata-key prints them.
type jsonCommit struct {
	Commit          object.Checksum   `json:"commit"`
	Parent          *object.Checksum  `json:"parent,omitempty"`
	ContentChecksum object.Checksum   `json:"contentChecksum"`
	Timestamp       uint64            `json:"timestamp"` // seconds since 1970
	Date            string            `json:"date,omitempty"`
	Version         string            `json:"version,omitempty"`
	Subject         string            `json:"subject"`
	Body            string            `json:"body"`
	Tree            object.Checksum   `json:"tree"`
	Meta            object.Checksum   `json:"meta"`
	Metadata        map[string]string `json:"metadata"`
}

func commitJSON(c object.Checksum, commit *object.Commit, d dump) jsonCommit {
	j := jsonCommit{
		Commit: c, ContentChecksum: commit.ContentChecksum(), Timestamp: commit.Timestamp,
		Version: metadataString(commit, "version"), Subject: commit.Subject, Body: commit.Body,
		Tree: commit.Tree, Meta: commit.Meta, Metadata: metadataJSON(commit.Metadata, d),
	}
	if t := time.Unix(int64(commit.Timestamp), 0).UTC(); t.Year() >= 1 && t.Year() <= 9999 {
		j.Date = t.Format(time.RFC3339)
	}
	if !commit.Parent.IsZero() {
		j.Parent = &commit.Parent
	}
	return j
}

// metadataJSON writes each value of an a{sv} as GVariant text.
func metadataJSON(dict gvariant.Value, d dump) map[string]string {
	m := map[string]string{}
	for i := range dict.Len() {
		entry := dict.At(i)
		m[entry.At(0).Str()] = d.text(entry.At(1).Variant())
	}
	return m
}
