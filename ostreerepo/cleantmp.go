package ostreerepo

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"time"
)

// cleanTmp removes what other processes left in tmp: what dead transactions of
// ours staged, what those of libostree did before the system started, and
// anything else that is older than core.tmp-expiry-secs. What can't be removed
// stays for the next time.
func (r *Repo) cleanTmp() {
	tmp, err := openDir(r.fd(), "tmp")
	if err != nil {
		return
	}
	defer tmp.Close()
	boot, err := bootID()
	if err != nil {
		return
	}
	entries, _ := tmp.ReadDir(-1)
	for _, e := range entries {
		name := e.Name()
		switch {
		case name == "cache", isStaging(name) && strings.HasSuffix(name, lockSuffix):
		case strings.HasPrefix(name, "staging-"+boot+"-"): // libostree goes on with it
		case e.IsDir() && isStaging(name):
			r.cleanStaging(tmp, name)
		default:
			if info, err := e.Info(); err == nil && time.Since(info.ModTime()) > r.tmpExpiry {
				os.RemoveAll(r.path + "/tmp/" + name)
			}
		}
	}
}

func isStaging(name string) bool {
	return strings.HasPrefix(name, stagingPrefix) || strings.HasPrefix(name, "staging-")
}

func (r *Repo) cleanStaging(tmp *os.File, name string) {
	if lock := tryLockFile(tmp, name+lockSuffix); lock != nil {
		removeStaging(r, tmp, name)
		lock.Close()
	}
}

// bootID names this boot of the system: staging directories of another one may
// hold files that the crash cut short.
func bootID() (string, error) {
	if id := os.Getenv("OSTREE_BOOTID"); id != "" {
		return id, nil
	}
	data, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if errors.Is(err, fs.ErrNotExist) {
		return "unknown", nil
	}
	if err != nil {
		return "", err
	}
	if len(data) < 36 {
		return "", fmt.Errorf("boot_id %q is too short", data)
	}
	return string(data[:36]), nil
}
