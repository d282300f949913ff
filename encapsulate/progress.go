package encapsulate

import "sync"

// progress adds up what all layers have written.
type progress struct {
	mu          sync.Mutex
	done, total int64
	report      func(done, total int64)
}

func newProgress(report func(done, total int64), t *Tree) *progress {
	p := &progress{report: report}
	for _, c := range t.contents {
		p.total += c.size
	}
	return p
}

func (p *progress) add(n int64) {
	if p.report == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.done += n
	p.report(p.done, p.total)
}
