package lint

import (
	"errors"
	"io/fs"
	"path"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/BurntSushi/toml"
)

// contentLints are about certain files.
func contentLints() []Lint {
	return []Lint{
		{Name: "bootc-kargs", Kind: Fatal, check: checkKargs,
			Description: "The files in /usr/lib/bootc/kargs.d are TOML with a list of kernel arguments."},
		{Name: "kernel", Kind: Fatal, check: checkKernel,
			Description: "There is not more than one kernel in /usr/lib/modules: it is the one that boots."},
		{Name: "buildah-injected", Kind: Warning, notRoot: true, check: checkInjected,
			Description: "/etc/hostname and /etc/resolv.conf are not the empty files that buildah leaves where it mounted its own."},
		{Name: "var-log", Kind: Warning, entry: checkLog, headline: "Found log files:",
			Description: "There are no logs in /var/log: those of a build are of no use on a host."},
	}
}

// kargs is a file of kernel arguments (bootc's documentation, "Kernel arguments").
type kargs struct {
	Kargs       []string `toml:"kargs"`
	MatchArches []string `toml:"match-architectures"`
}

func checkKargs(t *tree) (f findings, err error) {
	const dir = "usr/lib/bootc/kargs.d"
	entries, err := t.names(dir)
	if err != nil {
		return f, err
	}
	for _, e := range entries {
		if !strings.HasSuffix(e.Name(), ".toml") {
			continue
		}
		if err := t.parseKargs(path.Join(dir, e.Name())); err != nil {
			f.text = "Kernel arguments cannot be read:"
			f.items = append(f.items, "/"+path.Join(dir, e.Name())+": "+err.Error())
		}
	}
	return f, nil
}

func (t *tree) parseKargs(path string) error {
	data, _, err := t.read(path)
	if err != nil {
		return err
	}
	var k kargs
	meta, err := toml.Decode(string(data), &k)
	if err != nil {
		return errors.New(strings.ReplaceAll(err.Error(), "\n", " "))
	}
	if unknown := meta.Undecoded(); len(unknown) > 0 {
		return errors.New("unknown key " + unknown[0].String())
	}
	if !meta.IsDefined("kargs") {
		return errors.New("no key kargs")
	}
	return nil
}

func checkKernel(t *tree) (f findings, err error) {
	kernels, err := fs.Glob(t.fs, "usr/lib/modules/*/vmlinuz")
	if err != nil || len(kernels) < 2 {
		return f, err
	}
	for _, k := range kernels {
		f.items = append(f.items, "/"+k)
	}
	f.text = "Found several kernels:"
	return f, nil
}

func checkInjected(t *tree) (f findings, err error) {
	for _, path := range []string{"etc/hostname", "etc/resolv.conf"} {
		info, err := t.root.Lstat(path)
		if isNotThere(err) {
			continue
		}
		if err != nil {
			return f, err
		}
		if info.Mode().IsRegular() && info.Size() == 0 {
			f.text = "Found empty files that buildah may have left:"
			f.items = append(f.items, "/"+path)
		}
	}
	return f, nil
}

func checkLog(e *entry) (string, error) {
	if strings.HasPrefix(e.path, "var/log/") && e.info.Mode().IsRegular() && e.info.Size() > 0 {
		return "/" + e.path, nil
	}
	return "", nil
}

// nameLints are about what OSTree and image layers cannot hold.
func nameLints() []Lint {
	return []Lint{
		{Name: "utf8", Kind: Fatal, entry: checkUTF8, headline: "Found names or link targets that are not UTF-8:",
			Description: "All names and targets of symlinks are UTF-8, as OSTree's format wants them."},
		{Name: "special-files", Kind: Fatal, entry: checkSpecial, headline: "Found devices, fifos or sockets:",
			Description: "There are no devices, fifos and sockets outside of /dev, /proc, /run, /sys and /tmp: a commit holds none."},
		{Name: "whiteout-names", Kind: Warning, entry: checkWhiteout, headline: "Found names that mean a deletion in an image layer:",
			Description: "No name begins with .wh.: in an image layer that means the deletion of a file."},
	}
}

func checkUTF8(e *entry) (string, error) {
	if !utf8.ValidString(path.Base(e.path)) {
		return quoted(e.path), nil
	}
	if e.info.Mode().Type() != fs.ModeSymlink {
		return "", nil
	}
	target, err := e.root.Readlink(e.path)
	if isNotThere(err) || err == nil && utf8.ValidString(target) {
		return "", nil
	}
	return quoted(e.path) + " -> " + strings.Trim(strconv.Quote(target), `"`), err
}

func checkSpecial(e *entry) (string, error) {
	top, _, below := strings.Cut(e.path, "/")
	for _, name := range apiDirs {
		if below && name != "var" && top == name {
			return "", nil
		}
	}
	if e.info.Mode()&(fs.ModeDevice|fs.ModeNamedPipe|fs.ModeSocket) != 0 {
		return quoted(e.path), nil
	}
	return "", nil
}

func checkWhiteout(e *entry) (string, error) {
	if strings.HasPrefix(path.Base(e.path), ".wh.") {
		return quoted(e.path), nil
	}
	return "", nil
}
