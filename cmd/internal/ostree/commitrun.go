package ostree

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/treenail/treenail/cmd/internal/cli"
	"github.com/treenail/treenail/format/gvariant"
	"github.com/treenail/treenail/format/object"
	"github.com/treenail/treenail/format/sign"
	"github.com/treenail/treenail/ostreerepo"
	"github.com/treenail/treenail/ostreerepo/signing"
)

// committer is one commit being made.
type committer struct {
	*commitOptions
	env  *cli.Env
	repo *ostreerepo.Repo

	parentCommit *object.Commit // nil: none
	detached     gvariant.Value
	signers      []*sign.Signer
	sources      sources

	commit   object.Commit
	checksum object.Checksum // of the commit, or of the parent when the tree is unchanged
	stats    ostreerepo.Stats
}

// prepare reads everything that can be wrong before anything is written.
func (c *committer) prepare(ctx context.Context) error {
	for _, step := range []func() error{c.findParent, c.describe, c.setTime, c.addMetadata, c.addDetached, c.findSigners} {
		if err := step(); err != nil {
			return err
		}
	}
	return c.prepareSources(ctx)
}

func (c *committer) findSigners() (err error) {
	c.signers, err = c.sign.signers()
	return err
}

func (c *committer) findParent() (err error) {
	switch {
	case c.parent == "none":
		return nil
	case c.parent != "":
		if c.commit.Parent, err = object.ParseChecksum(c.parent); err != nil {
			return fmt.Errorf("Invalid rev %s", c.parent)
		}
	case c.orphan:
		return nil
	default:
		c.commit.Parent, err = c.branchHead()
	}
	if err != nil || c.commit.Parent.IsZero() {
		return err
	}
	c.parentCommit, err = c.repo.Commit(c.commit.Parent)
	if errors.Is(err, ostreerepo.ErrNotFound) {
		return nil // a parent need not be here
	}
	return err
}

// branchHead is the commit that the branch names now, zero for none. The
// branch is looked up by its whole name: as a rev it could be taken for the
// beginning of a checksum.
func (c *committer) branchHead() (head object.Checksum, err error) {
	if _, _, err := ostreerepo.ParseRefspec(c.branch); err != nil {
		return head, err
	}
	refs, err := c.repo.Refs()
	for _, ref := range refs {
		if ref.Name == c.branch {
			head = ref.Commit
		}
	}
	return head, err
}

// describe sets subject and body.
func (c *committer) describe() error {
	c.commit.Subject, c.commit.Body = c.subject, c.body
	if c.editor {
		return c.edit()
	}
	if c.bodyFile != "" {
		f, err := openFile(c.bodyFile)
		if err != nil {
			return err
		}
		defer f.Close()
		data, err := io.ReadAll(f)
		if err != nil {
			return err
		}
		c.commit.Body = string(data)
	}
	return checkText(c.commit.Subject, c.commit.Body)
}

// checkText refuses what a GVariant string can't hold.
func checkText(texts ...string) error {
	for _, text := range texts {
		if !utf8.ValidString(text) || strings.Contains(text, "\x00") {
			return errors.New("Invalid UTF-8")
		}
	}
	return nil
}

// setTime takes the commit's time from the option, else from
// SOURCE_DATE_EPOCH, else from the clock.
func (c *committer) setTime() error {
	epoch, given := os.LookupEnv("SOURCE_DATE_EPOCH")
	switch {
	case c.timed:
		t, err := parseDate(c.timestamp, time.Now())
		if err != nil {
			return err
		}
		c.commit.Timestamp = uint64(t.Unix())
	case given:
		seconds, err := strconv.ParseUint(epoch, 10, 64)
		if errors.Is(err, strconv.ErrRange) || err == nil && seconds > 1<<63-1 {
			return errors.New("Parsing SOURCE_DATE_EPOCH: Numerical result out of range")
		}
		if err != nil {
			return errors.New("Failed to convert SOURCE_DATE_EPOCH")
		}
		c.commit.Timestamp = seconds
	default:
		c.commit.Timestamp = uint64(time.Now().Unix())
	}
	return nil
}

// run writes tree, commit and ref, and prints the result.
func (c *committer) run(ctx context.Context) error {
	o := ostreerepo.UpdateOptions{DisableFsync: !c.fsync || c.disableFsync}
	err := c.repo.Update(ctx, o, func(tx *ostreerepo.Tx) error {
		if err := c.writeTree(ctx, tx); err != nil {
			return err
		}
		if err := c.writeCommit(ctx, tx); err != nil {
			return err
		}
		c.stats = tx.Stats()
		return nil
	})
	if err != nil {
		return err
	}
	c.print()
	return nil
}

func (c *committer) writeCommit(ctx context.Context, tx *ostreerepo.Tx) (err error) {
	if c.skipUnchanged && c.isUnchanged() {
		c.checksum = c.commit.Parent
		return nil
	}
	if err := c.addTreeMetadata(ctx, tx.View()); err != nil {
		return err
	}
	if c.checksum, err = tx.PutCommit(&c.commit); err != nil {
		return err
	}
	if err := c.writeDetached(ctx, tx); err != nil {
		return err
	}
	if c.branch == "" {
		return nil
	}
	return tx.SetRef(c.branch, c.checksum)
}

// writeDetached writes the detached metadata, with the signatures.
func (c *committer) writeDetached(ctx context.Context, tx *ostreerepo.Tx) error {
	data := c.commit.Encode()
	metadata, err := signing.Append(c.detached, data, c.signers)
	if err == nil {
		metadata, err = c.gpg.AppendToCommit(ctx, metadata, data)
	}
	if err != nil || metadata.Type() == "" || metadata.Len() == 0 {
		return err
	}
	return tx.PutDetached(c.checksum, metadata)
}

// isUnchanged reports whether the tree is the parent's.
func (c *committer) isUnchanged() bool {
	p := c.parentCommit
	return p != nil && c.commit.Tree == p.Tree && c.commit.Meta == p.Meta
}

func (c *committer) print() {
	if !c.table {
		c.env.Println(c.checksum)
		return
	}
	s := c.stats
	c.env.Printf("Commit: %s\nMetadata Total: %d\nMetadata Written: %d\n", c.checksum, s.MetadataTotal, s.MetadataWritten)
	c.env.Printf("Content Total: %d\nContent Written: %d\n", s.ContentTotal, s.ContentWritten)
	c.env.Printf("Content Cache Hits: %d\nContent Bytes Written: %d\n", s.CacheHits, s.ContentBytes)
}
