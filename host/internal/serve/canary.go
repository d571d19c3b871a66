// canary.go is the part of a reload in which new code is tried on a share of the clients. Beside each pool two others
// start, of new code and, to compare with, of the old; what they do is weighed until there is a verdict, for all pools
// together. The pool itself learns of it only if it is good: it then rolls as ever.

package serve

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/workerhost/workerhost/host/internal/canary"
	"github.com/workerhost/workerhost/host/internal/cli"
	"github.com/workerhost/workerhost/host/internal/config"
	"github.com/workerhost/workerhost/host/internal/control"
	"github.com/workerhost/workerhost/host/internal/dial"
	"github.com/workerhost/workerhost/workers"
)

// canaryRun is the canary of a pass.
type canaryRun struct {
	pass         *pass
	pools        []*canaryPool
	step, atMost time.Duration
	steps        int
	looks        []time.Duration
	decided      chan bool // by a person: whether it is promoted; has room for one
	began        time.Time // set before serving

	mu sync.Mutex
	// guarded by mu
	serving bool // clients come, or came
	now     int  // the step under way, from 0
}

// longest is how long a canary may last, whatever is asked for.
const longest = 30 * 24 * time.Hour

// canaryPool is one pool's part of a canary.
type canaryPool struct {
	next               plannedPool
	control, candidate *pool
	old                uint64 // the generation that the control runs again
	shares             []float64
	limits             canary.Limits
	settings           canary.Settings
	trial              *canary.Trial
	workers            int

	mu    sync.Mutex
	judge canary.Judgement // guarded by mu
}

// canaryTick is how often workers are looked at, and a death is seen.
const canaryTick = time.Second

// tryOut tries the new code of those pools that are to have a canary; nil if none is. ok says that the pools may take
// it. The run has to be ended, after they did.
func (p *pass) tryOut(all []plannedPool) (run *canaryRun, ok bool) {
	run, err := p.newCanary(all)
	if err == nil && len(run.pools) == 0 {
		return nil, true
	}
	if err != nil {
		p.verdict.outcome = control.NotDone
		p.host.log.Error("reload: there can be no canary, and nothing was changed", "error", err)
		p.account.Add(control.Event{Kind: control.ConfigFailed, Error: err.Error()})
		return nil, false
	}
	p.canary.Store(run)
	if err := run.start(); err != nil {
		run.refused(err)
		return run, false
	}
	return run, run.lead()
}

// start starts the pools of the canary, and waits until all their workers are ready.
func (r *canaryRun) start() error {
	var all sync.WaitGroup
	failed := make([]error, 2*len(r.pools))
	for i, c := range r.pools {
		if err := c.make(r.pass); err != nil {
			return fmt.Errorf("pool %s: %w", c.next.config.Name, err)
		}
		for j, made := range []*pool{c.candidate, c.control} {
			all.Go(func() {
				if err := made.boot(); err != nil {
					what := "the new code"
					if j == 1 {
						what = "a fresh worker of the old code"
					}
					failed[2*i+j] = fmt.Errorf("pool %s: %s does not start: %w", made.name, what, err)
				}
			})
		}
	}
	all.Wait()
	if err := errors.Join(failed...); err != nil {
		return err
	}
	for _, c := range r.pools {
		if err := c.fits(); err != nil {
			return fmt.Errorf("pool %s: %w", c.next.config.Name, err)
		}
	}
	return nil
}

// make makes the two pools, without starting them.
func (c *canaryPool) make(p *pass) (err error) {
	old := c.next.old
	st := old.workers.Status()
	c.old = st.Generation
	c.candidate, err = p.beside(old, c.next.config, c.workers, func(s *workers.Settings) {
		s.Logger = s.Logger.With("canary", "candidate")
	})
	if err != nil {
		return err
	}
	c.candidate.tries = old
	settings := *old.config()
	settings.Unchecked = []string{"*"} // it runs already
	c.control, err = p.beside(old, &settings, c.workers, func(s *workers.Settings) {
		s.Logger = s.Logger.With("canary", "control")
		s.Directory = st.Directory
	})
	return err
}

// beside makes a pool of so many workers that stands beside another one.
func (p *pass) beside(old *pool, of *config.Pool, count int, change func(*workers.Settings)) (*pool, error) {
	return p.host.beside(old, p.plan.config, of, count, change)
}

