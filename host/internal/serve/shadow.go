// shadow.go is the reload after which nothing has changed: new code starts beside each pool, is shown copies of safe
// requests, and its answers are compared with those that the clients got. Then it ends.

package serve

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/workerhost/workerhost/host/internal/cli"
	"github.com/workerhost/workerhost/host/internal/config"
	"github.com/workerhost/workerhost/host/internal/control"
	"github.com/workerhost/workerhost/host/internal/shadow"
	"github.com/workerhost/workerhost/workers"
)

const (
	shadowTime     = 2 * time.Minute  // unless another one is asked for
	shadowPatience = 10 * time.Second // for how long new code may be silent
	shadowEnd      = 5 * time.Second  // what it still does at the end has so long
	copiesEach     = 4                // that a worker of new code may have waiting
	mostCopies     = 64               // at a time, since the answers to each are kept meanwhile
)

// shadowed is one pool's part of a shadow.
type shadowed struct {
	next      plannedPool
	candidate *pool
	run       *shadow.Run
	share     float64
	workers   int
}

// shadow has new code of the pools looked at, instead of putting it live.
func (p *pass) shadow() {
	all, took, err := p.planShadow()
	if err == nil {
		defer p.endShadow(all)
		err = p.startShadow(all)
	}
	if err != nil {
		p.verdict.outcome = control.NotDone
		if p.host.stopping.Err() != nil {
			p.verdict.outcome = control.HostStopped
		}
		p.verdict.looked = "nothing was changed: mend what is told above, and ask again"
		p.host.log.Error("reload: there can be no shadow, and nothing was changed", "error", err)
		p.account.Add(control.Event{Kind: control.ConfigFailed, Error: err.Error()})
		return
	}
	for _, s := range all {
		s.next.old.tap.Listen(s.run)
		what := fmt.Sprintf("for %s, copies of %s of the safe requests go to %s of generation %d, whose answers "+
			"nobody gets; but what it writes, to a database or elsewhere, stays", config.FormatDuration(took),
			percent(s.share), cli.Counted(s.workers, "new worker"), s.candidate.workers.Status().Generation)
		p.host.log.Info("reload: shadow: "+what, "pool", s.next.config.Name)
		p.account.Add(s.event(control.ShadowBegun, what))
	}
	p.listens(all, took)
	p.judgeShadow(all)
}

// planShadow says which pools have a shadow, and for how long.
func (p *pass) planShadow() (all []*shadowed, took time.Duration, err error) {
	ask := p.ask.Shadow
	if !(ask.Share > 0 && ask.Share <= 100) || ask.Requests < 0 || ask.For < 0 || ask.For > longest.Seconds() {
		return nil, 0, fmt.Errorf("a shadow has more than 0%% and at most 100%% of the safe requests, for %v at most",
			longest)
	}
	var ignore []*regexp.Regexp
	for _, text := range ask.Ignore {
		pattern, err := regexp.Compile(text)
		if err != nil {
			return nil, 0, fmt.Errorf("what is to be ignored is no regular expression: %w", err)
		}
		ignore = append(ignore, pattern)
	}
	for _, next := range p.plan.pools {
		c := next.config
		if next.old == nil || c.Reload == "never" || len(p.ask.Pools) > 0 && !slices.Contains(p.ask.Pools, c.Name) {
			continue
		}
		if err := canHaveShadow(next); err != nil {
			return nil, 0, fmt.Errorf("pool %s: %w", c.Name, err)
		}
		s := &shadowed{next: next, share: ask.Share / 100}
		s.workers = max(1, int(math.Ceil(s.share*float64(cmp.Or(c.MaxWorkers, c.Workers)))))
		s.run = shadow.NewRun(shadow.Settings{Share: s.share, Requests: ask.Requests, Ignore: ignore,
			Most:     min(mostCopies, copiesEach*s.workers),
			Patience: min(shadowPatience, cmp.Or(c.RequestTimeout, shadowPatience)), // 0 is for ever
		})
		all = append(all, s)
	}
	if len(all) == 0 {
		return nil, 0, errors.New("no pool that is reloaded runs yet, so there is nothing to compare new code with")
	}
	return all, cmp.Or(cli.FromSeconds(ask.For), shadowTime), nil
}

// canHaveShadow says why a pool can't.
func canHaveShadow(next plannedPool) error {
	c, old := next.config, next.old
	switch {
	case c.InPlace:
		return errors.New("in_place lets only one worker be there at a time, so new code can't be looked at beside " +
			"the old")
	case c.Kind == config.FastCGI:
		return errors.New("the host does not start its FastCGI server, so it can't start another one of new code: " +
			"with fpm = true the host starts php-fpm itself")
	}
	<-old.started
	if !old.running.Load() {
		return errors.New("the pool could not be started; the host's log says why")
	}
	if old.leaks != nil {
		return errors.New("a host that looks for leaks (--leaks) shows no code copies of requests")
	}
	return nil
}

