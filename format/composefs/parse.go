package composefs

import (
	"bufio"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/treenail/treenail/format/object"
)

const (
	maxTreePath = 64 << 10  // bytes
	maxLine     = 512 << 10 // bytes of a line: four for each of paths, content and xattrs
)

// ParseDump reads a tree from the text that composefs-dump(5) describes. The root
// comes first, and each directory before what is in it; hard links may come before
// what they lead to. What Write refuses in a file is refused here already.
func ParseDump(r io.Reader) (*Node, error) {
	p := &parser{paths: map[string]*Node{}, links: map[*Node]string{}}
	lines := bufio.NewReaderSize(r, maxLine)
	for number := 1; ; number++ {
		line, err := lines.ReadSlice('\n')
		if errors.Is(err, bufio.ErrBufferFull) {
			return nil, fmt.Errorf("line %d is longer than %d bytes", number, maxLine)
		}
		if err != nil && err != io.EOF {
			return nil, err
		}
		if len(line) == 0 {
			break
		}
		if err := p.line(strings.TrimSuffix(string(line), "\n")); err != nil {
			return nil, fmt.Errorf("line %d: %w", number, err)
		}
	}
	if len(p.paths) == 0 {
		return nil, errors.New("no root directory")
	}
	return p.paths["/"], p.resolveLinks()
}

type parser struct {
	paths map[string]*Node
	links map[*Node]string // the targets of hard links
	order []*Node          // the hard links
}

// Fields of a line.
const (
	fieldPath = iota
	fieldSize
	fieldMode
	fieldNlink
	fieldUID
	fieldGID
	fieldRdev
	fieldTime
	fieldPayload
	fieldContent
	fieldDigest
	fieldXattrs
)

func (p *parser) line(line string) error {
	if strings.Contains(line, "\x00") {
		return errors.New("NUL character")
	}
	fields := strings.SplitN(line, " ", fieldXattrs+1)
	if len(fields) < fieldXattrs {
		return fmt.Errorf("%d fields instead of %d", len(fields), fieldXattrs)
	}
	name, err := unescape(fields[fieldPath])
	if err != nil {
		return err
	}
	n, err := p.node(fields)
	if err == nil {
		err = p.enter(name, n)
	}
	if err != nil {
		return fmt.Errorf("path %.4095s: %w", name, err)
	}
	return nil
}

// enter puts a node into its directory.
func (p *parser) enter(path string, n *Node) error {
	if p.paths[path] != nil {
		return errors.New("there twice")
	}
	if len(path) > maxTreePath {
		return fmt.Errorf("longer than %d bytes", maxTreePath)
	}
	if path == "/" {
		if !n.isDir() || n.isPending(p) {
			return errors.New("no directory")
		}
		p.paths[path] = n
		return nil
	}
	slash := strings.LastIndexByte(path, '/')
	if slash < 0 {
		return errors.New("not an absolute path")
	}
	if n.Name = path[slash+1:]; checkName(n.Name) != nil {
		return checkName(n.Name)
	}
	parent := p.paths[path[:max(1, slash)]]
	if parent == nil || !parent.isDir() || parent.isPending(p) {
		return errors.New("its directory is not there")
	}
	parent.Children = append(parent.Children, n)
	p.paths[path] = n
	return nil
}

// isPending reports whether the node is a hard link, whose target is found later.
func (n *Node) isPending(p *parser) bool {
	_, ok := p.links[n]
	return ok
}

// node reads all fields but the path.
func (p *parser) node(fields []string) (*Node, error) {
	mode, isLink := strings.CutPrefix(fields[fieldMode], "@")
	n := &Node{}
	num := numbers{}
	n.Mode = uint32(num.parse(mode, 8, 16))
	if isLink {
		target, err := unescapeOptional(fields[fieldPayload])
		if err == nil && n.kind() == object.ModeDir {
			err = errors.New("hard link to a directory")
		}
		p.links[n] = target
		p.order = append(p.order, n)
		return n, errors.Join(num.err, err)
	}
	n.Size = num.parse(fields[fieldSize], 10, 64)
	n.Nlink = uint32(num.parse(fields[fieldNlink], 10, 32))
	n.UID = uint32(num.parse(fields[fieldUID], 10, 32))
	n.GID = uint32(num.parse(fields[fieldGID], 10, 32))
	n.Rdev = uint32(num.parse(fields[fieldRdev], 10, 32))
	num.time(fields[fieldTime], n)
	if num.err != nil {
		return nil, num.err
	}
	return n, n.parseTexts(fields)
}

