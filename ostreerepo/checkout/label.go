package checkout

import (
	"strings"

	"github.com/treenail/treenail/format/object"
)

// setBase settles what the paths begin with that Label sees, given the path in the
// commit of the directory that is checked out.
func (c *run) setBase(path string) {
	if c.LabelRoot != "" {
		path = "/" + strings.TrimPrefix(c.LabelRoot, "/")
	}
	c.base = strings.TrimSuffix(path, "/")
}

// labelled returns the xattrs that what is called name in d gets, or d itself when
// name is empty.
func (c *run) labelled(d *dir, name string, mode uint32, xattrs object.Xattrs) object.Xattrs {
	if c.Label == nil {
		return xattrs
	}
	path := c.base + pathOr(d.path, "/") + name
	if name == "" {
		path = pathOr(strings.TrimSuffix(path, "/"), "/")
	}
	if context, ok := c.Label(path, mode); ok {
		return xattrs.WithLabel(context)
	}
	return xattrs
}

func pathOr(path, empty string) string {
	if path == "" {
		return empty
	}
	return path
}