// startShadow starts the new code, and waits until all of it is ready.
func (p *pass) startShadow(all []*shadowed) error {
	var boots sync.WaitGroup
	failed := make([]error, len(all))
	for i, s := range all {
		old, name := s.next.old, s.next.config.Name
		var err error
		s.candidate, err = p.beside(old, s.next.config, s.workers, func(set *workers.Settings) {
			set.Logger = set.Logger.With("shadow", "candidate")
			set.Hub = s.run.Hub(old.realm.asked)
		})
		if err != nil {
			return fmt.Errorf("pool %s: %w", name, err)
		}
		s.candidate.tries = old
		s.run.Ask(s.candidate.workers)
		if resolved, err := s.next.config.Resolved(); err == nil &&
			s.next.config.Kind != config.GoPackage && resolved == old.workers.Status().Directory {
			p.account.Add(control.Event{Kind: control.Warned, What: "pool " + name + ": its code is edited in " +
				"place, in " + resolved + ", so that what old workers load from now on is new code, too"})
		}
		boots.Go(func() {
			if err := s.candidate.boot(); err != nil {
				failed[i] = fmt.Errorf("pool %s: the new code does not start: %w", name, err)
			}
		})
	}
	boots.Wait()
	return errors.Join(failed...)
}

// listens waits until the time is over, or all pools have compared enough.
func (p *pass) listens(all []*shadowed, took time.Duration) {
	ctx, cancel := context.WithTimeout(p.wanted, took)
	defer cancel()
	for _, s := range all {
		select {
		case <-s.run.Enough():
		case <-ctx.Done():
		}
	}
	ctx, enough := context.WithTimeout(p.wanted, shadowEnd)
	defer enough()
	for _, s := range all {
		s.next.old.tap.Listen(nil)
		s.run.Close(ctx)
	}
}

// judgeShadow says what came of it.
func (p *pass) judgeShadow(all []*shadowed) {
	compared, differ := 0, 0
	for _, s := range all {
		found := s.run.Report()
		compared, differ = compared+found.Compared, differ+found.Differ
		what := fmt.Sprintf("%d of %s differ", found.Differ, cli.Counted(found.Compared, "answer"))
		e := s.event(control.ShadowOver, what)
		if e.Outcome = control.Done; found.Differ > 0 {
			e.Outcome = control.TurnedBack
		}
		p.host.log.Info("reload: the shadow is over: "+what, "pool", s.next.config.Name, "acting", found.Acting)
		p.account.Add(e)
	}
	v := &p.verdict
	switch {
	case p.host.stopping.Err() != nil:
		v.outcome = control.HostStopped
	case p.aborted.Load():
		v.outcome = control.WasAborted
		v.looked = "the shadow was aborted, and nothing was changed"
	case differ > 0:
		v.outcome = control.TurnedBack
		v.looked = fmt.Sprintf("nothing was changed: the new code differs in %d of %s. If that is meant, or comes of "+
			"chance (--ignore), reload", differ, cli.Counted(compared, "answer"))
	case compared == 0:
		v.outcome = control.NotDone
		v.looked = "nothing was compared, since no safe request came that could be: ask again with a greater share, " +
			"or for a longer time"
	}
}

// endShadow ends the new code. Nobody waits for what it does still.
func (p *pass) endShadow(all []*shadowed) {
	soon, cancel := context.WithTimeout(p.host.now, shadowEnd)
	defer cancel()
	var ends sync.WaitGroup
	for _, s := range all {
		if s.candidate != nil {
			ends.Go(func() { p.host.stopBeside(s.candidate, soon) })
		}
	}
	ends.Wait()
}

func (s *shadowed) event(kind control.Kind, what string) control.Event {
	shown := s.view()
	return control.Event{Kind: kind, Pool: s.next.config.Name, Generation: shown.Generation,
		Directory: shown.Directory, Workers: s.workers, Shadow: shown, What: what}
}

// view is a shadow as the API has it.
func (s *shadowed) view() *control.Shadow {
	found, st := s.run.Report(), s.candidate.workers.Status()
	shown := &control.Shadow{Share: 100 * s.share, Workers: s.workers, Generation: st.Generation,
		Directory: st.Directory, Drawn: found.Drawn, Compared: found.Compared, Differ: found.Differ,
		Large: found.Large, By: found.By, Acting: found.Acting, Refused: found.Refused, LeftOut: found.Left}
	for i, to := range []*control.ShadowSide{&shown.Old, &shown.New} {
		to.Typical, to.Statuses = control.Millis(found.Sides[i].Typical), map[string]int{}
		for class, n := range found.Sides[i].Statuses {
			if n > 0 {
				to.Statuses[strings.Replace(fmt.Sprintf("%dxx", class), "0xx", "none", 1)] = n
			}
		}
	}
	for _, e := range found.Examples {
		shown.Examples = append(shown.Examples, control.ShadowExample{Request: e.Request, ID: e.ID, What: e.What,
			Old: e.Old, New: e.New, Times: e.Times})
	}
	return shown
}
