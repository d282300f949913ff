package ostree

import (
	"context"

	"github.com/treenail/treenail/cmd/internal/cli"
	"github.com/treenail/treenail/ostreerepo"
)

func initCommand() *cli.Command {
	o := initOptions{mode: "bare"}
	return &cli.Command{
		Name: "init", Group: GroupRepo,
		Summary: "Create an empty repository",
		Details: "Nothing happens where a repository exists already.",
		Flags: func(f *cli.Flags) {
			f.String(&o.mode, "mode", "", "MODE", "How objects are stored: bare (default), bare-user, bare-user-only, archive or bare-split-xattrs")
			f.String(&o.collection, "collection-id", "", "COLLECTION-ID", "Name of the collection that the repository's refs belong to, such as org.example.Os")
			f.NotEmpty("collection-id")
		},
		Run: o.run,
	}
}

type initOptions struct {
	mode       string
	collection string
}

func (o *initOptions) run(_ context.Context, env *cli.Env, _ []string) error {
	path, err := env.RepoPath()
	if err != nil {
		return err
	}
	mode, err := ostreerepo.ParseMode(o.mode)
	if err != nil {
		return err
	}
	return ostreerepo.Create(path, mode, ostreerepo.CreateOptions{CollectionID: o.collection})
}
