package cli

import (
	"encoding/json"
	"io"
	"sync"
	"time"
)

// Unit is what the numbers of a progress report count.
type Unit string

// The units that commands report in.
const (
	Bytes   Unit = "bytes"
	Files   Unit = "files"
	Objects Unit = "objects"
)

// Progress declares the option --progress, for a command that takes time and
// makes a Meter.
func (f *Flags) Progress() {
	f.Choice(&f.env.progress, "progress", "", "HOW", []string{"auto", "bar", "json", "none"},
		"Progress on standard error: auto (a bar on a terminal), bar, json (an object a line) or none")
}

// A Meter shows how far one operation is. The zero Meter, and a nil one, show
// nothing and cost nothing.
type Meter struct {
	mu    sync.Mutex
	draw  drawer
	begun time.Time
	last  time.Time
	done  int64
	total int64
}

// drawer is a way to show progress.
type drawer interface {
	update(done, total int64)
	finish(done, total int64)
}

// barDelay is how long an operation runs before it gets a bar, and interval
// how often what is shown may change.
const (
	barDelay = 300 * time.Millisecond
	interval = 100 * time.Millisecond
)

// Meter makes the progress display for an operation: a bar when standard
// error is a terminal, JSON lines when the user asked for them, or nothing.
func (e *Env) Meter(operation string, unit Unit) *Meter {
	switch e.progress {
	case "json":
		return &Meter{draw: &jsonLines{w: e.Stderr, operation: operation, unit: unit}}
	case "bar":
		return &Meter{draw: &bar{w: e.Stderr, operation: operation, unit: unit}}
	case "", "auto":
		if isTerminal(e.Stderr) {
			return &Meter{draw: &bar{w: e.Stderr, operation: operation, unit: unit}, begun: time.Now()}
		}
	}
	return nil
}

// Func is what a library calls with the work done and the whole of it, in the
// meter's unit; a negative total is not known yet. It is nil for a meter that
// shows nothing.
func (m *Meter) Func() func(done, total int64) {
	if m == nil || m.draw == nil {
		return nil
	}
	return m.update
}

func (m *Meter) update(done, total int64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.done, m.total = done, total
	now := time.Now()
	if now.Sub(m.last) < interval || now.Sub(m.begun) < barDelay {
		return
	}
	m.last = now
	m.draw.update(done, total)
}

// Done ends the display; a bar disappears.
func (m *Meter) Done() {
	if m == nil || m.draw == nil {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.draw.finish(m.done, m.total)
}

// jsonLines writes each state as one JSON object on a line of its own.
type jsonLines struct {
	w         io.Writer
	operation string
	unit      Unit
}

type progressLine struct {
	Operation string `json:"operation"`
	Unit      Unit   `json:"unit"`
	Done      int64  `json:"done"`
	Total     *int64 `json:"total,omitempty"` // absent while unknown
	Finished  bool   `json:"finished,omitempty"`
}

func (j *jsonLines) update(done, total int64) { j.write(done, total, false) }
func (j *jsonLines) finish(done, total int64) { j.write(done, total, true) }

func (j *jsonLines) write(done, total int64, finished bool) {
	line := progressLine{Operation: j.operation, Unit: j.unit, Done: done, Finished: finished}
	if total >= 0 {
		line.Total = &total
	}
	json.NewEncoder(j.w).Encode(line)
}
