// try.go is the dry run of a reload: what would change, and a worker of the newest code beside each pool.

package serve

import (
	"slices"
	"time"

	"github.com/workerhost/workerhost/host/internal/config"
	"github.com/workerhost/workerhost/host/internal/control"
)

// Try implements [control.Host]. A pool that only the new configuration has is told of, and not tried.
func (h *host) Try(ask control.Reload) (*control.Account, error) {
	if err := h.checkNames(ask.Pools); err != nil {
		return nil, err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed || h.leaves() {
		return nil, control.ErrStopping
	}
	account := control.NewAccount()
	h.reloads.Go(func() { // ends with the last worker that is tried, or with the host
		defer account.End()
		began := time.Now()
		outcome := h.try(ask.Pools, account)
		account.Add(control.Event{Kind: control.Summary, Outcome: outcome, Took: control.Millis(time.Since(began))})
	})
	return account, nil
}

func (h *host) try(names []string, account *control.Account) control.Outcome {
	c, err := h.load()
	if err != nil {
		account.Add(control.Event{Kind: control.ConfigFailed, Error: err.Error()})
		return control.BadConfig
	}
	outcome := control.Done
	plan := makePlan(h.setup.Load(), c)
	if len(names) == 0 {
		wouldChange(account, slices.Concat(plan.log, plan.http, plan.routes))
		for _, next := range plan.listen {
			wouldChange(account, next.changes)
		}
		wouldChange(account, plan.restart)
		for _, w := range c.WarningsAt(time.Now()) {
			account.Add(control.Event{Kind: control.Warned, What: w.Error()})
		}
	}
	for _, next := range plan.pools {
		switch {
		case len(names) > 0 && !slices.Contains(names, next.config.Name):
		case next.moved != nil:
			account.Add(control.Event{Kind: control.WouldChange, Pool: next.config.Name, What: "pool " +
				next.config.Name + " would start anew in the realm " + next.config.InRealm() +
				", which closes its connections, and was not tried"})
		case next.old == nil:
			account.Add(control.Event{Kind: control.WouldChange, Pool: next.config.Name,
				What: "pool " + next.config.Name + " is new, and was not tried"})
		case next.config.Reload == "never":
			wouldChange(account, next.changesKept())
			account.Add(control.Event{Kind: control.Kept, Pool: next.config.Name})
		default:
			wouldChange(account, next.changes)
			tried := h.tryPool(next)
			account.Add(tried)
			if tried.Kind == control.TryFailed || tried.Sessions != nil && len(tried.Sessions.Failed) > 0 {
				outcome = control.NotDone
			}
		}
	}
	return outcome
}

func wouldChange(account *control.Account, changes []change) {
	for _, c := range changes {
		account.Add(c.event(control.WouldChange))
	}
}

// tryPool tries one pool with its settings of the new configuration.
func (h *host) tryPool(next plannedPool) control.Event {
	p := next.old
	<-p.started
	if !p.running.Load() {
		return control.Event{Kind: control.TryFailed, Pool: p.name,
			Error: "the pool could not be started; the host's log says why"}
	}
	settings, asked := h.workerSettings(p, h.setup.Load().config, next.config), newTrial(p)
	settings.Hub = asked
	trial, err := p.workers.Try(h.stopping, settings, asked.look)
	pinned := trial.Pinned || next.config.Kind == config.GoPackage
	e := control.Event{
		Kind: control.Tried, Pool: p.name, Directory: trial.Directory, Pinned: &pinned, NewPID: trial.PID,
		SDK:  trial.SDK,
		Boot: control.Millis(trial.Boot), Memory: trial.Memory, Output: trial.Output,
		Workers: trial.Workers, Expected: control.Millis(trial.Expected), Longest: control.Millis(trial.Longest),
	}
	if err != nil {
		e.Kind, e.Error = control.TryFailed, err.Error()
	}
	asked.tell(&e)
	return e
}
