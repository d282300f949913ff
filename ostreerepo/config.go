package ostreerepo

import (
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/treenail/treenail/format/keyfile"
	"github.com/treenail/treenail/internal/durable"
	"github.com/treenail/treenail/internal/linuxfs"
	"golang.org/x/sys/unix"
)

// settings are the values of the config file that this package acts on.
type settings struct {
	mode              Mode
	parentPath        string
	collectionID      string
	fsync             bool
	perObjectFsync    bool
	disableXattrs     bool
	locking           bool
	lockTimeout       time.Duration // negative: wait for ever
	tmpExpiry         time.Duration
	minFreePercent    int64
	minFreeBytes      int64
	zlibLevel         int
	tombstones        bool
	autoSummary       bool
	noDeltasInSummary bool
	uncompressedCache bool
	addToRemotesDir   bool
	fsverity          tristate
	payloadThreshold  int64 // bytes; payload links are made for files of at least this size
}

// noPayloadLinks is the threshold that no file reaches.
const noPayloadLinks = math.MaxInt64

// maxConfigSize bounds the config file, in bytes.
const maxConfigSize = 8 << 20

func (r *Repo) readConfig() (*keyfile.File, error) {
	f, err := linuxfs.Open(r.fd(), "config", unix.O_RDONLY, 0)
	if err != nil {
		return nil, fmt.Errorf("config: %w", err)
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxConfigSize))
	if err != nil {
		return nil, fmt.Errorf("config: %w", err)
	}
	config, err := keyfile.Parse(data)
	if err != nil {
		return nil, fmt.Errorf("config: %w", err)
	}
	return config, nil
}

func (r *Repo) loadConfig() error {
	config, err := r.readConfig()
	if err != nil {
		return err
	}
	s, err := parseSettings(config)
	if err != nil {
		return err
	}
	r.config, r.settings = config, s
	return r.loadRemotes()
}

func parseSettings(c *keyfile.File) (settings, error) {
	p := &settingsParser{c: c}
	s := settings{
		parentPath:        p.text("core", "parent"),
		collectionID:      p.text("core", "collection-id"),
		fsync:             p.flag("core", "fsync", true),
		perObjectFsync:    p.flag("core", "per-object-fsync", false),
		disableXattrs:     p.flag("core", "disable-xattrs", false),
		locking:           p.flag("core", "locking", true),
		lockTimeout:       time.Duration(p.number("core", "lock-timeout-secs", 300, -1, 1<<31)) * time.Second,
		tmpExpiry:         time.Duration(p.number("core", "tmp-expiry-secs", 86400, 0, 1<<33)) * time.Second,
		zlibLevel:         p.zlibLevel(),
		tombstones:        p.flag("core", "tombstone-commits", false),
		autoSummary:       p.flag("core", "auto-update-summary", false) || p.flag("core", "commit-update-summary", false),
		noDeltasInSummary: p.flag("core", "no-deltas-in-summary", false),
		uncompressedCache: p.flag("core", "enable-uncompressed-cache", true),
		payloadThreshold:  p.number("core", "payload-link-threshold", noPayloadLinks, 0, math.MaxInt64),
		addToRemotesDir:   p.flag("core", "add-remotes-config-dir", true),
		fsverity:          p.fsverity(),
	}
	p.finders()
	p.version()
	p.mode(&s)
	p.minFree(&s)
	return s, p.err
}

// settingsParser keeps the first error.
type settingsParser struct {
	c   *keyfile.File
	err error
}

func (p *settingsParser) fail(err error) {
	if p.err == nil && err != nil {
		p.err = err
	}
}

func (p *settingsParser) text(group, key string) string {
	s, _, err := p.c.String(group, key)
	p.fail(err)
	return s
}

func (p *settingsParser) flag(group, key string, def bool) bool {
	b, err := p.c.Bool(group, key, def)
	p.fail(err)
	return b
}

func (p *settingsParser) number(group, key string, def, lowest, highest int64) int64 {
	s := strings.TrimSpace(p.text(group, key))
	if s == "" {
		return def
	}
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil || n < lowest || n > highest {
		p.fail(fmt.Errorf("config: %s.%s: invalid value '%s'", group, key, s))
	}
	return n
}

// tristate is a wish that may be one only where it can be fulfilled.
type tristate uint8

const (
	no tristate = iota
	maybe
	yes
)

func (p *settingsParser) tristate(group, key string, def tristate) tristate {
	switch text := p.text(group, key); text {
	case "":
		return def
	case "maybe":
		return maybe
	case "yes", "true", "1":
		return yes
	case "no", "false", "0":
		return no
	default:
		p.fail(fmt.Errorf("Invalid value '%s' for key '%s' in group '%s'", text, key, group)) //nolint:staticcheck // libostree's text
		return def
	}
}

