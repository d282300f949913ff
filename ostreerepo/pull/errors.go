package pull

import (
	"errors"
	"fmt"

	"github.com/treenail/treenail/format/object"
	"github.com/treenail/treenail/ostreerepo"
)

// wordedError is an error in libostree's words, which scripts look for.
type wordedError struct {
	text string
	err  error
}

func (e *wordedError) Error() string { return e.text }
func (e *wordedError) Unwrap() error { return e.err }

// worded says what is wrong with an object that can't be taken over.
func (p *puller) worded(n object.Name, err error) error {
	var damaged *object.ChecksumError
	switch {
	case errors.Is(err, ostreerepo.ErrNotFound):
		return &wordedError{p.missingText(n), err}
	case errors.As(err, &damaged):
		return &wordedError{p.damagedText(damaged), err}
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
	}
	text := fmt.Sprintf("Couldn't find file object '%s'", n.Checksum)
	if p.src.Mode().Bare() {
		text = fmt.Sprintf("Opening content object %s: %s", n.Checksum, text)
	}
	if same {
		text = fmt.Sprintf("fsck content object %s: %s", n.Checksum, text)
	}
	return text
}

func (p *puller) damagedText(e *object.ChecksumError) string {
	from, to := p.src.Mode(), p.dst.Mode()
	links := from == to || from == ostreerepo.ModeBareUser && to == ostreerepo.ModeBareUserOnly
	where := "fsck " + e.Name.String()
	switch {
	case e.Name.Type == object.TypeFile && links:
		where = "fsck content object " + e.Name.Checksum.String()
	case e.Name.Type == object.TypeFile:
		where = "Writing content object"
	}
	return fmt.Sprintf("%s: Corrupted %s object; checksum expected='%s' actual='%s'", where, e.Name.Type, e.Name.Checksum, e.Actual)
}
