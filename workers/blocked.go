// Blocked workers: code that blocks holds up all that its worker has at hand. Such a worker does not answer PING, gets
// nothing more until it does, and the log says for how long it was so, and where.

package workers

import (
	"slices"
	"sync"
	"time"
)

const (
	probeEvery = 500 * time.Millisecond // between PINGs to a busy worker of many
	blockedAt  = 500 * time.Millisecond // a PING that is unanswered for so long
	mostPlaces = 64                     // that a generation's log names
)

// block is a worker's being blocked. Owned by run, but for where.
type block struct {
	since    time.Time
	requests int
	where    chan []any // gets where its code stands, for the log; nil: that is not asked
}

// places are those where a generation's workers have been blocked. It is safe for concurrent use.
type places struct {
	mu   sync.Mutex
	told map[string]bool
}

// news says whether the place has not been told of.
func (p *places) news(place string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.told[place] || len(p.told) >= mostPlaces {
		return false
	}
	if p.told == nil {
		p.told = map[string]bool{}
	}
	p.told[place] = true
	return true
}

// isProbed says whether the worker has several requests at hand on one thread, each of which may hold up the others.
func (w *worker) isProbed() bool {
	return w.offer.concurrency > 1 && !w.offer.ready.Has(threadsFeature)
}

// watchBlock notes when a worker that is probed does not answer, and when it does again. In run; it never waits.
func (w *worker) watchBlock(now time.Time, state State, answered bool, at time.Time) {
	b := w.watched.block
	switch {
	case b == nil && !answered && state == Busy && now.Sub(w.watched.pinged) >= blockedAt && w.isProbed() &&
		!w.watched.pinged.IsZero() && !w.watched.pinged.After(now):
		b = &block{since: w.watched.pinged, requests: len(w.attempts())}
		w.watched.block = b
		w.gen.counts.blocks.Add(1)
		w.pool.dispatch.sideline(w)
		if w.gen.settings.SlowTrace {
			b.where = make(chan []any, 1)
			w.pool.tasks.Go(func() { b.where <- w.whereabouts() }) // ends after backtraceTimeout
		}
	case b != nil && answered:
		w.watched.block = nil
		w.pool.dispatch.readmit(w)
		w.pool.tasks.Go(func() { w.tellBlock(b, at.Sub(b.since)) })
	}
}

// tellBlock logs that the worker was blocked, once for each place that is known.
func (w *worker) tellBlock(b *block, took time.Duration) {
	var where []any
	place := ""
	if b.where != nil {
		where = <-b.where
		place, _ = where[1].(string)
	}
	if !w.gen.blocked.news(place) {
		return
	}
	args := append([]any{"for", rounded(took), "requests", b.requests}, where...)
	if b.where == nil {
		args = append(args, "remedy", "slow_trace shows where")
	}
	w.log.Warn("worker was blocked: none of its requests went on meanwhile", args...)
}

// sideline takes a worker that is blocked out of dispatch, until readmit.
func (d *dispatcher) sideline(w *worker) {
	d.mu.Lock()
	defer d.mu.Unlock()
	w.duty.blocked = time.Now()
	d.unlist(w)
	d.noteCrowding()
}

// readmit has a worker get requests again.
func (d *dispatcher) readmit(w *worker) {
	d.mu.Lock()
	if w.duty.blocked.IsZero() {
		d.mu.Unlock()
		return
	}
	w.duty.blocked = time.Time{}
	if w.admits() && !w.duty.listed {
		d.free = append(d.free, w)
		w.duty.listed = true
	}
	d.serveQueue() // unlocks
}

// unlist takes a worker out of those with room. Under mu.
func (d *dispatcher) unlist(w *worker) {
	if i := slices.Index(d.free, w); i >= 0 {
		d.free = slices.Delete(d.free, i, i+1)
	}
	w.duty.listed = false
}
