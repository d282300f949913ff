package gvariant

import "strings"

// Parse reads a value in the text format of GLib, as g_variant_parse does. With t
// empty the type follows from the text, where numbers are i (or d) and strings s unless
// the text says otherwise. Positional parameters ("%i") are not supported.
//
// Errors are worded as those of GLib, with the place in bytes first:
// "0-3:unknown keyword". An invalid t is an error too.
func Parse(t Type, text string) (Value, error) {
	p := parser{newTokens(text)}
	n, err := p.value(0)
	if err != nil {
		return Value{}, err
	}
	v, err := n.typed(t)
	if err == nil && p.token() != "" {
		err = p.here().errorf("expected end of input")
	}
	if err != nil {
		return Value{}, err
	}
	return v, nil
}

// typed gives the text the type t, or the one it has by itself when t is empty.
func (n *node) typed(t Type) (Value, error) {
	if t == "" {
		return n.infer()
	}
	d, err := describe(t)
	if err != nil {
		return Value{}, err
	}
	return n.build(d)
}

// A node is a piece of text that stands for a value whose type is not known yet.
type node struct {
	span
	kind nodeKind
	text string      // the token of a number or boolean, the content of a string
	kids []*node     // of a dictionary: key, value, key, value …
	desc *descriptor // what a declaration declares
}

type nodeKind uint8

const (
	numberNode nodeKind = iota
	boolNode
	stringNode
	bytesNode
	maybeNode
	arrayNode
	tupleNode
	variantNode
	dictNode
	entryNode
	declNode // a value that is told its type
)

type parser struct{ *tokens }

// value parses a value inside of depth others.
func (p parser) value(depth int) (*node, error) {
	if depth >= maxDepth {
		return nil, p.here().errorf("variant nested too deeply")
	}
	n := &node{span: p.at}
	err := p.parse(n, depth+1)
	n.end = p.prev
	return n, err
}

func (p parser) parse(n *node, depth int) error {
	token := p.token()
	switch {
	case token == "":
		return p.here().errorf("expected value")
	case p.accept("["):
		return p.array(n, depth)
	case p.accept("("):
		return p.tuple(n, depth)
	case p.accept("{"):
		return p.dict(n, depth)
	case p.accept("<"):
		return p.variant(n, depth)
	case token[0] == '@':
		return p.declaration(n, depth)
	case isQuote(token[0]) || isByteStringToken(token):
		return p.str(n)
	case isNumberStart(token[0]) || token == "inf" || token == "nan":
		n.kind, n.text = numberNode, token
		p.next()
		return nil
	case isKeyword(token) || token[0] == 'n' || token[0] == 'j':
		return p.keyword(n, depth)
	}
	return p.here().errorf("expected value")
}

func (p parser) keyword(n *node, depth int) error {
	switch token := p.token(); token {
	case "true", "false":
		n.kind, n.text = boolNode, token
		p.next()
		return nil
	case "nothing":
		n.kind = maybeNode
		p.next()
		return nil
	case "just":
		n.kind = maybeNode
		p.next()
		return p.kid(n, depth)
	}
	return p.declaration(n, depth)
}

// kid parses a value and appends it to the children of n.
func (p parser) kid(n *node, depth int) error {
	kid, err := p.value(depth)
	n.kids = append(n.kids, kid)
	return err
}

var keywordTypes = map[string]Type{
	"boolean": "b", "byte": "y", "int16": "n", "uint16": "q", "int32": "i", "handle": "h", "uint32": "u",
	"int64": "x", "uint64": "t", "double": "d", "string": "s", "objectpath": "o", "signature": "g",
}

// declaration parses "@TYPE value" or "keyword value".
func (p parser) declaration(n *node, depth int) (err error) {
	name, isType := strings.CutPrefix(p.token(), "@")
	t, known := Type(name), true
	if !isType {
		t, known = keywordTypes[name]
	}
	if !known {
		return p.at.errorf("unknown keyword")
	}
	n.kind = declNode
	if n.desc, err = describe(t); err != nil {
		return p.at.errorf("%s", declarationFault(name))
	}
	p.next()
	return p.kid(n, depth)
}

// declarationFault tells types that GLib knows, but not as those of a value, from
// nonsense.
func declarationFault(name string) string {
	definite := strings.NewReplacer("*", "v", "?", "s", "r", "()").Replace(name)
	if _, err := describeString(definite); err != nil {
		return "invalid type declaration"
	}
	return "type declarations must be definite"
}

func (p parser) array(n *node, depth int) error {
	n.kind = arrayNode
	for !p.accept("]") {
		if len(n.kids) > 0 && !p.accept(",") {
			return p.here().errorf("expected ',' or ']' to follow array element")
		}
		if err := p.kid(n, depth); err != nil {
			return err
		}
	}
	return nil
}

// tuple parses what follows a "(". A comma is due after the first member even where it
// is the only one.
func (p parser) tuple(n *node, depth int) error {
	n.kind = tupleNode
	for !p.accept(")") {
		if len(n.kids) > 1 && !p.accept(",") {
			return p.here().errorf("expected ',' or ')' to follow tuple element")
		}
		if err := p.kid(n, depth); err != nil {
			return err
		}
		if len(n.kids) > 1 {
			continue
		}
		if err := p.require(",", " after first tuple element"); err != nil {
			return err
		}
	}
	return nil
}

func (p parser) variant(n *node, depth int) error {
	n.kind = variantNode
	if err := p.kid(n, depth); err != nil {
		return err
	}
	return p.require(">", " to follow variant value")
}

// dict parses what follows a "{": a dictionary, or a single dict entry, which has a comma
// where a dictionary has a colon.
func (p parser) dict(n *node, depth int) error {
	n.kind = dictNode
	if p.accept("}") {
		return nil
	}
	if err := p.kid(n, depth); err != nil {
		return err
	}
	switch {
	case p.accept(","):
		n.kind = entryNode
		if err := p.kid(n, depth); err != nil {
			return err
		}
		return p.require("}", " at end of dictionary entry")
	case !p.is(":"):
		return p.here().errorf("expected ':' or ',' to follow dictionary entry key")
	}
	return p.dictRest(n, depth)
}

// dictRest parses a dictionary from its first colon.
func (p parser) dictRest(n *node, depth int) error {
	for {
		if err := p.require(":", " to follow dictionary entry key"); err != nil {
			return err
		}
		if err := p.kid(n, depth); err != nil {
			return err
		}
		if p.accept("}") {
			return nil
		}
		if !p.accept(",") {
			return p.here().errorf("expected ',' or '}' to follow dictionary entry")
		}
		if err := p.kid(n, depth); err != nil {
			return err
		}
	}
}

func (p parser) str(n *node) (err error) {
	token := p.token()
	n.kind = stringNode
	if token[0] == 'b' {
		n.kind = bytesNode
		n.text, err = unescapeBytes(token, p.at)
	} else {
		n.text, err = unescapeString(token, p.at)
	}
	p.next()
	return err
}
