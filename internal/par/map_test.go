package par_test

import (
	"context"
	"errors"
	"iter"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/treenail/treenail/internal/par"
)

var errBad = errors.New("bad")

// count yields 0, 1, … n-1, then an error if fail.
func count(n int, fail bool, yielded *atomic.Int64) iter.Seq2[int, error] {
	return func(yield func(int, error) bool) {
		for i := range n {
			yielded.Add(1)
			if !yield(i, nil) {
				return
			}
		}
		if fail {
			yield(0, errBad)
		}
	}
}

func TestMap(t *testing.T) {
	for _, c := range []struct {
		name     string
		n        int
		fail     bool // of the input
		badAt    int  // of fn
		stopAt   int
		cancelAt int
		want     int // results
		err      error
	}{
		{name: "all", n: 100, badAt: -1, stopAt: -1, cancelAt: -1, want: 100},
		{name: "none", badAt: -1, stopAt: -1, cancelAt: -1},
		{name: "input fails", n: 10, fail: true, badAt: -1, stopAt: -1, cancelAt: -1, want: 10, err: errBad},
		{name: "fn fails", n: 100, badAt: 7, stopAt: -1, cancelAt: -1, want: 7, err: errBad},
		{name: "stop", n: 100, badAt: -1, stopAt: 5, cancelAt: -1, want: 5},
		{name: "cancel", n: 100, badAt: -1, stopAt: -1, cancelAt: 3, want: 3, err: context.Canceled},
	} {
		t.Run(c.name, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			var yielded, called atomic.Int64
			fn := func(ctx context.Context, i int) (int, error) {
				called.Add(1)
				if i == c.badAt {
					return 0, errBad
				}
				if c.cancelAt >= 0 && i >= c.cancelAt {
					<-ctx.Done()
				}
				time.Sleep(time.Duration(i%3) * 10 * time.Microsecond)
				return i, nil
			}
			var got []int
			var err error
			for v, e := range par.Map(ctx, count(c.n, c.fail, &yielded), 4, fn) {
				if err = e; e != nil {
					break
				}
				if len(got) == c.stopAt {
					break
				}
				if got = append(got, v); len(got) == c.cancelAt {
					cancel()
				}
			}
			var want []int
			for i := range c.want {
				want = append(want, i)
			}
			if !slices.Equal(got, want) || !errors.Is(err, c.err) {
				t.Errorf("%v, %v; want %v, %v", got, err, want, c.err)
			}
			if yielded.Load() != called.Load() {
				t.Errorf("%d items, %d calls", yielded.Load(), called.Load())
			}
		})
	}
}
