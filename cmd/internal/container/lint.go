package container

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/treenail/treenail/cmd/internal/cli"
	"github.com/treenail/treenail/lint"
)

func lintCommand() *cli.Command {
	var o lintOptions
	return &cli.Command{
		Name: "lint", NoRepo: true,
		Summary: "Look for what will not work on a host that boots a root file system",
		Details: "As the last step of a container build it finds what is wrong with the image.",
		Flags: func(f *cli.Flags) {
			f.String(&o.rootfs, "rootfs", "", "DIR", "Root file system to look at (default: /)")
			f.Bool(&o.fatalWarnings, "fatal-warnings", "", "Fail for a warning, too")
			f.Bool(&o.list, "list", "", "List the lints as YAML, and look at nothing")
			f.Strings(&o.Skip, "skip", "", "NAME", "Leave out this lint")
			f.Bool(&o.whole, "no-truncate", "", "Show all paths that were found, not only five for each lint")
			f.Bool(&o.json, "json", "", "Write the result as JSON")
		},
		Run: o.run,
	}
}

type lintOptions struct {
	lint.Options
	rootfs                           string
	fatalWarnings, list, whole, json bool
}

func (o *lintOptions) run(ctx context.Context, env *cli.Env, args []string) error {
	if len(args) > 0 {
		return cli.Usagef("No arguments are expected")
	}
	if o.list {
		for _, l := range lint.All() {
			env.Printf("- name: %s\n  type: %s\n  description: %q\n", l.Name, l.Kind, l.Description)
		}
		return nil
	}
	if o.rootfs == "" {
		o.rootfs = "/"
	}
	o.Running = filepath.Clean(o.rootfs) == "/"
	root, err := os.OpenRoot(o.rootfs)
	if err != nil {
		return err
	}
	defer root.Close()
	report, err := lint.Run(ctx, root, o.Options)
	if err != nil {
		return err
	}
	if o.json {
		if err := env.JSON(report); err != nil {
			return err
		}
	} else {
		o.print(env, report)
	}
	if failed := o.failed(report); failed > 0 {
		return fmt.Errorf("Checks failed: %d", failed) //nolint:staticcheck // bootc's text
	}
	return nil
}

// failed counts the findings that make the command fail.
func (o *lintOptions) failed(r *lint.Report) (n int) {
	for _, f := range r.Findings {
		if f.Kind == lint.Fatal || o.fatalWarnings {
			n++
		}
	}
	return n
}

// maxItems is how many paths a finding shows.
const maxItems = 5

func (o *lintOptions) print(env *cli.Env, r *lint.Report) {
	warnings := 0
	for _, f := range r.Findings {
		prefix := "Failed lint"
		if f.Kind == lint.Warning {
			prefix = "Lint warning"
			warnings++
		}
		env.Printf("%s: %s: %s\n", prefix, f.Lint, f.Text)
		for i, item := range f.Items {
			if i == maxItems && !o.whole && len(f.Items) > maxItems {
				env.Printf("  ...and %d more\n", len(f.Items)-maxItems)
				break
			}
			env.Printf("  %s\n", item)
		}
	}
	env.Printf("Checks passed: %d\n", r.Passed)
	if r.Skipped > 0 {
		env.Printf("Checks skipped: %d\n", r.Skipped)
	}
	if warnings > 0 {
		env.Printf("Warnings: %d\n", warnings)
	}
}
