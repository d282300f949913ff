// Package guest boots Debian's kernel in an emulator, for tests of what the kernel
// of the machine may lack. The guest has no disk and no network: all that is in it
// comes in its initial file system in memory.
package guest

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
)

// kernelPackage depends on the newest kernel for virtual machines, which has ext4
// and the serial port built in.
const kernelPackage = "linux-image-cloud-amd64"

// Guest is a machine that is going to be booted.
type Guest struct {
	dir    string
	root   string // what becomes the initial file system
	kernel string // the unpacked package
}

// New prepares a guest in dir, which is empty. It fetches the kernel with apt.
func New(ctx context.Context, dir string) (*Guest, error) {
	g := &Guest{dir: dir, root: filepath.Join(dir, "root"), kernel: filepath.Join(dir, "kernel")}
	if err := g.fetchKernel(ctx); err != nil {
		return nil, err
	}
	for _, d := range []string{"bin", "dev", "mnt", "proc", "sys", "tmp"} {
		if err := os.MkdirAll(filepath.Join(g.root, d), 0o755); err != nil {
			return nil, err
		}
	}
	if err := g.AddProgram(ctx, "busybox"); err != nil {
		return nil, err
	}
	return g, g.addModule(ctx, "loop.ko")
}

func (g *Guest) fetchKernel(ctx context.Context) error {
	depends, err := command(ctx, "", "apt-cache", "depends", kernelPackage)
	if err != nil {
		return err
	}
	name := regexp.MustCompile(`linux-image-\d\S+`).FindString(depends)
	if name == "" {
		return fmt.Errorf("package %s depends on no kernel:\n%s", kernelPackage, depends)
	}
	if _, err := command(ctx, g.dir, "apt-get", "-qq", "download", name); err != nil {
		return err
	}
	debs, err := filepath.Glob(filepath.Join(g.dir, name+"_*.deb"))
	if err != nil || len(debs) != 1 {
		return fmt.Errorf("downloading %s brought the files %q", name, debs)
	}
	_, err = command(ctx, "", "dpkg-deb", "-x", debs[0], g.kernel)
	return err
}

func (g *Guest) addModule(ctx context.Context, name string) error {
	found, err := command(ctx, "", "find", g.kernel, "-name", name)
	if err != nil {
		return err
	}
	_, err = command(ctx, "", "cp", strings.TrimSpace(found), g.Path("/"))
	return err
}

// Path is where a file of the guest lies before it is booted.
func (g *Guest) Path(name string) string { return filepath.Join(g.root, name) }

var library = regexp.MustCompile(`/\S+`)

// AddProgram puts a program of this machine into the guest's /bin, with the
// libraries that it needs.
func (g *Guest) AddProgram(ctx context.Context, name string) error {
	path, err := exec.LookPath(name)
	if err != nil {
		return err
	}
	if _, err := command(ctx, "", "cp", "-L", path, g.Path("bin/"+filepath.Base(path))); err != nil {
		return err
	}
	libraries, err := command(ctx, "", "ldd", path)
	if err != nil {
		return nil // it is static
	}
	for _, l := range library.FindAllString(libraries, -1) {
		if _, err := command(ctx, "", "cp", "-L", "--parents", l, g.root); err != nil {
			return err
		}
	}
	return nil
}

// preamble makes the guest usable before a test's script.
const preamble = `#!/bin/busybox sh
/bin/busybox --install -s /bin
export PATH=/bin LC_ALL=C
mount -t proc proc /proc; mount -t sysfs sys /sys; mount -t devtmpfs dev /dev
insmod /loop.ko
echo BEGIN
( set -e
`

const postamble = `
) </dev/null 2>&1
echo "END $?"
poweroff -f
`

var output = regexp.MustCompile(`(?s)BEGIN\n(.*)END (\d+)\n`)

// Run boots the guest, runs a shell script in it and returns what that wrote. The
// error, if the script failed, has the output too.
func (g *Guest) Run(ctx context.Context, script string) (string, error) {
	if err := os.WriteFile(g.Path("init"), []byte(preamble+script+postamble), 0o755); err != nil {
		return "", err
	}
	if _, err := command(ctx, g.root, "sh", "-c", "find . | cpio -o -H newc --quiet >../initrd"); err != nil {
		return "", err
	}
	kernels, err := filepath.Glob(g.kernel + "/boot/vmlinuz-*")
	if err != nil || len(kernels) != 1 {
		return "", fmt.Errorf("the package has the kernels %q", kernels)
	}
	console := filepath.Join(g.dir, "console")
	_, err = command(ctx, g.dir, "qemu-system-x86_64", "-accel", "tcg,thread=multi", "-cpu", "max", "-m", "1536", "-smp", "2",
		"-no-reboot", "-nodefaults", "-no-user-config", "-display", "none", "-vga", "none", "-monitor", "none", "-nic", "none",
		"-serial", "file:"+console, "-kernel", kernels[0], "-initrd", "initrd", "-append", "console=ttyS0 loglevel=0 rdinit=/init panic=-1")
	if err != nil {
		return "", err
	}
	text, err := os.ReadFile(console)
	if err != nil {
		return "", err
	}
	m := output.FindStringSubmatch(strings.ReplaceAll(string(text), "\r", ""))
	if m == nil || m[2] != "0" {
		return "", fmt.Errorf("the guest's console says\n%s", text)
	}
	return m[1], nil
}

func command(ctx context.Context, dir, name string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("%s: %w\n%s", strings.Join(cmd.Args, " "), err, out)
	}
	return string(out), nil
}
