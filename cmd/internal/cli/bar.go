package cli

import (
	"fmt"
	"io"

	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"
)

// bar draws progress as a line that rewrites itself; it is made at its first
// update, so a quick operation never shows one.
type bar struct {
	w         io.Writer
	operation string
	unit      Unit

	container *mpb.Progress
	line      *mpb.Bar
}

func (b *bar) update(done, total int64) {
	if b.container == nil {
		b.start(total >= 0)
	}
	if total >= 0 {
		b.line.SetTotal(total, false)
	}
	b.line.SetCurrent(done)
}

// start makes the line, with a bar in it when the whole of the work is known.
func (b *bar) start(known bool) {
	b.container = mpb.New(mpb.WithOutput(b.w), mpb.WithWidth(72), mpb.WithAutoRefresh())
	filler := mpb.BarStyle().Build()
	if !known {
		filler = mpb.NopStyle().Build()
	}
	speed := decor.AverageSpeed(0, "%.0f/s")
	if b.unit == Bytes {
		speed = decor.AverageSpeed(decor.SizeB1000(0), "% .1f")
	}
	count := decor.Any(func(s decor.Statistics) string { return b.count(s.Current, s.Total, known) })
	b.line = b.container.MustAdd(0, filler,
		mpb.PrependDecorators(decor.Name(b.operation+" ")),
		mpb.AppendDecorators(count, decor.Name("  "), speed))
}

func (b *bar) count(done, total int64, known bool) string {
	text := func(n int64) string { return fmt.Sprint(n) }
	if b.unit == Bytes {
		text = func(n int64) string { return Size(uint64(n)) }
	}
	if !known {
		return text(done)
	}
	return text(done) + " / " + text(total)
}

func (b *bar) finish(int64, int64) {
	if b.container == nil {
		return
	}
	b.line.Abort(true)
	b.container.Wait()
}
