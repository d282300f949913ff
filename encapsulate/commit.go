package encapsulate

import (
	"fmt"
	"time"

	"github.com/treenail/treenail/format/gvariant"
	"github.com/treenail/treenail/format/object"
	"github.com/treenail/treenail/format/ostreetar"
	"github.com/treenail/treenail/ostreerepo"
)

// commit is the commit that is encapsulated.
type commit struct {
	*object.Commit
	sum        object.Checksum
	data       []byte
	detached   []byte // a{sv}
	isDetached bool
}

func readCommit(r *ostreerepo.Repo, sum object.Checksum) (*commit, error) {
	data, err := r.Metadata(object.Name{Checksum: sum, Type: object.TypeCommit})
	if err != nil {
		return nil, err
	}
	c := &commit{sum: sum, data: data}
	if c.Commit, err = object.DecodeCommit(data); err != nil {
		return nil, err
	}
	detached, ok, err := r.DetachedMetadata(sum)
	c.detached, c.isDetached = detached.Bytes(), ok
	return c, err
}

// lookup returns a value of the commit's metadata, which must have the type.
func (c *commit) lookup(key string, typ gvariant.Type) (gvariant.Value, bool, error) {
	v, ok := c.Metadata.Lookup(key)
	if ok && v.Type() != typ {
		return v, false, fmt.Errorf("commit metadata %s: type %s, want %s", key, v.Type(), typ)
	}
	return v, ok, nil
}

// text is lookup for a string.
func (c *commit) text(key string) (string, bool, error) {
	v, ok, err := c.lookup(key, "s")
	if !ok {
		return "", false, err
	}
	return v.Str(), true, nil
}

// cmd is the command line of the container that the commit asks for.
func (c *commit) cmd() ([]string, error) {
	v, ok, err := c.lookup(ostreetar.MetadataContainerCmd, "as")
	if !ok {
		return nil, err
	}
	cmd := make([]string, v.Len())
	for i := range cmd {
		cmd[i] = v.At(i).Str()
	}
	return cmd, nil
}

const maxTimestamp = 253402300799 // 9999-12-31T23:59:59Z, the end of RFC 3339

// created is the commit's time as an image has it.
func (c *commit) created() (string, error) {
	if c.Timestamp > maxTimestamp {
		return "", fmt.Errorf("commit %s: timestamp %d is after the year 9999", c.sum, c.Timestamp)
	}
	return formatTime(time.Unix(int64(c.Timestamp), 0)), nil
}

func formatTime(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05Z") }

// description is the history of the first layer.
func (c *commit) description() string {
	if c.Subject != "" {
		return c.Subject
	}
	return "ostree export of commit " + c.sum.String()
}
