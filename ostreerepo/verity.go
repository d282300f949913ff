package ostreerepo

import (
	"errors"
	"fmt"
	"os"
	"sync/atomic"

	"github.com/treenail/treenail/internal/linuxfs"
)

// verity enables fs-verity for the files of new objects, as ex-integrity.fsverity
// says: every file that a transaction writes, but as in libostree not those that it
// takes over by hard link.
type verity struct {
	want        tristate
	unsupported atomic.Bool
}

// seal is given a file that is complete and returns the one to go on with: one of
// the two is closed. The kernel wants no writer when it enables fs-verity.
func (v *verity) seal(f *os.File) (*os.File, error) {
	if v.want == no || v.unsupported.Load() {
		return f, nil
	}
	sealed, err := linuxfs.ReopenReadOnly(f)
	if err != nil {
		return f, fmt.Errorf("fsverity: %w", err)
	}
	f.Close()
	err = linuxfs.EnableVerity(sealed)
	switch {
	case err == nil:
	case !errors.Is(err, errors.ErrUnsupported):
		err = fmt.Errorf("fsverity: %w", err)
	case v.want == yes:
		err = errors.New("fsverity required but filesystem does not support it")
	default:
		v.unsupported.Store(true)
		err = nil
	}
	return sealed, err
}
