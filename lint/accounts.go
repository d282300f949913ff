package lint

import (
	"io/fs"
	"path"
	"strings"
)

// accountLints are about what systemd makes at boot: users and groups, and the
// directories of /var.
func accountLints() []Lint {
	return []Lint{
		{Name: "sysusers", Kind: Warning, check: checkSysusers,
			Description: "Users and groups have entries in sysusers.d, so that hosts with an /etc of their own get new ones."},
		{Name: "var-tmpfiles", Kind: Warning, rootOnly: true, check: checkTmpfiles,
			Description: "What is in /var has entries in tmpfiles.d: a host has its own /var, and gets nothing of it in an upgrade."},
	}
}

// configLines calls fn with the fields of each line in the files of a drop-in
// directory (sysusers.d(5), tmpfiles.d(5)).
func (t *tree) configLines(name string, fn func(fields []string)) error {
	for _, dir := range []string{"usr/lib/", "usr/etc/", "etc/", "run/"} {
		entries, err := t.names(dir + name)
		if err != nil {
			return err
		}
		for _, e := range entries {
			if !strings.HasSuffix(e.Name(), ".conf") || e.IsDir() {
				continue
			}
			data, _, err := t.read(path.Join(dir+name, e.Name()))
			if err != nil {
				return err
			}
			for line := range strings.Lines(string(data)) {
				if fields := strings.Fields(line); len(fields) > 1 && !strings.HasPrefix(fields[0], "#") {
					fn(fields)
				}
			}
		}
	}
	return nil
}

func checkSysusers(t *tree) (f findings, err error) {
	users, groups := map[string]bool{"root": true}, map[string]bool{"root": true}
	err = t.configLines("sysusers.d", func(fields []string) {
		name := strings.Trim(fields[1], `"'`)
		switch fields[0][0] {
		case 'u':
			users[name], groups[name] = true, true
		case 'g':
			groups[name] = true
		case 'm':
			users[name], groups[name] = true, true
			if len(fields) > 2 {
				groups[strings.Trim(fields[2], `"'`)] = true
			}
		}
	})
	if err != nil {
		return f, err
	}
	for _, file := range []struct {
		name, what string
		known      map[string]bool
	}{{"passwd", "user ", users}, {"group", "group ", groups}} {
		names, err := t.accounts(file.name)
		if err != nil {
			return f, err
		}
		for _, name := range names {
			if !file.known[name] {
				f.text = "Found users or groups without an entry in sysusers.d:"
				f.items = append(f.items, file.what+name)
			}
		}
	}
	return f, nil
}

// accounts lists the names in passwd or group, wherever a tree keeps /etc.
func (t *tree) accounts(file string) (names []string, err error) {
	for _, dir := range []string{"etc/", "usr/etc/"} {
		data, _, err := t.read(dir + file)
		if err != nil {
			return nil, err
		}
		for line := range strings.Lines(string(data)) {
			if name, _, ok := strings.Cut(strings.TrimSpace(line), ":"); ok && !strings.HasPrefix(name, "#") {
				names = append(names, name)
			}
		}
	}
	return names, nil
}

func checkTmpfiles(t *tree) (f findings, err error) {
	made := map[string]bool{}
	err = t.configLines("tmpfiles.d", func(fields []string) {
		if strings.ContainsRune("fFwdDevqQpLcbC", rune(fields[0][0])) {
			for at := strings.Trim(strings.Trim(fields[1], `"'`), "/"); at != "." && !made[at]; at = path.Dir(at) {
				made[at] = true // and the directories on the way
			}
		}
	})
	if err != nil {
		return f, err
	}
	if err := t.unmade("var", made, &f); err != nil {
		return f, err
	}
	if len(f.items) > 0 {
		f.text = "Found content in /var without an entry in tmpfiles.d, or that none can make:"
	}
	return f, nil
}

// unmade adds what is below a directory and not made by tmpfiles.d.
func (t *tree) unmade(dir string, made map[string]bool, f *findings) error {
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
		if mounted {
			continue
		}
		if !made[at] {
			f.items = append(f.items, "/"+at)
			continue
		}
		if e.Type()&fs.ModeDir != 0 {
			if err := t.unmade(at, made, f); err != nil {
				return err
			}
		}
	}
	return nil
}
