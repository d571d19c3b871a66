// rehearsal.go: both stacks are asked, at a pace and within bounds.

package rehearse

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"
)

// Settings bound a rehearsal.
type Settings struct {
	Rules
	Rate     float64       // requests of the log that begin in a second; 0 is without a pace
	Parallel int           // of them at a time; 0 is one
	For      time.Duration // after which none begins any more; 0 is without an end
}

// mostFailed is after how many requests without an answer of the old stack, with none that had one, it is given up.
const mostFailed = 5

// Rehearsal is one of two stacks. Its methods are safe for concurrent use.
type Rehearsal struct {
	settings Settings
	old, new Stack

	mu sync.Mutex
	// guarded by mu
	report *Report
	groups map[[2]string]*Group
	routes map[string]*Route
	times  [2][]time.Duration
}

// NewRehearsal makes one.
func NewRehearsal(old, new Stack, s Settings) *Rehearsal {
	return &Rehearsal{settings: s, old: old, new: new, report: newReport(old.Name(), new.Name()),
		groups: map[[2]string]*Group{}, routes: map[string]*Route{}}
}

// Run asks all, or as many as there is time for, and returns when nothing is under way any more. The error is about
// stacks that can't be asked; the end of the context is none.
func (r *Rehearsal) Run(ctx context.Context, all []Picked) error {
	wanted, giveUp := context.WithCancelCause(ctx)
	defer giveUp(nil)
	starts := wanted
	if r.settings.For > 0 {
		limited, cancel := context.WithTimeout(wanted, r.settings.For)
		defer cancel()
		starts = limited
	}
	places := make(chan struct{}, max(1, r.settings.Parallel))
	var under sync.WaitGroup
	defer under.Wait()
	var pace <-chan time.Time
	if r.settings.Rate > 0 {
		ticker := time.NewTicker(time.Duration(float64(time.Second) / r.settings.Rate))
		defer ticker.Stop()
		pace = ticker.C
	}
	begun := 0
asking:
	for i := range all {
		if i > 0 && pace != nil {
			select {
			case <-pace:
			case <-starts.Done():
				break asking
			}
		}
		select {
		case places <- struct{}{}:
		case <-starts.Done():
			break asking
		}
		if starts.Err() != nil {
			break
		}
		begun++
		under.Go(func() {
			defer func() { <-places }()
			r.round(wanted, &all[i])
			if why := r.hopeless(len(all)); why != nil {
				giveUp(why)
			}
		})
	}
	under.Wait()
	r.mu.Lock()
	defer r.mu.Unlock()
	r.report.NotAsked = len(all) - begun
	if ctx.Err() == nil && wanted.Err() != nil {
		return context.Cause(wanted)
	}
	return nil
}

// hopeless says why there is no sense in going on with so many requests.
func (r *Rehearsal) hopeless(all int) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	for i, name := range []string{"old", "new"} {
		side := r.report.sides()[i]
		if none := side.Statuses[noAnswer]; none >= min(mostFailed, all) && none == r.report.Asked {
			return fmt.Errorf("the %s stack, %s, has answered none of %d requests: %s", name, side.Name, none,
				r.report.why[i])
		}
	}
	return nil
}

// round asks one request: the old one before the new one and after it, so that what only passes shows in its answers.
// What differs then is asked once more.
func (r *Rehearsal) round(ctx context.Context, p *Picked) {
	ask := func(s Stack) *Answer { return s.Ask(ctx, &p.Request) }
	olds := []*Answer{ask(r.old)}
	news := []*Answer{ask(r.new)}
	olds = append(olds, ask(r.old))
	if ctx.Err() != nil {
		return
	}
	found := compare(p.Method, olds, news[0], &r.settings.Rules)
	passing := false
	if limited(olds) || news[0].Busy {
		r.note(p, olds, news, verdict{}, leftLimited)
		return
	}
	if len(found.differences) > 0 || found.unsteady {
		before := found.differences
		olds = append(olds, ask(r.old))
		news = append(news, ask(r.new))
		olds = append(olds, ask(r.old))
		if ctx.Err() != nil {
			return
		}
		found = compare(p.Method, olds, news[1], &r.settings.Rules)
		again := compare(p.Method, olds, news[0], &r.settings.Rules)
		found.differences = slices.DeleteFunc(found.differences, func(d Difference) bool {
			return !slices.ContainsFunc(again.differences, func(e Difference) bool { return d.Kind == e.Kind })
		})
		passing = len(before) > 0 && len(found.differences) == 0
	}
	left := ""
	switch {
	case passing:
		left = leftPassing
	case found.unsteady && len(found.differences) == 0:
		left = leftUnsteady
	}
	r.note(p, olds, news, found, left)
}

// limited says whether the old stack has had enough of us.
func limited(olds []*Answer) bool {
	return slices.ContainsFunc(olds, func(o *Answer) bool { return o.Status == 429 || o.Busy })
}
