package ostree

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/treenail/treenail/cmd/internal/cli"
	"github.com/treenail/treenail/format/keyfile"
	"github.com/treenail/treenail/ostreerepo"
)

func configCommand() *cli.Command {
	var o configOptions
	return &cli.Command{
		Name: "config", Args: "(get KEY|set KEY VALUE|unset KEY)", Group: GroupRepo,
		Summary: "Read or change the repository's configuration",
		Details: "KEY is GROUP.NAME, split at the first dot, or NAME alone with --group.\n" +
			"With --json and no operation, the whole configuration is written.",
		Flags: func(f *cli.Flags) {
			f.String(&o.group, "group", "", "", "Group of the key, for names that hold dots or quotes: --group='remote \"origin\"'")
			f.Bool(&o.json, "json", "", "Write the value, or all of the configuration, as JSON")
		},
		Run: o.run,
	}
}

type configOptions struct {
	group string
	json  bool
}

func (o *configOptions) run(_ context.Context, env *cli.Env, args []string) error {
	repo, err := env.OpenRepo()
	if err != nil {
		return err
	}
	defer repo.Close()
	if len(args) == 0 && o.json {
		return configJSON(env, repo.Config())
	}
	if len(args) == 0 {
		return cli.Usagef("OPERATION must be specified")
	}
	if o.json && args[0] != "get" {
		return fmt.Errorf("--json goes with get only, not with %s", args[0])
	}
	switch operation, args := args[0], args[1:]; operation {
	case "get":
		return o.get(env, repo.Config(), args)
	case "set":
		return o.set(repo, args)
	case "unset":
		return o.unset(repo, args)
	default:
		return fmt.Errorf("Unknown operation %s", operation)
	}
}

// key splits the words of an operation into the key's group and name and, for
// set, the value.
func (o *configOptions) key(args []string, values int, missing string) (group, name string, err error) {
	switch {
	case len(args) > values+1:
		return "", "", cli.Usagef("Too many arguments given")
	case len(args) < values+1:
		return "", "", errors.New(missing)
	case o.group != "":
		return o.group, args[0], nil
	}
	group, name, ok := strings.Cut(args[0], ".")
	if !ok {
		return "", "", errors.New(`Key must be of the form "sectionname.keyname"`)
	}
	return group, name, nil
}

func (o *configOptions) get(env *cli.Env, config *keyfile.File, args []string) error {
	missing := "KEY must be specified"
	if o.group != "" {
		missing = "Group name and key must be specified"
	}
	group, name, err := o.key(args, 0, missing)
	if err != nil {
		return err
	}
	value, ok, err := config.String(group, name)
	switch {
	case err != nil:
		return err
	case ok && o.json:
		return env.JSON(value)
	case ok:
		env.Println(value)
		return nil
	case !slices.Contains(config.Groups(), group):
		return fmt.Errorf("Key file does not have group “%s”", group)
	}
	return fmt.Errorf("Key file does not have key “%s” in group “%s”", name, group)
}

func (o *configOptions) set(repo *ostreerepo.Repo, args []string) error {
	missing := "KEY and VALUE must be specified"
	if o.group != "" {
		missing = "GROUP name, KEY and VALUE must be specified"
	}
	group, name, err := o.key(args, 1, missing)
	if err != nil {
		return err
	}
	config := repo.Config()
	config.SetString(group, name, args[1])
	return repo.WriteConfig(config)
}

// unset removes a key; one that is not there is no error.
func (o *configOptions) unset(repo *ostreerepo.Repo, args []string) error {
	missing := "KEY must be specified"
	if o.group != "" {
		missing = "Group name and key must be specified"
	}
	group, name, err := o.key(args, 0, missing)
	if err != nil {
		return err
	}
	config := repo.Config()
	if !config.Remove(group, name) {
		return nil
	}
	return repo.WriteConfig(config)
}

// configJSON writes the configuration as an object of objects.
func configJSON(env *cli.Env, config *keyfile.File) error {
	groups := map[string]map[string]string{}
	for _, group := range config.Groups() {
		groups[group] = map[string]string{}
		for _, key := range config.Keys(group) {
			value, _, err := config.String(group, key)
			if err != nil {
				return err
			}
			groups[group][key] = value
		}
	}
	return env.JSON(groups)
}