func (h *host) beside(old *pool, c *config.Config, of *config.Pool, count int,
	change func(*workers.Settings)) (*pool, error) {
	settings := *of
	settings.Workers, settings.Unsized, settings.MaxWorkers, settings.Surge = count, false, 0, 1
	made, err := h.makePool(old.realm, c, &settings, old.fetches, func(s *workers.Settings) {
		s.Hub = old.realm.router(&dial.Owner{Pool: old.name, Backend: old.backend(), Most: old.owner.Most,
			Provisional: true, Of: old.owner})
		change(s)
	})
	if err == nil {
		made.beside = old
	}
	return made, err
}

// fits makes the trial, unless the new code wants to be asked in other ways than the old: what a client sends is read
// before it is known who answers.
func (c *canaryPool) fits() error {
	stable, candidate, control := c.next.old.workers.Traits(), c.candidate.workers.Traits(), c.control.workers.Traits()
	if stable.Events != candidate.Events || stable.Forms != candidate.Forms || stable.Local != candidate.Local ||
		stable.WholeBody != candidate.WholeBody {
		return errors.New("the new code handles other events, or takes forms or bodies in another way than the old, " +
			"so no client can stay with one of them: reload it without a canary, with --canary=off")
	}
	roots := slices.Concat(stable.FileRoots, candidate.FileRoots, control.FileRoots)
	c.trial = canary.NewTrial(c.settings, c.control.workers, c.candidate.workers, roots)
	return nil
}

// refused is for a canary that did not come to its first client.
func (r *canaryRun) refused(err error) {
	p := r.pass
	p.verdict.outcome = control.NotDone
	if p.host.stopping.Err() != nil {
		p.verdict.outcome = control.HostStopped
	}
	for _, c := range r.pools {
		name := c.next.config.Name
		p.verdict.broken = append(p.verdict.broken, name)
		p.account.Add(control.Event{Kind: control.Failed, Pool: name, Error: err.Error(),
			Running: running(c.next.old.workers.Status()), Workers: c.next.old.config().Workers})
	}
	p.host.log.Error("reload: the canary did not start, and nothing was changed", "error", err)
}

// lead has clients come, until there is a verdict.
func (r *canaryRun) lead() (ok bool) {
	p := r.pass
	r.began = time.Now()
	r.mu.Lock()
	r.serving = true
	r.mu.Unlock()
	for _, c := range r.pools {
		c.trial.SetShare(c.share(0))
		c.look()
		c.next.old.split.Divide(c.trial)
		c.next.old.trying.Store(c)
		st := c.candidate.workers.Status()
		r.tell(control.CanaryBegun, c, fmt.Sprintf("%s of the clients go to %s of generation %d, and as many to %s "+
			"of the old code, to compare with", percent(c.share(0)), cli.Counted(c.workers, "new worker"),
			st.Generation, cli.Counted(c.workers, "fresh worker")))
	}
	p.host.layFiles()
	tick := time.NewTicker(canaryTick)
	defer tick.Stop()
	look, stepped, points := 0, r.began, 0
	for {
		select {
		case <-tick.C:
		case promoted := <-r.decided:
			return r.byHand(promoted)
		case <-p.host.stopping.Done():
			p.verdict.outcome = control.HostStopped
			return false
		}
		passed := time.Since(r.began)
		points++
		for _, c := range r.pools {
			c.look()
			if points%2 == 0 {
				c.trial.Point()
			}
			if why := c.trial.Dead(); why != "" {
				c.weigh(len(r.looks), len(r.pools))
				return r.turnBack(c.next.config.Name+": "+why, "mend it")
			}
		}
		if look == len(r.looks) || passed < r.looks[look] {
			continue
		}
		for look < len(r.looks) && passed >= r.looks[look] {
			look++
		}
		well := true
		for _, c := range r.pools {
			j := c.weigh(len(r.looks), len(r.pools))
			if j.Worse() {
				return r.turnBack(c.next.config.Name+": "+worse(&j), "mend it")
			}
			well = well && j.Well()
		}
		switch {
		case well && time.Since(stepped) >= r.step-canaryTick && r.now == r.steps-1:
			return r.promote("the new code does as well as the old, as far as can be seen")
		case well && time.Since(stepped) >= r.step-canaryTick:
			r.nextStep()
			stepped = time.Now()
		case look == len(r.looks):
			return r.turnBack(r.undecided(), "give it more clients, or more time (--canary, --at-most)")
		}
	}
}

