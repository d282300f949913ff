package container

import (
	"context"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/treenail/treenail/cmd/internal/cli"
	"github.com/treenail/treenail/encapsulate"
	"github.com/treenail/treenail/oci"
)

func planCommand() *cli.Command {
	o := encapsulateOptions{formatVersion: 1}
	return &cli.Command{
		Name: "plan", Args: "REV",
		Summary: "Show which layers a commit would get, and what an update to them costs",
		Details: "Takes the options of \"container encapsulate\" that make a difference to layers.\n" +
			"Nothing is written. With --previous=IMAGE, layers that clients of IMAGE have are\n" +
			"marked; that is exact. Sizes that begin with ~ are guessed of a sample.",
		Flags: o.planFlags,
		Run:   o.plan,
	}
}

func (o *encapsulateOptions) planFlags(f *cli.Flags) {
	o.layerFlags(f)
	o.access.flags(f)
	f.Bool(&o.quiet, "quiet", "", "Show neither progress nor warnings")
	f.Bool(&o.json, "json", "", "Write everything as JSON")
	f.Progress()
}

func (o *encapsulateOptions) plan(ctx context.Context, env *cli.Env, args []string) error {
	if len(args) != 1 {
		return cli.Usagef("A REV must be specified")
	}
	repo, err := env.OpenRepo()
	if err != nil {
		return err
	}
	defer repo.Close()
	done, err := o.complete(ctx)
	if err != nil {
		return err
	}
	defer done()
	commit, err := repo.Resolve(args[0])
	if err != nil {
		return err
	}
	stop := o.meter(env, "plan")
	f, err := encapsulate.Preview(ctx, repo, commit, o.Options)
	stop()
	if err != nil {
		return err
	}
	o.warnUnused(env, f.PreviousUnused)
	if o.json {
		return env.JSON(forecastJSON(f))
	}
	return writeForecast(env.Stdout, f, o.Previous != nil)
}

// jsonForecast is what plan prints with --json. Sizes are in bytes; those of the
// update count the layers that clients of the previous image don't have.
type jsonForecast struct {
	Layers []jsonLayerForecast `json:"layers"`
	Update jsonUpdate          `json:"update"`
}

type jsonLayerForecast struct {
	Name       string     `json:"name"`
	DiffID     oci.DiffID `json:"diffID"`
	Objects    int        `json:"objects"`
	Content    int64      `json:"content"`
	Size       int64      `json:"size"`
	Exact      bool       `json:"exact"` // size is not a guess
	Known      bool       `json:"known"` // the previous image has it
	Components []string   `json:"components,omitempty"`
}

type jsonUpdate struct {
	Layers  int   `json:"layers"`
	Content int64 `json:"content"`
	Size    int64 `json:"size"`
	Exact   bool  `json:"exact"`
}

func forecastJSON(f *encapsulate.Forecast) jsonForecast {
	j := jsonForecast{Layers: []jsonLayerForecast{}, Update: update(f)}
	for _, l := range f.Layers {
		j.Layers = append(j.Layers, jsonLayerForecast{
			Name: l.Name, DiffID: l.DiffID, Objects: l.Objects, Content: l.Content,
			Size: l.Size, Exact: l.Exact, Known: l.Known, Components: l.Components,
		})
	}
	return j
}

func update(f *encapsulate.Forecast) jsonUpdate {
	u := jsonUpdate{Exact: true}
	for _, l := range f.Layers {
		if !l.Known {
			u.Layers++
			u.Content += l.Content
			u.Size += l.Size
			u.Exact = u.Exact && l.Exact
		}
	}
	return u
}

func writeForecast(w io.Writer, f *encapsulate.Forecast, compared bool) error {
	line := func(index, state, content, size, components string) {
		text := fmt.Sprintf("%5s  %-5s  %9s  %9s  %s", index, state, content, size, components)
		fmt.Fprintln(w, strings.TrimRight(text, " "))
	}
	line("LAYER", "STATE", "CONTENT", "SIZE", "COMPONENTS")
	for i, l := range f.Layers {
		state := "new"
		if l.Known {
			state = "known"
		}
		line(strconv.Itoa(i), state, cli.Size(uint64(l.Content)), about(l.Size, l.Exact), componentText(l.Components))
	}
	u := update(f)
	what := "Image"
	if compared {
		what = "Update"
	}
	_, err := fmt.Fprintf(w, "\n%s: %d of %s, %s of content, %s to fetch\n",
		what, u.Layers, plural(len(f.Layers), "layer"), cli.Size(uint64(u.Content)), about(u.Size, u.Exact))
	return err
}

func about(size int64, exact bool) string {
	if exact {
		return cli.Size(uint64(size))
	}
	return "~" + cli.Size(uint64(size))
}
