// Package debtree makes a real operating-system tree for tests, benchmarks and
// trials: Debian packages, installed by mmdebstrap from the sources that the
// machine's own apt is set up with, and then laid out as an OSTree system is.
//
// The layout:
//
//	usr/etc                          the configuration as packages ship it
//	usr/share/dpkg-base              the package database, out of /var
//	usr/lib/modules/KVER/            vmlinuz and initramfs.img (full trees)
//	usr/lib/tmpfiles.d/os-var.conf   what /var holds after the first boot
//	home root opt srv mnt media      links into /var and /run
//	ostree                           link to sysroot/ostree
//	boot dev proc run sys tmp var    empty directories
//
// It needs root, because packages own files in many names, and Debian or a
// system with its mmdebstrap and apt.
package debtree

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
)

// Env names the environment variable that holds the path of a tree to use
// instead of making one.
const Env = "TREENAIL_TREE"

// Options choose what the tree holds. The zero value is Debian's minbase:
// about 160 MB and 9000 files, no kernel.
type Options struct {
	// Full adds a kernel with an initramfs, systemd, ssh, Python, Perl, git
	// and more: about 1 GB.
	Full bool
	// Include names further packages.
	Include []string
}

// packages of a full tree: what a small server has, with OSTree's boot parts.
var fullPackages = []string{
	"linux-image-amd64", "dracut", "ostree", "ostree-boot",
	"systemd", "systemd-sysv", "udev", "dbus", "kmod",
	"e2fsprogs", "util-linux", "iproute2", "procps", "libcap2-bin",
	"openssh-server", "sudo", "locales", "ca-certificates", "curl",
	"less", "vim-tiny", "git", "perl", "python3",
}

// Make installs a new tree at dest, which must not exist. What it began and
// could not finish is removed.
func Make(ctx context.Context, dest string, o Options) error {
	if err := ready(dest); err != nil {
		return err
	}
	dest, err := filepath.Abs(dest)
	if err != nil {
		return err
	}
	if err := build(ctx, dest, o); err != nil {
		return errors.Join(fmt.Errorf("make tree %s: %w", dest, err), os.RemoveAll(dest))
	}
	return nil
}

// ready reports what keeps Make from starting.
func ready(dest string) error {
	if os.Geteuid() != 0 {
		return errors.New("a tree of Debian packages can only be made by root, because its files have many owners")
	}
	for _, tool := range []string{"mmdebstrap", "apt-get"} {
		if _, err := exec.LookPath(tool); err != nil {
			return fmt.Errorf("%s is missing: apt-get install %s", tool, strings.TrimSuffix(tool, "-get"))
		}
	}
	if _, err := os.Lstat(dest); err == nil {
		return &fs.PathError{Op: "make tree", Path: dest, Err: fs.ErrExist}
	}
	return nil
}

func build(ctx context.Context, dest string, o Options) error {
	if err := bootstrap(ctx, dest, o); err != nil {
		return err
	}
	root, err := os.OpenRoot(dest)
	if err != nil {
		return err
	}
	defer root.Close()
	if err := kernel(ctx, root); err != nil {
		return err
	}
	return layOut(root)
}

// bootstrap installs the packages.
func bootstrap(ctx context.Context, dest string, o Options) error {
	release, err := osRelease("VERSION_CODENAME")
	if err != nil {
		return err
	}
	sources, err := aptSources(ctx)
	if err != nil {
		return err
	}
	packages := o.Include
	if o.Full {
		packages = append(fullPackages[:len(fullPackages):len(fullPackages)], packages...)
	}
	args := []string{"--quiet", "--mode=root", "--variant=minbase"}
	if len(packages) > 0 {
		args = append(args, "--include="+strings.Join(packages, ","))
	}
	cmd := exec.CommandContext(ctx, "mmdebstrap", append(args, release, dest, "-")...)
	cmd.Stdin = strings.NewReader(sources)
	return run(cmd)
}

// aptSources returns the machine's Debian sources as one-line entries. It asks
// apt, which reads every form of sources file, and leaves other vendors out.
func aptSources(ctx context.Context) (string, error) {
	cmd := exec.CommandContext(ctx, "apt-get", "indextargets",
		"--format", "deb $(REPO_URI) $(RELEASE) $(COMPONENT)", "Created-By: Packages", "Origin: Debian")
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("ask apt for its sources: %w", err)
	}
	if len(out) == 0 {
		return "", errors.New("apt knows no Debian source: run apt-get update")
	}
	return string(out), nil
}

// osRelease reads one field of /etc/os-release.
func osRelease(field string) (string, error) {
	data, err := os.ReadFile("/etc/os-release")
	if err != nil {
		return "", err
	}
	for line := range strings.Lines(string(data)) {
		if value, ok := strings.CutPrefix(strings.TrimSpace(line), field+"="); ok {
			return strings.Trim(value, `"`), nil
		}
	}
	return "", fmt.Errorf("/etc/os-release has no %s", field)
}

// kernel puts the kernel beside its modules, where OSTree expects it, and
// makes its initramfs. A tree without a kernel stays as it is.
func kernel(ctx context.Context, root *os.Root) error {
	entries, err := fs.ReadDir(root.FS(), "usr/lib/modules")
	if errors.Is(err, fs.ErrNotExist) || len(entries) == 0 {
		return nil
	}
	if err != nil {
		return err
	}
	version := entries[0].Name()
	dir := "usr/lib/modules/" + version
	if err := root.Rename("boot/vmlinuz-"+version, dir+"/vmlinuz"); err != nil {
		return err
	}
	return initramfs(ctx, root.Name(), "/"+dir+"/initramfs.img", version)
}

// initramfs runs the tree's own dracut inside the tree. /proc, /sys and /dev
// are mounted in a mount namespace of that process alone, so nothing has to be
// unmounted, whatever happens.
func initramfs(ctx context.Context, root, image, version string) error {
	const script = `for d in proc sys dev; do mount --rbind /$d "$1/$d"; done
		exec chroot "$1" dracut --quiet --force --no-hostonly --reproducible --zstd --add ostree \
			--omit "plymouth network network-legacy nfs iscsi crypt lvm dm dmraid mdraid multipath" \
			--add-drivers "virtio_blk virtio_pci virtio_scsi ext4 xfs btrfs overlay erofs loop" \
			--kver "$3" "$2" "$3"`
	cmd := exec.CommandContext(ctx, "sh", "-ec", script, "sh", root, image, version)
	cmd.SysProcAttr = &syscall.SysProcAttr{Unshareflags: syscall.CLONE_NEWNS}
	return run(cmd)
}

// run reports a failed command with what it said.
func run(cmd *exec.Cmd) error {
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w\n%s", filepath.Base(cmd.Path), err, out)
	}
	return nil
}
