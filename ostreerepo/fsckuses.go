package ostreerepo

import (
	"sort"

	"github.com/treenail/treenail/format/object"
)

// maxUses bounds how many places of one object are listed.
const maxUses = 200

// findUses fills in which commits consist of each problem's object, and where. Only
// a damaged repository has to pay for it, and of its trees only those directories
// are walked that lead to a problem.
func (c *fscker) findUses() {
	f := &useFinder{repo: c.repo, problems: map[object.Name]*FsckProblem{}, leads: map[object.Checksum]bool{}}
	for i := range c.report.Problems {
		f.problems[c.report.Problems[i].Object] = &c.report.Problems[i]
	}
	names := c.refsByCommit()
	for _, commit := range c.report.Commits {
		f.commit, f.refs = commit, names[commit]
		f.visitCommit()
	}
}

// refsByCommit lists the refs that name each commit. A repository whose refs can't
// be read has other problems.
func (c *fscker) refsByCommit() map[object.Checksum][]string {
	names := map[object.Checksum][]string{}
	refs, err := c.repo.Refs()
	if err != nil {
		return nil
	}
	for _, ref := range refs {
		names[ref.Commit] = append(names[ref.Commit], ref.Name)
	}
	for _, list := range names {
		sort.Strings(list)
	}
	return names
}

type useFinder struct {
	repo     *Repo
	problems map[object.Name]*FsckProblem
	leads    map[object.Checksum]bool // whether a dirtree, or one below it, has a problem

	commit object.Checksum // being walked
	refs   []string
}

// use notes that the commit has an object at a path, if that is a problem.
func (f *useFinder) use(n object.Name, path string) {
	p, ok := f.problems[n]
	if !ok {
		return
	}
	if len(p.Commits) == 0 || p.Commits[len(p.Commits)-1] != f.commit {
		p.Commits = append(p.Commits, f.commit)
	}
	if len(p.Uses) < maxUses {
		p.Uses = append(p.Uses, FsckUse{f.commit, f.refs, path})
	}
}

func (f *useFinder) visitCommit() {
	f.use(object.Name{Checksum: f.commit, Type: object.TypeCommit}, "")
	commit, err := f.repo.Commit(f.commit)
	if err != nil {
		return
	}
	f.use(object.Name{Checksum: commit.Meta, Type: object.TypeDirMeta}, "/")
	f.visitTree(commit.Tree, "/")
}

func (f *useFinder) visitTree(c object.Checksum, path string) {
	if !f.leadsToProblem(c) {
		return
	}
	f.use(object.Name{Checksum: c, Type: object.TypeDirTree}, path)
	t, err := f.repo.DirTree(c)
	if err != nil {
		return
	}
	if path != "/" {
		path += "/"
	}
	for _, file := range t.Files {
		f.use(object.Name{Checksum: file.Checksum, Type: object.TypeFile}, path+file.Name)
	}
	for _, d := range t.Dirs {
		f.use(object.Name{Checksum: d.Meta, Type: object.TypeDirMeta}, path+d.Name)
		f.visitTree(d.Tree, path+d.Name)
	}
}

// leadsToProblem looks at each dirtree once, however many commits have it.
func (f *useFinder) leadsToProblem(c object.Checksum) bool {
	leads, known := f.leads[c]
	if known {
		return leads
	}
	leads = f.examine(c)
	f.leads[c] = leads
	return leads
}

func (f *useFinder) examine(c object.Checksum) bool {
	if f.problems[object.Name{Checksum: c, Type: object.TypeDirTree}] != nil {
		return true
	}
	t, err := f.repo.DirTree(c)
	if err != nil {
		return false
	}
	leads := false
	for _, file := range t.Files {
		leads = leads || f.problems[object.Name{Checksum: file.Checksum, Type: object.TypeFile}] != nil
	}
	for _, d := range t.Dirs {
		bad := f.problems[object.Name{Checksum: d.Meta, Type: object.TypeDirMeta}] != nil
		leads = f.leadsToProblem(d.Tree) || bad || leads
	}
	return leads
}
