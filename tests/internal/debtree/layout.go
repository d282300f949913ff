package debtree

import (
	"io/fs"
	"os"
	"path"
)

// varConf makes, at boot, what the tree itself must not carry in /var.
const varConf = `# What the links of this tree lead to; /var itself starts empty.
d /var/cache 0755 root root -
d /var/home 0755 root root -
d /var/lib 0755 root root -
d /var/log 0755 root root -
d /var/mnt 0755 root root -
d /var/opt 0755 root root -
d /var/roothome 0700 root root -
d /var/srv 0755 root root -
d /var/tmp 1777 root root -
d /var/usrlocal 0755 root root -
L /var/lib/dpkg - - - - ../../usr/share/dpkg-base
L /var/lock - - - - ../run/lock
L /var/run - - - - ../run
`

// links that an OSTree system has where others have directories.
var links = [][2]string{
	{"home", "var/home"},
	{"media", "run/media"},
	{"mnt", "var/mnt"},
	{"opt", "var/opt"},
	{"ostree", "sysroot/ostree"},
	{"root", "var/roothome"},
	{"srv", "var/srv"},
	{"usr/local", "../var/usrlocal"},
}

// layOut turns the installed root into the layout of the package comment.
func layOut(root *os.Root) error {
	steps := []func(*os.Root) error{keepDatabase, emptyRuntime, forgetHost, moveEtc, link}
	for _, step := range steps {
		if err := step(root); err != nil {
			return err
		}
	}
	return nil
}

func keepDatabase(root *os.Root) error {
	return root.Rename("var/lib/dpkg", "usr/share/dpkg-base")
}

// emptyRuntime empties what belongs to a running system, and drops the links
// to the kernel that Debian keeps at the top.
func emptyRuntime(root *os.Root) error {
	for _, dir := range []string{"boot", "dev", "proc", "run", "sys", "tmp", "var"} {
		if err := empty(root, dir); err != nil {
			return err
		}
	}
	for _, name := range []string{"initrd.img", "initrd.img.old", "vmlinuz", "vmlinuz.old"} {
		if err := root.RemoveAll(name); err != nil {
			return err
		}
	}
	if err := root.MkdirAll("usr/lib/tmpfiles.d", 0o755); err != nil {
		return err
	}
	return root.WriteFile("usr/lib/tmpfiles.d/os-var.conf", []byte(varConf), 0o644)
}

func empty(root *os.Root, dir string) error {
	entries, err := fs.ReadDir(root.FS(), dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if err := root.RemoveAll(path.Join(dir, e.Name())); err != nil {
			return err
		}
	}
	return nil
}

// forgetHost removes what mmdebstrap copied from the machine it ran on. An
// empty machine-id is what systemd takes for "first boot".
func forgetHost(root *os.Root) error {
	for _, name := range []string{"etc/hostname", "etc/resolv.conf"} {
		if err := root.RemoveAll(name); err != nil {
			return err
		}
	}
	return root.WriteFile("etc/machine-id", nil, 0o444)
}

func moveEtc(root *os.Root) error { return root.Rename("etc", "usr/etc") }

func link(root *os.Root) error {
	for _, l := range links {
		if err := root.RemoveAll(l[0]); err != nil {
			return err
		}
		if err := root.Symlink(l[1], l[0]); err != nil {
			return err
		}
	}
	return root.Mkdir("sysroot", 0o755)
}

// Summary counts the regular files below dir and their bytes.
func Summary(dir string) (files int, bytes int64, err error) {
	err = fs.WalkDir(os.DirFS(dir), ".", func(p string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		files++
		bytes += info.Size()
		return nil
	})
	return files, bytes, err
}
