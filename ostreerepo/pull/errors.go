package pull

import (
	"errors"
	"fmt"

	"github.com/treenail/treenail/format/object"
	"github.com/treenail/treenail/ostreerepo"
)

// importError is an error of an object that can't be taken over. Its text is
// libostree's, which scripts look for.
type importError struct {
	text string
	err  error
}

func (e *importError) Error() string { return e.text }
func (e *importError) Unwrap() error { return e.err }

func (p *puller) importError(n object.Name, err error) error {
	var damaged *object.ChecksumError
	switch {
	case errors.Is(err, ostreerepo.ErrNotFound):
		return &importError{p.missingText(n), err}
	case errors.As(err, &damaged):
		return &importError{p.damagedText(damaged), err}
	}
	return err
}

// missingText names the place in libostree where it notices: when it verifies,
// links or opens the object.
func (p *puller) missingText(n object.Name) string {
	same := p.src.Mode() == p.dst.Mode()
	switch {
	case n.Type.IsMeta() && p.Untrusted:
		return fmt.Sprintf("fsck %s: No such metadata object %s", n, n)
	case n.Type.IsMeta() || same && !p.Untrusted:
		return fmt.Sprintf("Importing %s: linkat: No such file or directory", n)
	case same:
		return fmt.Sprintf("fsck content object %s: Couldn't find file object '%s'", n.Checksum, n.Checksum)
	}
	return fmt.Sprintf("Couldn't find file object '%s'", n.Checksum)
}

func (p *puller) damagedText(e *object.ChecksumError) string {
	where := "fsck " + e.Name.String()
	if e.Name.Type == object.TypeFile {
		where = "fsck content object " + e.Name.Checksum.String()
		if p.src.Mode() != p.dst.Mode() {
			where = "Writing content object"
		}
	}
	return fmt.Sprintf("%s: Corrupted %s object; checksum expected='%s' actual='%s'", where, e.Name.Type, e.Name.Checksum, e.Actual)
}
