package composefs

import (
	"bufio"
	"bytes"
	"cmp"
	"encoding/hex"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/treenail/treenail/format/object"
)

// WriteDump writes a tree as text that ParseDump reads: each directory before what
// is in it, names sorted. It is what composefs-info dump prints of an image, but
// for the sizes of directories, which there are those in the image.
func WriteDump(w io.Writer, root *Node) error {
	d := &dumper{w: bufio.NewWriterSize(w, 64<<10), paths: map[*Node]string{}}
	d.findLinks(root)
	if len(d.paths) > 0 {
		d.findPaths(root, "")
	}
	d.node(root, "")
	if d.err != nil {
		return d.err
	}
	return d.w.Flush()
}

type dumper struct {
	w     *bufio.Writer
	line  bytes.Buffer
	paths map[*Node]string // of what hard links lead to
	err   error
}

// findLinks notes what hard links lead to.
func (d *dumper) findLinks(n *Node) {
	if n.Link != nil {
		d.paths[n.Link] = ""
	}
	for _, child := range n.Children {
		d.findLinks(child)
	}
}

func (d *dumper) findPaths(n *Node, at string) {
	if _, ok := d.paths[n]; ok {
		d.paths[n] = at
	}
	for _, child := range n.Children {
		d.findPaths(child, at+"/"+child.Name)
	}
}

func (d *dumper) node(n *Node, at string) {
	file, mark, payload := n, "", n.Payload
	if n.Link != nil {
		file, mark, payload = n.Link, "@", d.paths[n.Link]
		if payload == "" && d.err == nil {
			d.err = fmt.Errorf("path %s: hard link to what is not in the tree", at)
		}
	}
	size := file.Size
	if file.kind() == object.ModeSymlink {
		size = uint64(len(file.Payload))
	}
	d.line.Reset()
	fmt.Fprintf(&d.line, "%s %d %s%o %d %d %d %d %d.%d %s %s %s", escape(cmp.Or(at, "/")), size, mark, file.Mode, max(1, file.Nlink),
		file.UID, file.GID, file.Rdev, file.Seconds, file.Nanoseconds, optional(payload), optional(string(file.Content)), file.digest())
	for _, x := range file.Xattrs {
		fmt.Fprintf(&d.line, " %s=%s", escapeXattr(x.Name), escapeXattr(string(x.Value)))
	}
	d.line.WriteByte('\n')
	_, _ = d.line.WriteTo(d.w) // the error stays for Flush
	children := slices.SortedFunc(slices.Values(n.Children), func(a, b *Node) int { return strings.Compare(a.Name, b.Name) })
	for _, child := range children {
		d.node(child, at+"/"+child.Name)
	}
}

func (n *Node) digest() string {
	if n.Digest == nil {
		return "-"
	}
	return hex.EncodeToString(n.Digest[:])
}

// optional is a field that a dash stands for when it is empty.
func optional(s string) string {
	switch s {
	case "":
		return "-"
	case "-":
		return `\x2d`
	}
	return escape(s)
}

// escape writes what is no visible character of ASCII as \xHH, or by a letter.
func escape(s string) string {
	var out strings.Builder
	for i := range len(s) {
		switch c := s[i]; {
		case c == '\\':
			out.WriteString(`\\`)
		case c == '\n':
			out.WriteString(`\n`)
		case c == '\r':
			out.WriteString(`\r`)
		case c == '\t':
			out.WriteString(`\t`)
		case c <= ' ' || c > '~':
			fmt.Fprintf(&out, `\x%02x`, c)
		default:
			out.WriteByte(c)
		}
	}
	return out.String()
}

func escapeXattr(s string) string { return strings.ReplaceAll(escape(s), "=", `\x3d`) }
