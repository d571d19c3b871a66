// run.go: a run, from its beginning to what is noted of it.

package cron

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/hashicorp/go-hclog"
)

// Unknown is the name of an entry that there is not.
type Unknown struct {
	Name  string
	Known []string
}

// Error lists those there are.
func (u *Unknown) Error() string {
	if len(u.Known) == 0 {
		return "there is no [[cron]] in the configuration"
	}
	return fmt.Sprintf("there is no entry %q of cron; there are: %s", u.Name, joined(u.Known))
}

// ErrBusy is why nothing was begun by hand.
var ErrBusy = errors.New("a run is under way, and overlap is false: ask again when it has ended")

// ErrLeft is, too: the host is about to end, or another one takes over.
var ErrLeft = errors.New("this host begins no runs now")

// Run begins a run by hand, and says how it went once it is over. An error is why none began.
func (r *Room) Run(name string) (over <-chan Result, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.left || !r.began {
		return nil, ErrLeft
	}
	unknown := &Unknown{Name: name}
	for _, e := range r.entries {
		if e.Name != name {
			unknown.Known = append(unknown.Known, e.Name)
			continue
		}
		if e.busy() && !e.Overlap {
			return nil, ErrBusy
		}
		told := make(chan Result, 1)
		r.start(e, Why{ByHand: true}, time.Time{}, told)
		return told, nil
	}
	return nil, unknown
}

// ErrLeftOut is what Do of an entry returns that has done nothing, since what it did the last time is under way still.
var ErrLeftOut = errors.New("what was begun the last time is not over")

// start begins the run of a time, zero for one that has none. told, which may be nil, has room for one result. r.mu is
// held, and the room is not left.
func (r *Room) start(e *entry, why Why, at time.Time, told chan<- Result) {
	e.running++
	run := e.Entry
	r.all.Go(func() { // ends with the run, which has a time-out
		result := r.perform(run, why, at)
		r.mu.Lock()
		defer r.mu.Unlock()
		e.running--
		e.add(result)
		r.keep.write(r.entries, r.log)
		if told != nil {
			told <- result
		}
		if r.ended != nil {
			r.ended(run.Name, result)
		}
		if len(e.owed) > 0 {
			r.fire()
		}
	})
}

// perform is a run, with its lines in the log.
func (r *Room) perform(e Entry, why Why, at time.Time) Result {
	log := r.log.With("cron", e.Name)
	began := time.Now()
	if r.turns != nil {
		over, err := r.turns.take(r.stop, e.Name, at, e.Overlap)
		if errors.Is(err, errElsewhere) {
			log.Debug("another host has begun this run", "due", at)
			return Result{Began: began, Why: why, Elsewhere: true}
		}
		if err != nil {
			return r.ends(log, Result{Began: began, Why: why}, err)
		}
		defer over()
	}
	log.Info("a run begins", "what", e.What, "by_hand", why.ByHand, "caught_up", why.CaughtUp)
	ctx, cancel := context.WithTimeoutCause(r.stop, e.Timeout, fmt.Errorf("it did not end within %v", e.Timeout))
	defer cancel()
	output, err := e.Do(ctx)
	return r.ends(log, Result{Began: began, Took: time.Since(began), Why: why, Output: output}, err)
}

// ends notes how a run went.
func (r *Room) ends(log hclog.Logger, result Result, err error) Result {
	took := result.Took.Round(time.Millisecond).String()
	switch {
	case errors.Is(err, ErrLeftOut):
		result.Error, result.LeftOut = err.Error(), true
		log.Warn("a run is left out, since the one before is still under way")
	case err != nil:
		result.Error = err.Error()
		log.Error("a run failed", "error", err, "took", took)
	default:
		log.Info("a run is over", "took", took)
	}
	return result
}

func joined(names []string) (text string) {
	for i, name := range names {
		if i > 0 {
			text += ", "
		}
		text += name
	}
	return text
}
