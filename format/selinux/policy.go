package selinux

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"

	"github.com/treenail/treenail/format/object"
)

// Policy is what a policy says about files. The zero Policy labels nothing. A
// Policy is safe for concurrent use.
type Policy struct {
	name  string
	index index
	subs  []substitutions // applied one after the other
}

// Load reads the policy of a system whose root directory is root, from etc/selinux
// or, where that does not exist, from usr/etc/selinux; see LoadDir.
func Load(root fs.FS) (*Policy, error) {
	dir := "etc/selinux"
	if _, err := fs.Stat(root, dir); errors.Is(err, fs.ErrNotExist) {
		dir = "usr/etc/selinux"
	}
	selinux, err := fs.Sub(root, dir)
	if err != nil {
		return nil, err
	}
	p, err := LoadDir(selinux)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", dir, err)
	}
	return p, nil
}

// LoadDir reads a policy from dir, the directory selinux that holds config. Where
// config is missing, or says that SELinux is disabled, the result is the zero
// Policy. Like libostree, it refuses a policy without a label for the root
// directory or without a binary policy for the kernel.
func LoadDir(dir fs.FS) (*Policy, error) {
	data, err := readFile(dir, "config")
	if errors.Is(err, fs.ErrNotExist) {
		return &Policy{}, nil
	}
	if err != nil {
		return nil, err
	}
	c := parseConfig(data)
	if !c.enabled {
		return &Policy{}, nil
	}
	if !fs.ValidPath(c.policy) || c.policy == "." {
		return nil, fmt.Errorf("config: SELINUXTYPE %q is not the name of a policy", c.policy)
	}
	files, err := fs.Sub(dir, c.policy)
	if err != nil {
		return nil, err
	}
	p := &Policy{name: c.policy}
	if err := p.load(files); err != nil {
		return nil, fmt.Errorf("policy %s: %w", c.policy, err)
	}
	return p, nil
}

// Name is the policy's, "targeted" for example, and "" for the zero Policy.
func (p *Policy) Name() string { return p.name }

const contexts = "contexts/files/file_contexts"

func (p *Policy) load(dir fs.FS) error {
	for _, name := range []string{contexts + ".subs", contexts + ".subs_dist"} {
		data, err := readFile(dir, name)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		p.subs = append(p.subs, parseSubstitutions(data))
	}
	specs, err := readContexts(dir)
	if err != nil {
		return err
	}
	if p.index, err = newIndex(specs); err != nil {
		return err
	}
	if _, ok := p.Label("/", 0); !ok {
		return errors.New("no context for /")
	}
	return checkBinary(dir)
}

func readContexts(dir fs.FS) ([]spec, error) {
	var specs []spec
	for i, name := range []string{contexts, contexts + ".homedirs", contexts + ".local"} {
		data, err := readFile(dir, name)
		if i > 0 && errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err == nil {
			specs, err = parseSpecs(specs, name, data)
		}
		if err != nil {
			return nil, err
		}
	}
	return specs, nil
}

// checkBinary looks for what the kernel would load, policy/policy.VERSION.
func checkBinary(dir fs.FS) error {
	entries, err := fs.ReadDir(dir, "policy")
	if err != nil {
		return err
	}
	for _, e := range entries {
		version, ok := strings.CutPrefix(e.Name(), "policy.")
		if ok && version != "" && strings.Trim(version, "0123456789") == "" && e.Type().IsRegular() {
			return nil
		}
	}
	return errors.New("Could not find binary policy file") //nolint:staticcheck // libostree's text
}

// Label returns the context of the file at an absolute path, and false when the
// policy has none for it. Of mode, which is that of stat(2), the type of the file
// counts; without one all specifications do. A symlink is not followed.
//
// /proc has the label of /mnt, as in libostree: what it is called in a policy is
// for the file system that gets mounted there.
func (p *Policy) Label(path string, mode uint32) (context string, ok bool) {
	if path == "/proc" {
		path = "/mnt"
	}
	path = cleanSlashes(path)
	for _, s := range p.subs {
		path = s.apply(path)
	}
	context = p.index.lookup(path, mode&object.ModeTypeMask)
	return context, context != ""
}

// cleanSlashes leaves one slash where there are several, and none at the end.
func cleanSlashes(path string) string {
	for strings.Contains(path, "//") {
		path = strings.ReplaceAll(path, "//", "/")
	}
	if len(path) > 1 {
		path = strings.TrimSuffix(path, "/")
	}
	return path
}

// maxFile is the size in bytes up to which a file of a policy is read. That of
// Fedora's contexts is half a megabyte.
const maxFile = 16 << 20

func readFile(dir fs.FS, name string) ([]byte, error) {
	f, err := dir.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	if len(data) > maxFile {
		return nil, fmt.Errorf("%s exceeds the limit of %d bytes", name, maxFile)
	}
	return data, nil
}

// LabelDeployed is Label for a path of a commit, whose /usr/etc is /etc in a
// deployment (ostree commit --selinux-labeling-epoch=1).
func (p *Policy) LabelDeployed(path string, mode uint32) (context string, ok bool) {
	if rest, isEtc := strings.CutPrefix(path, "/usr/etc"); isEtc && (rest == "" || rest[0] == '/') {
		path = "/etc" + rest
	}
	return p.Label(path, mode)
}
