package ostreerepo

import (
	"slices"
	"strings"

	"github.com/treenail/treenail/format/object"
)

// maxUses bounds how many paths of an object are listed, and how many refs for each.
const maxUses = 20

// findUses fills in which commits consist of each problem's object, and where. Only
// a damaged repository has to pay for it, and of its trees only those directories
// are walked that lead to a problem.
func (c *fscker) findUses() {
	f := &useFinder{repo: c.repo, problems: map[object.Name]*FsckProblem{}, leads: map[object.Checksum]bool{}}
	for i := range c.report.Problems {
		f.problems[c.report.Problems[i].Object] = &c.report.Problems[i]
	}
	refs := c.refsByCommit()
	for n, p := range f.problems {
		if n.Type == object.TypeCommit && len(refs[n.Checksum]) > 0 {
			f.commit, f.refs = n.Checksum, refs[n.Checksum]
			f.addPath(p, "")
		}
	}
	for _, named := range []bool{true, false} { // first those that one can speak of
		for _, commit := range c.report.Commits {
			if f.commit, f.refs = commit, refs[commit]; named == (len(f.refs) > 0) {
				f.visitCommit()
			}
		}
	}
	for _, p := range f.problems {
		p.sortUses()
	}
}

func (p *FsckProblem) sortUses() {
	slices.SortFunc(p.Commits, object.Checksum.Compare)
	slices.SortFunc(p.Uses, func(a, b FsckUse) int { return strings.Compare(a.Path, b.Path) })
	for i := range p.Uses {
		u := &p.Uses[i]
		slices.Sort(u.Refs)
		u.Refs = u.Refs[:min(len(u.Refs), maxUses)]
	}
}

// refsByCommit lists the refs that name each commit. A repository whose refs can't
// be read has other problems.
func (c *fscker) refsByCommit() map[object.Checksum][]string {
	names := map[object.Checksum][]string{}
	refs, _ := c.repo.Refs()
	for _, ref := range refs {
		names[ref.Commit] = append(names[ref.Commit], ref.Name)
	}
	collectionRefs, _ := c.repo.CollectionRefs()
	for _, ref := range collectionRefs {
		if ref.Collection != c.repo.collectionID {
			names[ref.Commit] = append(names[ref.Commit], ref.label())
		}
	}
	return names
}

type useFinder struct {
	repo     *Repo
	problems map[object.Name]*FsckProblem
	leads    map[object.Checksum]bool // whether a dirtree, or one below it, has a problem

	commit object.Checksum // being walked
	refs   []string
	visits map[object.Checksum]int // of its dirtrees
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
	if n.Type != object.TypeCommit {
		f.addPath(p, path)
	}
}

func (f *useFinder) addPath(p *FsckProblem, path string) {
	i := slices.IndexFunc(p.Uses, func(u FsckUse) bool { return u.Path == path })
	if i < 0 && len(p.Uses) == maxUses {
		p.MoreUses = true
		return
	}
	if i < 0 {
		i = len(p.Uses)
		p.Uses = append(p.Uses, FsckUse{Path: path})
	}
	u := &p.Uses[i]
	u.Commits++
	if len(f.refs) == 0 {
		u.Unnamed++
	}
	if len(u.Refs) < maxUses {
		u.Refs = append(u.Refs, f.refs...)
	}
}

func (f *useFinder) visitCommit() {
	f.use(object.Name{Checksum: f.commit, Type: object.TypeCommit}, "")
	commit, err := f.repo.Commit(f.commit)
	if err != nil {
		return
	}
	f.visits = map[object.Checksum]int{}
	f.use(object.Name{Checksum: commit.Meta, Type: object.TypeDirMeta}, "/")
	f.visitTree(commit.Tree, "/", 0)
}

// visitTree walks a directory. More than maxUses times in one commit is of no use:
// each object in it has that many paths then. This keeps a tree that contains
// another twice, that contains a third twice, and so on, from taking forever.
func (f *useFinder) visitTree(c object.Checksum, path string, depth int) {
	if f.visits[c] > maxUses || !f.leadsToProblem(c, depth) {
		return
	}
	f.visits[c]++
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
		f.visitTree(d.Tree, path+d.Name, depth+1)
	}
}

// leadsToProblem looks at each dirtree once, however many commits have it.
func (f *useFinder) leadsToProblem(c object.Checksum, depth int) bool {
	leads, known := f.leads[c]
	if !known {
		leads = f.examine(c, depth)
		f.leads[c] = leads
	}
	return leads
}

// examine does not go deeper than paths can be.
func (f *useFinder) examine(c object.Checksum, depth int) bool {
	if f.problems[object.Name{Checksum: c, Type: object.TypeDirTree}] != nil {
		return true
	}
	t, err := f.repo.DirTree(c)
	if err != nil || depth > maxTreeDepth {
		return false
	}
	leads := slices.ContainsFunc(t.Files, func(file object.FileEntry) bool {
		return f.problems[object.Name{Checksum: file.Checksum, Type: object.TypeFile}] != nil
	})
	for _, d := range t.Dirs {
		bad := f.problems[object.Name{Checksum: d.Meta, Type: object.TypeDirMeta}] != nil
		leads = f.leadsToProblem(d.Tree, depth+1) || bad || leads
	}
	return leads
}
