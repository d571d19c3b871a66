// Package cron runs what is due by the clock, once each time. There is one timer for all entries, and none without
// entries. A run never begins twice: not by a change of the clocks (package schedule), nor in the host that takes
// over from this one, since a room says until when all has been begun, and its heir goes on from there; nor in several
// hosts that share [Turns]. A run that the death of the host cuts does not begin again. The package knows no
// configuration, and not what it is that runs.
//
// entry.go is what may run, run.go a run, keep.go what is known of runs after a restart, heir.go the next host's,
// turns.go which host runs what.
package cron

import (
	"context"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"
)

const (
	// longestSleep is after how long the clock is looked at anew: it may be put forward meanwhile.
	longestSleep = time.Minute
	// missed is how late a run can be and still begin; the machine has slept, or the clock was put forward.
	missed = 2 * time.Minute
)

// Room has the entries. Its methods are safe for concurrent use.
type Room struct {
	log  hclog.Logger
	now  context.Context // ends when runs are to end at once
	all  sync.WaitGroup  // of runs; added to under mu, while not left
	stop context.Context // ends runs that heed it: the host stops
	end  context.CancelCauseFunc

	turns *Turns // nil: each run is this host's; set before Start

	mu      sync.Mutex
	entries []*entry // guarded by mu, as all below
	keep    keeper
	began   bool
	left    bool
	timer   *time.Timer // nil until something is due
	ended   func(name string, result Result)
}

// New makes a room without entries. Ending now ends the runs that are under way.
func New(now context.Context, log hclog.Logger) *Room {
	r := &Room{log: log, now: now}
	r.stop, r.end = context.WithCancelCause(now)
	return r
}

// Share has each run be begun by one of the hosts that share t. It comes before Start.
func (r *Room) Share(t *Turns) { r.turns = t }

// Start starts the clock of the room. open gives the file where it keeps what has run when, once there is an entry;
// nil is nowhere. What was missed since that was written is made up for, as far as entries want that. before is what
// the room of the host before has handed over; nil is that there was none.
func (r *Room) Start(open func() (string, error), before Handed) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.began || r.left {
		return
	}
	r.began = true
	r.keep.open = open
	now := time.Now()
	for _, e := range r.entries {
		r.arrive(e, now)
		if from, ok := before[e.Name]; ok {
			e.owed, e.elsewhere = from.owed(), from.Running
			e.plan(from.Until)
		}
	}
	if len(r.entries) > 0 {
		r.keep.write(r.entries, r.log)
	}
	r.fire()
}

// Set has these entries in the place of those before. An entry keeps its name's past; runs under way go on.
func (r *Room) Set(entries []Entry) {
	r.mu.Lock()
	defer r.mu.Unlock()
	before := map[string]*entry{}
	for _, e := range r.entries {
		before[e.Name] = e
	}
	now := time.Now()
	r.entries = nil
	for _, next := range entries {
		e := before[next.Name]
		if e == nil {
			e = &entry{Entry: next}
			if r.began {
				r.arrive(e, now)
			}
		} else {
			moved := !e.sameTimes(next)
			e.Entry = next
			if moved && r.began {
				e.owed = nil
				e.plan(now)
			}
		}
		r.entries = append(r.entries, e)
	}
	if r.began && !r.left && len(r.entries)+len(before) > 0 {
		r.keep.write(r.entries, r.log)
		r.fire()
	}
}

// arrive plans an entry that comes in at now, by what is known of it. r.mu is held.
func (r *Room) arrive(e *entry, now time.Time) {
	e.plan(now)
	r.keep.read(r.log)
	past, known := r.keep.past[e.Name]
	if !known {
		return
	}
	e.history, e.counts, e.done = past.History, past.Counts, past.Done
	if past.Schedule != e.schedule() || past.Done.IsZero() {
		return
	}
	n := 0
	for at := e.Schedule.Next(past.Done); n <= e.CatchUp && !at.IsZero() && !at.After(now); at = e.Schedule.Next(at) {
		if n++; n <= e.CatchUp {
			e.owed = append(e.owed, at)
		}
	}
	if n == 0 {
		return
	}
	r.log.Warn("runs were missed while no host ran", "cron", e.Name, "since", past.Done.Format(time.RFC3339),
		"made_up_for", len(e.owed))
}

// fire begins what is due, and sets the timer. r.mu is held.
func (r *Room) fire() {
	if r.left || !r.began {
		return
	}
	now := time.Now()
	var first time.Time
	changed := false
	for _, e := range r.entries {
		if !e.due.IsZero() && !e.due.After(now) {
			late := now.Sub(e.due)
			switch {
			case late > missed:
				e.counts.Missed++
				r.log.Warn("a run is left out, since its time is over: the machine has slept, or its clock was "+
					"changed", "cron", e.Name, "due", e.at.In(e.Schedule.Zone()).Format(time.RFC3339))
				if e.owed = nil; e.CatchUp > 0 {
					e.owed = []time.Time{e.at}
				}
			case e.busy() && !e.Overlap:
				e.counts.Skipped++
				r.log.Warn("a run is left out, since the one before is still under way", "cron", e.Name)
			default:
				r.start(e, Why{}, e.at, nil)
			}
			from := e.at
			if late > missed {
				from = now
			}
			e.plan(from)
			changed = true
		}
		if len(e.owed) > 0 && !e.busy() { // the end of the run has the next one begin
			at := e.owed[0]
			e.owed = e.owed[1:]
			r.start(e, Why{CaughtUp: true}, at, nil)
			changed = true
		}
		if !e.due.IsZero() && (first.IsZero() || e.due.Before(first)) {
			first = e.due
		}
	}
	if changed {
		r.keep.write(r.entries, r.log)
	}
	if first.IsZero() {
		return
	}
	pause := min(max(time.Until(first), 0), longestSleep)
	if r.timer == nil {
		r.timer = time.AfterFunc(pause, r.wake)
	} else {
		r.timer.Reset(pause)
	}
}

func (r *Room) wake() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.fire()
}

// Leave has nothing begin any more, and says for the next host what has. Runs under way go on; with an heir, which is
// the next host, their ends are its to write down.
func (r *Room) Leave(heir bool) Handed {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.left = true
	if heir {
		r.keep.file = ""
	}
	if r.timer != nil {
		r.timer.Stop()
	}
	handed := Handed{}
	for _, e := range r.entries {
		if r.began {
			handed[e.Name] = Hand{Until: e.done, Running: e.busy(), Debt: len(e.owed), Owed: e.owed}
		}
	}
	return handed
}

// ErrEnding is the cause with which End ends runs.
type ErrEnding struct{}

// Error is for the log.
func (ErrEnding) Error() string { return "the host stops" }

// End asks the runs under way to end; Leave comes before it.
func (r *Room) End() { r.end(ErrEnding{}) }

// Wait returns when no run is under way; Leave comes before it.
func (r *Room) Wait() { r.all.Wait() }

// plan finds the next time after from.
func (e *entry) plan(from time.Time) {
	e.at = e.Schedule.Next(from)
	if e.due = e.at; e.Jitter > 0 && !e.at.IsZero() {
		e.due = e.at.Add(time.Duration(rand.Int64N(int64(e.Jitter))))
	}
	e.done = from
}
