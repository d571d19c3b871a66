// canaryplan.go: which pools of a reload have a canary, of which size, and which can't have one.

package serve

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/workerhost/workerhost/host/internal/canary"
	"github.com/workerhost/workerhost/host/internal/cli"
	"github.com/workerhost/workerhost/host/internal/config"
	"github.com/workerhost/workerhost/host/internal/control"
)

// newCanary plans, and refuses what can't be.
func (p *pass) newCanary(all []plannedPool) (*canaryRun, error) {
	run := &canaryRun{pass: p, decided: make(chan bool, 1)}
	ask := p.ask.Canary
	if ask == nil {
		ask = &control.CanaryAsk{}
	}
	if ask.Off {
		return run, nil
	}
	for _, next := range all {
		made, err := planCanary(next, ask)
		if err != nil {
			return nil, fmt.Errorf("pool %s: %w", next.config.Name, err)
		}
		if made == nil {
			continue
		}
		step, most := next.config.Canary.For, next.config.Canary.AtMost
		run.step, run.atMost = max(run.step, step), max(run.atMost, most)
		run.steps = max(run.steps, len(made.shares))
		run.pools = append(run.pools, made)
	}
	if p.ask.Canary != nil && len(run.pools) == 0 {
		return nil, errors.New("no pool that is reloaded has a canary: say on which share of the clients, with " +
			"--canary 5%, or share in [pool.NAME.canary]")
	}
	if ask.For > longest.Seconds() || ask.AtMost > longest.Seconds() {
		return nil, fmt.Errorf("a canary may last for %v at most", longest)
	}
	if ask.For > 0 {
		run.step = cli.FromSeconds(ask.For)
		run.atMost = max(run.atMost, time.Duration(run.steps)*run.step)
	}
	if ask.AtMost > 0 {
		run.atMost = cli.FromSeconds(ask.AtMost)
	}
	if run.atMost < time.Duration(run.steps)*run.step {
		return nil, fmt.Errorf("the canary may last for %v at most, and its steps take %v", run.atMost,
			time.Duration(run.steps)*run.step)
	}
	run.looks = canary.Looks(run.step, run.steps, run.atMost)
	for _, made := range run.pools {
		made.settings.Memory = run.atMost
	}
	return run, nil
}

// planCanary is a pool's part; nil if it has none.
func planCanary(next plannedPool, ask *control.CanaryAsk) (*canaryPool, error) {
	c := next.config
	made := &canaryPool{next: next, settings: canary.Settings{By: c.Canary.By}}
	var err error
	if made.shares, err = config.ParseShares(c.Canary.Share); err != nil {
		return nil, err
	}
	if len(ask.Share) > 0 {
		made.shares = nil
		for _, percent := range ask.Share {
			made.shares = append(made.shares, percent/100)
		}
	}
	switch {
	case len(made.shares) == 0 || c.Reload == "never":
		return nil, nil
	case made.shares[0] <= 0 || made.shares[len(made.shares)-1] > config.MostShare || !slices.IsSorted(made.shares):
		return nil, errors.New("the shares of a canary grow, and are more than 0% and at most 50%")
	}
	if err := canHaveCanary(next); err != nil {
		return nil, err
	}
	errorsMost, _ := config.ParseShare(c.Canary.MaxErrors) // both were checked
	slower, _ := config.ParseFactor(c.Canary.MaxSlower)
	made.limits = canary.Limits{Errors: errorsMost, Slower: slower, Growth: float64(c.Canary.MaxGrowth),
		Clients: c.Canary.LeastClients, Requests: c.Canary.LeastRequests}
	if ask.MaxErrors != nil {
		made.limits.Errors = *ask.MaxErrors / 100
	}
	if ask.MaxSlower > 1 {
		made.limits.Slower = ask.MaxSlower
	}
	if ask.MaxGrowth > 0 {
		made.limits.Growth = float64(ask.MaxGrowth)
	}
	if made.settings.Secret, err = c.Canary.Secret(); err != nil {
		return nil, err
	}
	most := max(c.Workers, c.MaxWorkers)
	if c.MaxWorkers > 0 {
		most = c.MaxWorkers
	}
	made.workers = max(1, int(math.Ceil(made.shares[len(made.shares)-1]*float64(most))))
	return made, nil
}

// canHaveCanary says why a pool can't.
func canHaveCanary(next plannedPool) error {
	c, old := next.config, next.old
	switch {
	case c.InPlace:
		return errors.New("in_place lets only one worker be there at a time, so new code can't be tried beside the " +
			"old: reload it without a canary, with --canary=off")
	case c.Kind == config.FastCGI:
		return errors.New("the host does not start its FastCGI server, so it can't start another one of new code: " +
			"reload it without a canary, with --canary=off; with fpm = true the host starts php-fpm itself")
	}
	<-old.started
	if !old.running.Load() {
		return errors.New("the pool could not be started; the host's log says why")
	}
	if old.leaks != nil {
		return errors.New("a host that looks for leaks (--leaks) tries no code on a share of its clients")
	}
	resolved, err := c.Resolved()
	if err != nil {
		return err
	}
	if st := old.workers.Status(); st.Directory == resolved {
		return fmt.Errorf("its code is edited in place, in %s, so that the old code is no more there to serve "+
			"beside the new: deploy each release to a folder of its own, and point a symlink at it (`host help "+
			"canary`); or reload it without a canary, with --canary=off", resolved)
	}
	return nil
}
