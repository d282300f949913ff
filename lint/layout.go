package lint

import (
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/treenail/treenail/format/keyfile"
)

// apiDirs are what the kernel and systemd want to find.
var apiDirs = []string{"dev", "proc", "run", "sys", "tmp", "var"}

// layoutLints are about the directories at the top.
func layoutLints() []Lint {
	return []Lint{
		{Name: "api-base-directories", Kind: Fatal, check: checkAPIDirs,
			Description: "/dev, /proc, /run, /sys, /tmp and /var are directories: they are mounted over at boot."},
		{Name: "baseimage-root", Kind: Fatal, check: checkBaseRoot,
			Description: "/sysroot is a directory and /ostree a link to sysroot/ostree, without which no deployment boots."},
		{Name: "baseimage-composefs", Kind: Warning, check: checkComposefs,
			Description: "prepare-root.conf asks for composefs or a transient root, so that what is outside of /usr is seen on a host."},
		{Name: "etc-usretc", Kind: Fatal, check: checkEtc,
			Description: "Only one of /etc and /usr/etc exists: a commit has one place for both."},
		{Name: "var-run", Kind: Fatal, check: checkVarRun,
			Description: "/var/run, if there is one, is a link to /run; a directory would hide what services put there."},
		{Name: "nonempty-boot", Kind: Warning, check: checkBoot,
			Description: "/boot is an empty directory: on a host another file system is mounted there. Kernels belong in /usr/lib/modules."},
		{Name: "nonempty-run-tmp", Kind: Warning, check: checkRunTmp,
			Description: "/run and /tmp are empty: a host begins with new ones at each boot."},
		{Name: "sysroot-content", Kind: Warning, check: checkSysroot,
			Description: "/sysroot is empty: the root of the disk is mounted there, and images have their repository in it."},
	}
}

func checkAPIDirs(t *tree) (f findings, err error) {
	for _, name := range apiDirs {
		if ok, err := t.isDir(name); err != nil {
			return f, err
		} else if !ok {
			f.items = append(f.items, "/"+name)
		}
	}
	if len(f.items) > 0 {
		f.text = "Missing directories:"
	}
	return f, nil
}

// baseImage is where an image may keep the skeleton that images are built on.
const baseImage = "usr/share/doc/bootc/baseimage/base"

func checkBaseRoot(t *tree) (findings, error) {
	for _, at := range []string{"", baseImage} {
		if ok, err := t.isDir(path.Join(at, ".")); err != nil || !ok {
			if err != nil {
				return findings{}, err
			}
			continue
		}
		if ok, err := t.isDir(path.Join(at, "sysroot")); err != nil {
			return findings{}, err
		} else if !ok {
			return found("/%s is not a directory", path.Join(at, "sysroot"))
		}
		link := path.Join(at, "ostree")
		mode, ok, err := t.kind(link)
		switch {
		case err != nil:
			return findings{}, err
		case !ok:
			return found("/%s is missing; it has to be a symlink to sysroot/ostree", link)
		case mode != fs.ModeSymlink:
			return found("/%s is not a symlink to sysroot/ostree", link)
		}
		if target, err := t.root.Readlink(link); err != nil {
			return findings{}, err
		} else if target != "sysroot/ostree" {
			return found("/%s is a symlink to %s, not sysroot/ostree", link, target)
		}
	}
	return findings{}, nil
}

func checkComposefs(t *tree) (findings, error) {
	for _, path := range []string{"etc/ostree/prepare-root.conf", "usr/etc/ostree/prepare-root.conf", "usr/lib/ostree/prepare-root.conf"} {
		data, ok, err := t.read(path)
		if err != nil {
			return findings{}, err
		}
		if !ok {
			continue
		}
		config, err := keyfile.Parse(data)
		if err != nil {
			return found("/%s: %s", path, err)
		}
		composefs, _ := config.Value("composefs", "enabled")
		transient, err := config.Bool("root", "transient", false)
		if err != nil {
			return found("/%s: %s", path, err)
		}
		if !transient && !slices.Contains([]string{"1", "true", "yes", "maybe", "signed", "verity"}, composefs) {
			return found("/%s enables neither composefs nor a transient root", path)
		}
		return findings{}, nil
	}
	return found("there is no ostree/prepare-root.conf in /etc or /usr/lib")
}

func checkEtc(t *tree) (findings, error) {
	_, etc, err := t.kind("etc")
	if err != nil {
		return findings{}, err
	}
	_, usrEtc, err := t.kind("usr/etc")
	if err != nil || !etc || !usrEtc {
		return findings{}, err
	}
	return found("both /etc and /usr/etc exist")
}

func checkVarRun(t *tree) (findings, error) {
	mode, ok, err := t.kind("var/run")
	if err != nil || !ok || mode == fs.ModeSymlink {
		return findings{}, err
	}
	return found("/var/run is not a symlink")
}

func checkBoot(t *tree) (findings, error) {
	if ok, err := t.isDir("boot"); err != nil {
		return findings{}, err
	} else if !ok {
		return found("/boot is not a directory")
	}
	return t.content("Found content in /boot:", "boot", func(name string) bool { return name == "EFI" || name == "efi" })
}

func checkSysroot(t *tree) (findings, error) {
	return t.content("Found content in /sysroot:", "sysroot", func(name string) bool {
		return name == "ostree" // of an image that is built on an encapsulated one
	})
}

// content lists what a directory has but for some names. What is mounted there is
// passed over.
func (t *tree) content(text, dir string, except func(name string) bool) (f findings, err error) {
	entries, err := t.names(dir)
	if err != nil {
		return f, err
	}
	for _, e := range entries {
		mounted, err := t.mounted(dir, e)
		if err != nil {
			return f, err
		}
		if !mounted && !except(e.Name()) {
			f.items = append(f.items, "/"+path.Join(dir, e.Name()))
		}
	}
	if len(f.items) > 0 {
		f.text = text
	}
	return f, nil
}

// mounted reports whether something is mounted at an entry of a directory.
func (t *tree) mounted(dir string, e fs.DirEntry) (bool, error) {
	info, err := e.Info()
	if isNotThere(err) {
		return true, nil // gone meanwhile
	}
	if err != nil {
		return false, err
	}
	top, err := t.root.Stat(dir)
	if err != nil {
		return false, err
	}
	return otherDevice(top, info), nil
}

// injected is what container tools put below /run while an image is built: the name
// server configuration of systemd-resolved, and their own marks.
var injected = []string{"run/systemd/resolve/stub-resolv.conf", "run/.containerenv", "run/secrets"}

func checkRunTmp(t *tree) (f findings, err error) {
	for _, dir := range []string{"run", "tmp"} {
		if err := t.files(dir, &f); err != nil {
			return f, err
		}
	}
	if len(f.items) > 0 {
		f.text = "Found content in runtime directories:"
	}
	return f, nil
}

// files adds what is below a directory; directories that lead only to what was
// injected do not count.
func (t *tree) files(dir string, f *findings) error {
	entries, err := t.names(dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		at := path.Join(dir, e.Name())
		mounted, err := t.mounted(dir, e)
		if err != nil {
			return err
		}
		if mounted || slices.Contains(injected, at) {
			continue
		}
		if e.IsDir() && slices.ContainsFunc(injected, func(p string) bool { return strings.HasPrefix(p, at+"/") }) {
			if err := t.files(at, f); err != nil {
				return err
			}
			continue
		}
		f.items = append(f.items, fmt.Sprintf("/%s", at))
	}
	return nil
}
