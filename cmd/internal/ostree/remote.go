package ostree

import (
	"context"
	"errors"

	"github.com/treenail/treenail/cmd/internal/cli"
	"github.com/treenail/treenail/ostreerepo"
)

func remoteCommand() *cli.Command {
	return &cli.Command{
		Name: "remote", Group: GroupRepo, NoRepo: true,
		Summary: "Look after the remotes of a repository",
		Commands: []*cli.Command{remoteAddCommand(), remoteDeleteCommand(), remoteListCommand(), remoteShowURLCommand(),
			remoteGPGImportCommand(), remoteGPGListKeysCommand()},
	}
}

func remoteDeleteCommand() *cli.Command {
	var ifExists bool
	return &cli.Command{
		Name: "delete", Args: "NAME",
		Summary: "Delete a remote",
		Flags: func(f *cli.Flags) {
			f.Bool(&ifExists, "if-exists", "", "Do nothing if there is no such remote")
			f.Unsupported("sysroot=")
		},
		Run: func(_ context.Context, env *cli.Env, args []string) error {
			return withRemote(env, args, func(repo *ostreerepo.Repo, name string) error {
				err := repo.RemoveRemote(name)
				if ifExists && errors.Is(err, ostreerepo.ErrNotFound) {
					return nil
				}
				return err
			})
		},
		Complete: completeRemotes,
	}
}

func remoteShowURLCommand() *cli.Command {
	return &cli.Command{
		Name: "show-url", Args: "NAME",
		Summary: "Print the URL of a remote",
		Run: func(_ context.Context, env *cli.Env, args []string) error {
			return withRemote(env, args, func(repo *ostreerepo.Repo, name string) error {
				url, err := repo.RemoteURL(name)
				if err == nil {
					env.Println(url)
				}
				return err
			})
		},
		Complete: completeRemotes,
	}
}

// withRemote runs fn with the name that is the first argument.
func withRemote(env *cli.Env, args []string, fn func(repo *ostreerepo.Repo, name string) error) error {
	repo, err := env.OpenRepo()
	if err != nil {
		return err
	}
	defer repo.Close()
	if len(args) == 0 {
		return cli.Usagef("NAME must be specified")
	}
	return fn(repo, args[0])
}

// completeRemotes offers the names of the remotes to a shell.
func completeRemotes(env *cli.Env, args []string) []string {
	if len(args) > 0 {
		return nil
	}
	repo, err := env.OpenRepo()
	if err != nil {
		return nil
	}
	defer repo.Close()
	return repo.Remotes()
}

func remoteListCommand() *cli.Command {
	var o remoteListOptions
	return &cli.Command{
		Name:    "list",
		Summary: "List the names of the remotes",
		Flags: func(f *cli.Flags) {
			f.Bool(&o.urls, "show-urls", "u", "Show the URLs too")
			f.Bool(&o.json, "json", "", "Write the list as a JSON array")
		},
		Run: o.run,
	}
}

type remoteListOptions struct{ urls, json bool }

func (o *remoteListOptions) run(_ context.Context, env *cli.Env, _ []string) error {
	repo, err := env.OpenRepo()
	if err != nil {
		return err
	}
	defer repo.Close()
	names := repo.Remotes()
	switch {
	case o.json:
		return env.JSON(remotesJSON(repo, names))
	case o.urls:
		return listURLs(env, repo, names)
	}
	for _, name := range names {
		env.Println(name)
	}
	return nil
}

func listURLs(env *cli.Env, repo *ostreerepo.Repo, names []string) error {
	width := 0
	for _, name := range names {
		width = max(width, len(name))
	}
	for _, name := range names {
		url, err := repo.RemoteURL(name)
		if err != nil {
			return err
		}
		env.Printf("%-*s  %s\n", width, name, url)
	}
	return nil
}

// jsonRemote is a remote in JSON output; one that has a metalink has no URL.
type jsonRemote struct {
	Name string `json:"name"`
	URL  string `json:"url,omitempty"`
}

func remotesJSON(repo *ostreerepo.Repo, names []string) []jsonRemote {
	list := []jsonRemote{}
	for _, name := range names {
		url, _ := repo.RemoteURL(name)
		list = append(list, jsonRemote{name, url})
	}
	return list
}