// fsverity reads whether objects get fs-verity. Who uses composefs wants it where
// it can be had, and an older group ex-fsverity counts when the newer says no.
func (p *settingsParser) fsverity() tristate {
	def := min(p.tristate("ex-integrity", "composefs", no), maybe)
	want := p.tristate("ex-integrity", "fsverity", def)
	switch {
	case want != no:
	case p.flag("ex-fsverity", "required", false):
		want = yes
	case p.flag("ex-fsverity", "opportunistic", false):
		want = maybe
	}
	return want
}

// zlibLevel takes what is out of range for the nearest level, as libostree does.
func (p *settingsParser) zlibLevel() int {
	return int(min(max(p.number("archive", "zlib-level", 6, math.MinInt64, math.MaxInt64), 1), 9))
}

// finders checks the ways in which find-remotes may look for repositories.
func (p *settingsParser) finders() {
	names, err := p.c.List("core", "default-repo-finders")
	p.fail(err)
	if len(names) == 0 && p.c.Has("core", "default-repo-finders") {
		p.fail(errors.New("Invalid empty default-repo-finders configuration")) //nolint:staticcheck // libostree's text
	}
	for _, name := range names {
		if name != "config" && name != "lan" && name != "mount" {
			p.fail(fmt.Errorf("Invalid configured repo-finder '%s'", name)) //nolint:staticcheck // libostree's text
		}
	}
}

func (p *settingsParser) version() {
	if v := p.text("core", "repo_version"); v != "1" {
		p.fail(fmt.Errorf("Invalid repository version '%s'", v)) //nolint:staticcheck // libostree's text
	}
}

func (p *settingsParser) mode(s *settings) {
	text, ok, err := p.c.String("core", "mode")
	p.fail(err)
	if !ok {
		return // libostree's default is bare
	}
	s.mode, err = ParseMode(text)
	p.fail(err)
}

var sizePattern = regexp.MustCompile(`^([0-9]+)(M|G|T)B$`)

// minFree reads how much space a transaction leaves free: a size, else a percentage.
func (p *settingsParser) minFree(s *settings) {
	if text := p.text("core", "min-free-space-size"); text != "" {
		m := sizePattern.FindStringSubmatch(text)
		if m == nil {
			p.fail(fmt.Errorf("Invalid min-free-space-size '%s': It should be of the format '123MB', '123GB' or '123TB'", text)) //nolint:staticcheck // libostree's text
			return
		}
		shift := map[string]uint{"M": 20, "G": 30, "T": 40}[m[2]]
		n, err := strconv.ParseInt(m[1], 10, 64)
		if err != nil || n > math.MaxInt64>>shift {
			p.fail(fmt.Errorf("Invalid min-free-space-size '%s': Value was too high", text)) //nolint:staticcheck // libostree's text
			return
		}
		s.minFreeBytes = n << shift
	}
	s.minFreePercent = 3
	if text := p.text("core", "min-free-space-percent"); text != "" {
		n, err := strconv.ParseUint(text, 10, 8)
		if err != nil || n > 99 {
			p.fail(fmt.Errorf("Invalid min-free-space-percent '%s'", text)) //nolint:staticcheck // libostree's text
		}
		s.minFreePercent = int64(n)
	}
	if s.minFreeBytes > 0 {
		s.minFreePercent = 0
	}
}

// Config returns a copy of the config file as it was read.
func (r *Repo) Config() *keyfile.File { return r.config.Clone() }

// WriteConfig validates c and makes it the repository's config.
func (r *Repo) WriteConfig(c *keyfile.File) error {
	s, err := parseSettings(c)
	if err == nil {
		err = r.checkDefined(c)
	}
	if err != nil {
		return err
	}
	mode := os.FileMode(0o644)
	if info, err := os.Stat(r.path + "/config"); err == nil {
		mode = info.Mode().Perm()
	}
	if err := durable.WriteFile(r.path+"/config", c.Bytes(), mode); err != nil {
		return fmt.Errorf("repo %s: %w", r.path, err)
	}
	r.config, r.settings = c.Clone(), s
	return r.loadRemotes()
}

// editConfig changes the config file as it is now, which another process may have
// written since this one read it.
func (r *Repo) editConfig(edit func(*keyfile.File) error) error {
	config, err := r.readConfig()
	if err != nil {
		return fmt.Errorf("repo %s: %w", r.path, err)
	}
	if err := edit(config); err != nil {
		return err
	}
	return r.WriteConfig(config)
}

// CollectionID is core.collection-id, "" when it is not set.
func (r *Repo) CollectionID() string { return r.collectionID }

// DisableXattrs reports whether the repository takes in no xattrs (core.disable-xattrs).
func (r *Repo) DisableXattrs() bool { return r.disableXattrs || r.mode == ModeBareUserOnly }

// UncompressedCache reports whether user-mode checkouts of an archive repository
// may keep inflated objects to link to (core.enable-uncompressed-cache).
func (r *Repo) UncompressedCache() bool { return r.mode == ModeArchive && r.uncompressedCache }
