// What the pool tells of itself.

package workers

import (
	"cmp"
	"slices"
	"sync/atomic"
	"time"

	"github.com/workerhost/workerhost/workers/internal/process"
)

// Status is a pool at one moment.
type Status struct {
	Name       string
	Generation uint64 // the target; workers may be on another one during a roll, or after a failed one
	Directory  string
	Pinned     bool // the directory was reached by a symlink
	Queued     int  // requests that wait for a worker
	Waiting    int  // events of connections that do
	MinWorkers int  // how few and how many slots there may be; the same if the number is fixed
	MaxWorkers int
	Reloading  bool
	Roll       Progress // while Reloading
	Failure    string   // why the last boot failed, if no worker became ready since
	Workers    []WorkerStatus
}

// Progress is how far a reload is.
type Progress struct {
	Generation uint64 // that it brings in; 0 while it is being prepared
	Replaced   int
	Workers    int // to be replaced
}

// WorkerStatus is a slot of the pool.
type WorkerStatus struct {
	Slot       int
	PID        int // 0 while backing off, and while it waits to start until the first of its generation is ready
	State      State
	Generation uint64
	Inflight   int
	Blocked    time.Duration // for how long it has not answered PING, with several requests at hand; 0: it does
	Requests   uint64        // and events
	Memory     int64         // resident, in bytes, or its own if it was forked; 0 where it can't be known
	Uptime     time.Duration
	Restarts   int
	Restarted  string // why the slot was last restarted; "" if it never was
	SDK        string
	Parked     time.Duration // for how long it still is, while it is parked and its reload has completed
	Warming    string        // while it is starting: the warm-up request that it has

	process process.Process // nil while backing off
}

// serving is what Serving tells. run alone changes it, with generation and rolled.
type serving struct{ live, coming atomic.Uint64 }

// Serving tells which generation is live, and which one a reload under way brings in; each may be 0, which is none. It
// takes no lock.
func (p *Pool) Serving() (live, coming uint64) { return p.now.live.Load(), p.now.coming.Load() }

// Status never waits for a worker. Workers that start to replace one, and those that drain, come after the one that
// holds their slot.
func (p *Pool) Status() Status {
	st := Status{Name: p.name}
	processes := map[int]process.Process{}
	p.do(func() {
		st.Generation, st.Directory, st.Pinned = p.generation.number, p.generation.directory, p.generation.pinned
		st.MinWorkers, st.MaxWorkers = p.generation.settings.span()
		st.Reloading, st.Roll = p.roll != nil, p.rolled
		leaving := map[*slot][]*worker{}
		for w := range p.live {
			processes[w.pid()] = w.process
			if s := w.home; s.current != w {
				leaving[s] = append(leaving[s], w)
			}
		}
		for _, s := range p.slots {
			if s.current != nil {
				st.Workers = append(st.Workers, p.workerStatus(s, s.current))
			} else {
				st.Workers = append(st.Workers,
					WorkerStatus{Slot: s.index, State: p.vacancy(s), Generation: s.gen.number, Restarts: s.restarts,
						Restarted: s.why})
			}
			for _, w := range leaving[s] {
				st.Workers = append(st.Workers, p.workerStatus(s, w))
			}
			delete(leaving, s)
		}
		for s, workers := range leaving { // of slots that come or go
			for _, w := range workers {
				st.Workers = append(st.Workers, p.workerStatus(s, w))
			}
		}
		slices.SortStableFunc(st.Workers, func(a, b WorkerStatus) int { return cmp.Compare(a.Slot, b.Slot) })
	})
	st.Failure = p.lastFailure()
	p.dispatch.mu.Lock()
	st.Queued, st.Waiting = p.dispatch.queue.length, p.dispatch.patient.length
	p.dispatch.mu.Unlock()
	for i := range st.Workers {
		if p := processes[st.Workers[i].PID]; p != nil {
			st.Workers[i].Memory = p.Memory()
		}
	}
	return st
}

// workerStatus describes w. In run.
func (p *Pool) workerStatus(s *slot, w *worker) WorkerStatus {
	warming := ""
	if !w.isBooted() {
		w.mu.Lock()
		warming = w.link.warming
		w.mu.Unlock()
	}
	p.dispatch.mu.Lock()
	defer p.dispatch.mu.Unlock()
	st := WorkerStatus{
		Slot: s.index, PID: w.pid(), State: w.duty.state, Generation: w.gen.number, Inflight: w.duty.inflight,
		Requests: w.duty.requests, Uptime: time.Since(w.started),
		Restarts: s.restarts, Restarted: s.why, Warming: warming, process: w.process,
	}
	if st.State == Parked && !w.parking.until.IsZero() {
		st.Parked = max(0, time.Until(w.parking.until))
	}
	if !w.duty.blocked.IsZero() {
		st.Blocked = time.Since(w.duty.blocked)
	}
	if w.isReady() {
		st.SDK = w.offer.ready.SDK
	}
	return st
}
