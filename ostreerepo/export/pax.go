package export

import (
	"encoding/base64"
	"net/url"
	"path"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/treenail/treenail/format/object"
)

// extendPAX writes an extended header with what the header of m has no room for:
// names that are long or not ASCII, large numbers and xattrs.
func (a *archive) extendPAX(m *member) error {
	var records []byte
	add := func(key, value string) { records = appendRecord(records, key, value) }
	if !utf8.ValidString(m.name) || !utf8.ValidString(m.linkname) {
		add("hdrcharset", "BINARY")
	}
	if needsRecord(m.name) {
		add("path", m.name)
	}
	if needsRecord(m.linkname) {
		add("linkpath", m.linkname)
	}
	for _, n := range []struct {
		key        string
		value, max uint64
	}{
		{"uid", uint64(m.header.UID), maxID},
		{"gid", uint64(m.header.GID), maxID},
		{"size", uint64(m.size), maxSize},
		{"mtime", a.mtime, maxSize},
	} {
		if n.value > n.max {
			add(n.key, strconv.FormatUint(n.value, 10))
		}
	}
	// libarchive, and with it libostree, has them the other way round.
	for _, x := range slices.Backward(m.header.Xattrs) {
		add(xattrRecord(x))
	}
	if len(records) == 0 {
		return nil
	}
	return a.extendedHeader(m, records)
}

func (a *archive) extendedHeader(m *member, records []byte) error {
	b := a.newBlock(typePAX, int64(len(records)))
	b.setName("PaxHeaders.0/" + path.Base(m.name))
	b.setMode(0o644)
	b.setTime(a.mtime)
	if err := a.block(b); err != nil {
		return err
	}
	if _, err := a.w.Write(records); err != nil {
		return err
	}
	return a.pad(int64(len(records)))
}

func needsRecord(name string) bool {
	return len(name) > nameSize || strings.ContainsFunc(name, func(c rune) bool { return c >= utf8.RuneSelf })
}

// xattrRecord is an xattr as star and GNU tar write it. A name with "=" would end
// the record's key early and an empty value would delete it; those are written
// in libarchive's way, the name URL-encoded, the value in base64. The "=" after
// the value keeps the record from being empty.
func xattrRecord(x object.Xattr) (key, value string) {
	if len(x.Value) > 0 && !strings.Contains(x.Name, "=") {
		return "SCHILY.xattr." + x.Name, string(x.Value)
	}
	name := strings.ReplaceAll(url.PathEscape(x.Name), "=", "%3D")
	return "LIBARCHIVE.xattr." + name, base64.RawStdEncoding.EncodeToString(x.Value) + "="
}

// appendRecord adds "LENGTH KEY=VALUE\n", whose length counts its own digits.
func appendRecord(records []byte, key, value string) []byte {
	rest := len(key) + len(value) + len(" =\n")
	length := rest + 1
	for length != rest+len(strconv.Itoa(length)) {
		length = rest + len(strconv.Itoa(length))
	}
	records = strconv.AppendInt(records, int64(length), 10)
	return append(records, " "+key+"="+value+"\n"...)
}
