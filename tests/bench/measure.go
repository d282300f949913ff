package main

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"io"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"text/tabwriter"
	"time"
)

type bench struct {
	ctx      context.Context
	work     string // directory
	treenail string // program
	tree     string // directory
	rounds   int
	runs     int // so far, to name outputs
}

func (b *bench) path(name string) string { return filepath.Join(b.work, name) }

// sample is what one run of a command took.
type sample struct {
	Wall float64 `json:"wallSeconds"`
	CPU  float64 `json:"cpuSeconds"`
	RSS  int64   `json:"rssBytes"`
}

// result is a case with all its samples.
type result struct {
	Name  string   `json:"name"`
	Peer  string   `json:"peer"`
	Goal  float64  `json:"goal,omitempty"`
	Ours  []sample `json:"ours"`
	Other []sample `json:"other"`
}

// measure runs both jobs of a case in turn.
func (b *bench) measure(c benchCase) (result, error) {
	r := result{Name: c.name, Peer: c.peer, Goal: c.goal}
	for round := range b.rounds {
		sides := []func() error{
			func() error { return b.sample(c.ours, c.times, &r.Ours) },
			func() error { return b.sample(c.other, c.times, &r.Other) },
		}
		if round%2 == 1 {
			slices.Reverse(sides)
		}
		for _, side := range sides {
			if err := side(); err != nil {
				return r, err
			}
		}
	}
	return r, nil
}

func (b *bench) sample(j job, times int, samples *[]sample) error {
	b.runs++
	out := b.path(fmt.Sprintf("out-%d", b.runs))
	if j.before != nil {
		if err := j.before(out); err != nil {
			return err
		}
	}
	syscall.Sync()
	argv := j.argv(out)
	n := max(times, 1)
	var sum sample
	for range n {
		s, err := b.time(argv)
		if err != nil {
			return err
		}
		sum.Wall += s.Wall / float64(n)
		sum.CPU += s.CPU / float64(n)
		sum.RSS = max(sum.RSS, s.RSS)
	}
	*samples = append(*samples, sum)
	return nil
}

func (b *bench) time(argv []string) (sample, error) {
	var stderr bytes.Buffer
	cmd := exec.CommandContext(b.ctx, argv[0], argv[1:]...)
	cmd.Stderr = &stderr
	start := time.Now()
	err := cmd.Run()
	wall := time.Since(start)
	if err != nil {
		return sample{}, fmt.Errorf("%s: %w\n%s", strings.Join(argv, " "), err, stderr.Bytes())
	}
	usage := cmd.ProcessState.SysUsage().(*syscall.Rusage)
	cpu := cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
	return sample{Wall: wall.Seconds(), CPU: cpu.Seconds(), RSS: usage.Maxrss << 10}, nil
}

// plain runs a command that is not measured.
func (b *bench) plain(argv ...string) error {
	_, err := b.time(argv)
	return err
}

func median[T cmp.Ordered](samples []sample, of func(sample) T) T {
	values := make([]T, len(samples))
	for i, s := range samples {
		values[i] = of(s)
	}
	slices.Sort(values)
	return values[len(values)/2]
}

func wall(s sample) float64 { return s.Wall }
func cpu(s sample) float64  { return s.CPU }
func rss(s sample) int64    { return s.RSS }

func printTable(w io.Writer, results []result) {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	defer t.Flush()
	fmt.Fprintln(t, "CASE\tPEER\tWALL RATIO\tGOAL\tCPU RATIO\tOURS s (range)\tPEER s (range)\tOURS CPU s\tPEER CPU s\tOURS MiB\tPEER MiB")
	for _, r := range results {
		goal := "-"
		if r.Goal > 0 {
			goal = fmt.Sprintf("%.2f", r.Goal)
		}
		fmt.Fprintf(t, "%s\t%s\t%.2f\t%s\t%.2f\t%s\t%s\t%.3f\t%.3f\t%d\t%d\n", r.Name, r.Peer,
			median(r.Ours, wall)/median(r.Other, wall), goal, median(r.Ours, cpu)/median(r.Other, cpu),
			walls(r.Ours), walls(r.Other), median(r.Ours, cpu), median(r.Other, cpu),
			median(r.Ours, rss)>>20, median(r.Other, rss)>>20)
	}
}

func walls(samples []sample) string {
	lowest := slices.MinFunc(samples, func(a, b sample) int { return cmp.Compare(a.Wall, b.Wall) })
	highest := slices.MaxFunc(samples, func(a, b sample) int { return cmp.Compare(a.Wall, b.Wall) })
	return fmt.Sprintf("%.3f (%.3f–%.3f)", median(samples, wall), lowest.Wall, highest.Wall)
}