// share is what a pool's canary has in a step; one with fewer steps than others stays at its last.
func (c *canaryPool) share(step int) float64 { return c.shares[min(step, len(c.shares)-1)] }

func (r *canaryRun) nextStep() {
	r.mu.Lock()
	r.now++
	r.mu.Unlock()
	for _, c := range r.pools {
		c.trial.SetShare(c.share(r.now))
		r.tell(control.CanaryStep, c, fmt.Sprintf("%s of the clients go to the new code now", percent(c.share(r.now))))
	}
}

// look tells the trial of the workers.
func (c *canaryPool) look() {
	for arm, of := range map[canary.Arm]*pool{canary.Control: c.control, canary.Candidate: c.candidate} {
		var seen []canary.Worker
		for _, w := range of.workers.Status().Workers {
			seen = append(seen, canary.Worker{Slot: w.Slot, PID: w.PID, Requests: w.Requests, Memory: w.Memory,
				Restarts: w.Restarts, Restarted: w.Restarted})
		}
		c.trial.Sample(arm, seen)
	}
	for _, counts := range c.next.old.workers.Metrics().Generations {
		if counts.Generation == c.old {
			died := 0
			for _, why := range []string{"exited", "link broken", "unresponsive", "max_memory_hard"} {
				died += int(counts.Restarts[why])
			}
			c.trial.SetStable(int(counts.Service.Count()+counts.EventService.Count()), died)
		}
	}
}

// weigh judges what was seen so far, and keeps that for those who ask.
func (c *canaryPool) weigh(looks, pools int) canary.Judgement {
	e := c.trial.Evidence()
	j := canary.Judge(&e, c.limits, looks, pools)
	c.mu.Lock()
	c.judge = j
	c.mu.Unlock()
	return j
}

// decide has a person's word count; the first one does.
func (r *canaryRun) decide(promote bool) {
	select {
	case r.decided <- promote:
	default:
	}
}

// byHand ends it as a person has it.
func (r *canaryRun) byHand(promoted bool) bool {
	if promoted {
		return r.promote("it was promoted by hand")
	}
	r.pass.verdict.outcome = control.WasAborted
	r.over(control.WasAborted, "it was aborted: all clients go to the old code")
	return false
}

func (r *canaryRun) promote(why string) bool {
	r.over(control.Done, why)
	return true
}

func (r *canaryRun) turnBack(why, remedy string) bool {
	r.pass.verdict.outcome = control.TurnedBack
	r.pass.verdict.evidence, r.pass.verdict.remedy = why, remedy
	r.over(control.TurnedBack, why)
	return false
}

// over tells of the end.
func (r *canaryRun) over(outcome control.Outcome, why string) {
	for _, c := range r.pools {
		c.weigh(len(r.looks), len(r.pools))
		e := r.event(control.CanaryJudged, c, why)
		e.Outcome = outcome
		log := r.pass.host.log.Info
		if outcome != control.Done {
			log = r.pass.host.log.Error
		}
		log("reload: the canary is over", append([]any{"pool", c.next.config.Name, "outcome", string(outcome), "why",
			why}, logged(e.Canary)...)...)
		r.pass.account.Add(e)
	}
	r.pass.host.canaries.count(outcome)
}

// end takes the canary's clients back, and stops its workers when they have finished what they have.
func (r *canaryRun) end() {
	if r == nil {
		return
	}
	for _, c := range r.pools {
		if c.trial != nil {
			c.next.old.split.Close()
		}
	}
	var all sync.WaitGroup
	for _, c := range r.pools {
		for _, made := range []*pool{c.candidate, c.control} {
			if made == nil {
				continue
			}
			all.Go(func() { r.pass.host.stopBeside(made, r.pass.host.now) })
		}
	}
	all.Wait()
	for _, c := range r.pools {
		c.next.old.split.End()
		c.next.old.trying.Store(nil)
		c.next.old.amendDials()
	}
	r.pass.host.layFiles()
	r.pass.canary.Store(nil)
}

// stopBeside stops a pool that stands beside another one, at once when now ends.
func (h *host) stopBeside(made *pool, now context.Context) {
	select {
	case <-made.started:
	default: // it never was
		gone, cancel := context.WithCancel(context.Background())
		cancel()
		made.workers.Stop(gone)
		made.private.Close()
		return
	}
	h.stopPool(made, now)
}