// parseTexts reads the fields that are no numbers.
func (n *Node) parseTexts(fields []string) (err error) {
	if n.Payload, err = unescapeOptional(fields[fieldPayload]); err != nil {
		return err
	}
	content, err := unescapeOptional(fields[fieldContent])
	if err != nil {
		return err
	}
	if n.kind() == object.ModeRegular && fields[fieldContent] != "-" {
		if uint64(len(content)) != n.Size {
			return fmt.Errorf("content of %d bytes for a file of %d", len(content), n.Size)
		}
		n.Content = []byte(content)
	}
	if text := fields[fieldDigest]; text != "-" {
		n.Digest = new([32]byte)
		if len(text) != hex.EncodedLen(len(n.Digest)) {
			return fmt.Errorf("invalid digest %.80q", text)
		}
		if _, err := hex.Decode(n.Digest[:], []byte(text)); err != nil {
			return fmt.Errorf("invalid digest %q", text)
		}
	}
	if err := n.parseXattrs(fields[fieldXattrs:]); err != nil {
		return err
	}
	return n.check()
}

// parseXattrs reads the xattrs, which are one text with spaces in between, or none.
func (n *Node) parseXattrs(rest []string) error {
	if len(rest) == 0 || rest[0] == "" {
		return nil
	}
	for text := range strings.SplitSeq(strings.TrimSuffix(rest[0], " "), " ") {
		key, value, ok := strings.Cut(text, "=")
		if !ok {
			return fmt.Errorf("no = in xattr %q", text)
		}
		name, err := unescape(key)
		if err != nil {
			return err
		}
		data, err := unescape(value)
		if err != nil {
			return err
		}
		n.Xattrs = append(n.Xattrs, object.Xattr{Name: name, Value: []byte(data)})
	}
	n.Xattrs = n.Xattrs.Canonical()
	return nil
}

// resolveLinks finds what the hard links lead to, by way of others too.
func (p *parser) resolveLinks() error {
	for _, link := range p.order {
		to := link
		for range len(p.order) + 1 {
			target, isLink := p.links[to]
			if !isLink {
				break
			}
			if to = p.paths[target]; to == nil {
				return fmt.Errorf("hard link %s: no file %q", link.Name, target)
			}
		}
		if to.isPending(p) || to.kind() == object.ModeDir {
			return fmt.Errorf("hard link %s leads to no file", link.Name)
		}
		link.Link = to
	}
	return nil
}

// numbers reads numbers and keeps the first error.
type numbers struct{ err error }

func (p *numbers) parse(text string, base, bits int) uint64 {
	v, err := strconv.ParseUint(text, base, bits)
	if err != nil && p.err == nil {
		p.err = fmt.Errorf("invalid number %.40q", text)
	}
	return v
}

// time reads seconds and nanoseconds, with a dot in between.
func (p *numbers) time(text string, n *Node) {
	seconds, nanoseconds, _ := strings.Cut(text, ".")
	v, err := strconv.ParseInt(seconds, 10, 64)
	if err != nil && p.err == nil {
		p.err = fmt.Errorf("invalid time %.40q", text)
	}
	n.Seconds, n.Nanoseconds = v, uint32(p.parse(nanoseconds, 10, 32))
}

// unescapeOptional reads a field for which a dash may stand when it is empty.
func unescapeOptional(s string) (string, error) {
	if s == "-" {
		return "", nil
	}
	return unescape(s)
}

// unescape reads what escape writes.
func unescape(s string) (string, error) {
	if !strings.Contains(s, `\`) {
		return s, nil
	}
	var out strings.Builder
	for len(s) > 0 {
		before, after, found := strings.Cut(s, `\`)
		out.WriteString(before)
		if !found {
			break
		}
		c, n, err := unescapeOne(after)
		if err != nil {
			return "", err
		}
		out.WriteByte(c)
		s = after[n:]
	}
	return out.String(), nil
}

// unescapeOne reads the character that s, behind a backslash, begins with, and the
// length of what stands for it.
func unescapeOne(s string) (c byte, n int, err error) {
	if s == "" {
		return 0, 0, errors.New("nothing behind a backslash")
	}
	switch s[0] {
	case '\\':
		return '\\', 1, nil
	case 'n':
		return '\n', 1, nil
	case 'r':
		return '\r', 1, nil
	case 't':
		return '\t', 1, nil
	case 'x':
		if b, err := hex.DecodeString(s[1:min(3, len(s))]); err == nil && len(b) == 1 {
			return b[0], 3, nil
		}
	}
	return 0, 0, fmt.Errorf("unknown escape %.4q", `\`+s)
}
