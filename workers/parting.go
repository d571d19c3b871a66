// Parting: a worker has said that it ends by itself (SPEC.md §8.5). It gets nothing from then on, and another one
// takes its place as soon as it is done, for what runs at the end of its process may take a while.

package workers

import (
	"slices"

	"github.com/workerhost/workerhost/protocol"
	"github.com/workerhost/workerhost/workers/internal/wait"
)

// onEnding takes the worker out of dispatch, and what it will never begin from it. The reader calls it.
func (w *worker) onEnding(m *protocol.Ending) {
	if !w.reader.greeted {
		return // its boot fails
	}
	w.mu.Lock()
	first := w.link.phase == linkOpen
	if first {
		w.link.enters(linkParting) // no stream opens any more
	}
	var left []*attempt
	for id, a := range w.link.streams {
		if id > m.Last {
			left = append(left, a)
		}
	}
	w.mu.Unlock()
	w.pool.dispatch.retract(w)
	slices.SortFunc(left, func(a, b *attempt) int { return int(b.id) - int(a.id) }) // the oldest ends up first
	for _, a := range left {
		a.onReset(&protocol.Reset{Code: protocol.ResetRefused, Reason: "its worker ends"})
		w.done(a, nil)
	}
	if first {
		go w.pool.do(func() { // the reader must not wait
			if !w.pool.stopping {
				w.pool.tasks.Go(w.part)
			}
		})
	}
}

// partingGrace is for a process that ends at once, as most do: its exit status is told with the news that it ended.
const partingGrace = respawnGap

// partingMost is how many processes a pool may have, for each of its workers, before one that ends keeps its place
// until it or another one has gone: code that exits in each request must not fill the machine with processes that end
// slowly.
const partingMost = 4

// part has another worker started once this one is done, and ends one that does not end.
func (w *worker) part() {
	select {
	case <-w.pool.dispatch.drained(w):
	case <-w.end.gone:
	}
	if wait.Within(w.end.gone, partingGrace) {
		return
	}
	limit := w.gen.settings.DrainTimeout
	w.pool.do(func() {
		w.watched.lingers = w.isReady() && !w.gen.settings.InPlace
		w.pool.relieve(w.home)
	})
	if !wait.Within(w.end.gone, limit) {
		w.log.Warn("worker said that it ends, and has not: it is ended", "drain_timeout", limit.String())
		w.stop()
	}
	w.log.Info("worker that said that it ends has ended", "exit", w.end.exit)
}

// relieve has another worker started in the place of one that lingers, if there may be one process more. In run.
func (p *Pool) relieve(s *slot) {
	w := s.current
	if w == nil || !w.watched.lingers {
		return
	}
	processes := len(p.live)
	for _, s := range p.slots {
		if s.current == nil { // it is about to have one
			processes++
		}
	}
	if processes < partingMost*len(p.slots) {
		p.vacate(s, w)
	}
}

// exit is how the worker's process has ended, or that it is about to.
func (w *worker) exit() string {
	if w.process == nil || wait.Within(w.end.exited, 0) {
		return w.end.exit
	}
	return "it said that it ends"
}
