// entry.go: what may run, and what is known of it.

package cron

import (
	"context"
	"time"

	"github.com/workerhost/workerhost/host/internal/cron/schedule"
)

// Entry is what may run. It never changes.
type Entry struct {
	Name     string
	What     string // for people
	Schedule schedule.Schedule
	Overlap  bool          // a run may begin while the one before is under way
	Jitter   time.Duration // longest time that a run is put off; 0 is not at all
	Timeout  time.Duration // for a run
	CatchUp  int           // most missed runs that are made up for
	// Do is a run. It ends soon when ctx does, whose cause says why; with [ErrEnding] it may go on as long as the
	// host lets it; with [ErrLeftOut] it counts as left out. output is the end of what it said.
	Do func(ctx context.Context) (output string, err error)
}

// entry is one with its past. The room's mu guards it.
type entry struct {
	Entry
	at        time.Time   // the next time by the schedule; zero: there is none
	due       time.Time   // when that begins
	done      time.Time   // until when all by the schedule has begun, or was left out
	owed      []time.Time // runs to make up for, by their times; zero is one whose time is not known
	running   int
	elsewhere bool // a run is under way in the host before
	history   []Result
	counts    Counts
}

// Counts are those of an entry, restarts of the host included.
type Counts struct {
	Runs    uint64 `json:"runs"`    // that are over
	Failed  uint64 `json:"failed"`  // of them
	Skipped uint64 `json:"skipped"` // left out, since the one before was under way
	Missed  uint64 `json:"missed"`  // left out, since their time was over
}

// Why says what a run is for, other than that its time has come.
type Why struct {
	ByHand   bool `json:"by_hand,omitempty"`
	CaughtUp bool `json:"caught_up,omitempty"`
}

// Result is a run that is over.
type Result struct {
	Began time.Time     `json:"began"`
	Took  time.Duration `json:"took"`
	Why
	Error  string `json:"error,omitempty"`  // "" is that it went well
	Output string `json:"output,omitempty"` // the end of what it said
	// LeftOut is one that has done nothing: it is counted, and not kept.
	LeftOut bool `json:"left_out,omitempty"`
	// Elsewhere is one that another host has begun: it is another's to count.
	Elsewhere bool `json:"elsewhere,omitempty"`
}

// Status is an entry at one moment.
type Status struct {
	Entry
	Next    time.Time // by the schedule; zero: none
	Running int
	History []Result // the latest last
	Counts
}

// mostHistory is how many results are kept.
const mostHistory = 10

func (e *entry) busy() bool { return e.running > 0 || e.elsewhere }

func (e *entry) schedule() string { return e.Schedule.String() + " " + e.Schedule.Zone().String() }

func (e *entry) sameTimes(other Entry) bool {
	return e.schedule() == (&entry{Entry: other}).schedule() && e.Jitter == other.Jitter
}

// add notes the end of a run.
func (e *entry) add(result Result) {
	if result.Elsewhere {
		return
	}
	if result.LeftOut {
		e.counts.Skipped++
		return
	}
	e.counts.Runs++
	if result.Error != "" {
		e.counts.Failed++
	}
	e.history = append(e.history[max(0, len(e.history)+1-mostHistory):len(e.history):len(e.history)], result)
}

// Status lists the entries, in their order.
func (r *Room) Status() []Status {
	r.mu.Lock()
	defer r.mu.Unlock()
	all := make([]Status, len(r.entries))
	for i, e := range r.entries {
		all[i] = Status{Entry: e.Entry, Next: e.at, Running: e.running, History: e.history, Counts: e.counts}
		if e.elsewhere {
			all[i].Running++
		}
	}
	return all
}
