// pass.go is one pass of a reload: it reads the configuration anew, and leads the host from what runs to what the file
// says. What is new starts before what is old changes, and what is old goes last; if a step fails, those before it are
// taken back.

package serve

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"slices"
	"sync/atomic"
	"time"

	"github.com/workerhost/workerhost/host/internal/cli"
	"github.com/workerhost/workerhost/host/internal/control"
	"github.com/workerhost/workerhost/host/internal/listen"
)

// pass is a reload that is under way, or that waits for the one before it.
type pass struct {
	host    *host
	ask     control.Reload
	by      []control.By      // who asked for it; guarded by the host's mu until it begins
	back    *control.Rollback // nil: it is none
	number  uint64            // counted from 1
	account *control.Account
	aborted atomic.Bool

	wanted   context.Context // until it is aborted, or the host stops
	unwanted context.CancelCauseFunc

	incoming incoming                  // the release that it puts live, if it is a deploy
	canary   atomic.Pointer[canaryRun] // while there is one
	verdict  verdict

	plan    *plan
	made    setup  // what is to run
	before  *setup // what ran, once that has been replaced
	started []*pool
	bound   []*listener
	ready   []*listen.Prepared // one for each listener that changes
	settled []<-chan struct{}  // closed when nobody is served any more under what they changed
	undo    []func()           // in the order of the steps
}

// run makes the pass, and sums it up.
func (p *pass) run() {
	began := time.Now()
	p.lead()
	summary := p.summary(time.Since(began))
	p.trace(began, summary.Outcome)
	p.account.Add(summary)
}

// lead is the sequence.
func (p *pass) lead() {
	h := p.host
	if p.aborted.Load() {
		p.verdict.outcome = control.WasAborted
		p.account.Add(control.Event{Kind: control.Aborted})
		return
	}
	if p.back != nil {
		p.rollBack()
		return
	}
	c, err := h.load()
	if err != nil {
		p.refuse(err, control.BadConfig)
		return
	}
	if err := p.bring(c); err != nil {
		p.refuse(err, control.NotDone)
		return
	}
	defer p.incoming.end()
	p.plan = makePlan(h.setup.Load(), c)
	if p.ask.Proves != "" && !p.proves() {
		return
	}
	if p.ask.Rehearse != nil && !p.rehearses() {
		return
	}
	if p.ask.Shadow != nil {
		p.shadow()
		return
	}
	if len(p.ask.Pools) > 0 {
		p.rollChosen()
		return
	}
	if err := p.prepare(); err != nil {
		p.takeBack()
		p.refuse(err, control.BadConfig)
		return
	}
	if !p.passBefore(p.plan.pools) {
		p.takeBack()
		return
	}
	if err := p.startPools(); err != nil {
		p.takeBack()
		p.refuse(err, control.NotDone)
		return
	}
	var kept []plannedPool
	for _, next := range p.plan.pools {
		if next.old != nil {
			kept = append(kept, next)
		}
	}
	run, ok := p.tryOut(kept)
	defer run.end()
	if !ok || !p.roll(kept) {
		p.takeBack()
		return
	}
	p.leadOn()
	p.readFiles() // now, since a release that does not come in must not bring its public folder
	if !p.swap() {
		p.takeBack()
		p.verdict.outcome = control.HostStopped
		p.account.Add(control.Event{Kind: control.ConfigFailed, Error: control.ErrStopping.Error()})
		return
	}
	p.host.layFiles() // those of listeners that changed were opened before the code came in
	p.host.cron.Set(p.host.entriesOf(p.plan.config))
	p.host.services.change(p.plan.config, []string{})
	p.removeOld()
}

// refuse says why the configuration is not applied.
func (p *pass) refuse(err error, why control.Outcome) {
	p.verdict.outcome = why
	p.host.configFailures.Add(1)
	p.host.log.Error("reload: the configuration is not applied, and nothing was changed", "error", err.Error())
	p.account.Add(control.Event{Kind: control.ConfigFailed, Error: err.Error()})
}

// tell adds an event to the account and to the log.
func (p *pass) tell(e control.Event) {
	text := "reload: " + e.What
	switch e.Kind {
	case control.NeedsRestart:
		p.host.log.Warn(text + ": takes effect at a restart")
	case control.Waits:
		p.host.log.Warn(text + ": waits for a reload of all pools")
	default:
		p.host.log.Info(text)
	}
	p.account.Add(e)
}

// rollChosen reloads the named pools, and leaves all else for a full reload.
func (p *pass) rollChosen() {
	var next []plannedPool
	var chosen []*pool
	for _, name := range p.ask.Pools {
		old := byName(p.host.pools(), name)
		if old == nil || slices.Contains(chosen, old) {
			continue // a pass before removed it, or it is named twice
		}
		chosen = append(chosen, old)
		// if the file has it no more, it stays until a full reload
		planned := plannedPool{config: old.config(), old: old}
		for _, in := range p.plan.pools {
			if in.old == old {
				planned = in
			}
		}
		next = append(next, planned)
	}
	if !p.passBefore(next) {
		return
	}
	run, ok := p.tryOut(next)
	defer run.end()
	if !ok || !p.roll(next) {
		return
	}
	p.leadOn()
	if slices.ContainsFunc(chosen, func(made *pool) bool { return made.config().Root != "" }) {
		for _, l := range p.host.setup.Load().listeners { // what is served beside the code is of its release
			p.readFilesOf(l)
		}
	}
	p.host.layFiles()
	p.host.services.change(p.host.config(), p.ask.Pools)
	for _, c := range p.plan.waiting(chosen) {
		p.tell(c.event(control.Waits))
	}
}

// prepare makes what is new and reads what changes, without a trace for anybody yet but the addresses that it takes.
func (p *pass) prepare() error {
	h, c := p.host, p.plan.config
	now := h.setup.Load()
	var err error
	if p.made.edge, err = newEdge(c, now.edge, h.log); err != nil {
		return err
	}
	p.made.config = c
	p.made.realms = realmsFor(c, now, h.newRealm)
	for _, next := range p.plan.pools {
		made := next.old
		if made == nil {
			var err error
			if made, err = h.newPool(&p.made, next.config); err != nil {
				return err
			}
			p.started = append(p.started, made)
		}
		p.made.pools = append(p.made.pools, made)
	}
	p.made.apps = appsFor(&p.made, now)
	p.made.cache = h.cacheFor(c, now.cache)
	if err := h.checkPassed(c); err != nil {
		return err
	}
	var problems []error
	for _, next := range p.plan.listen {
		l, err := p.prepareListener(next)
		if err != nil {
			problems = append(problems, err)
			continue
		}
		p.made.listeners = append(p.made.listeners, l)
	}
	return errors.Join(problems...)
}

func (p *pass) prepareListener(next plannedListener) (*listener, error) {
	h := p.host
	if next.old == nil {
		l, err := h.newListener(&p.made, next.config)
		if err != nil {
			return nil, err
		}
		p.bound = append(p.bound, l)
		if err := l.server.Listen(); err != nil {
			return nil, p.explain(next.config.Address, err)
		}
		p.undo = append(p.undo, func() {
			p.tell(control.Event{Kind: control.Undone, Address: next.config.Address,
				What: "listener " + next.config.Address + " is closed again"})
		})
		return l, nil
	}
	l := &listener{config: next.config, pools: poolsOf(&p.made, &next.config), socket: next.old.socket}
	if len(next.changes)+len(p.plan.http)+len(p.plan.routes) == 0 && slices.Equal(l.pools, next.old.pools) &&
		maps.Equal(p.made.apps, h.setup.Load().apps) {
		return l, nil
	}
	terms, err := h.listenTerms(&p.made, next.config)
	if err != nil {
		return nil, err
	}
	ready, err := l.server.Prepare(terms)
	if err != nil {
		return nil, fmt.Errorf("listener %s: %w", next.config.Address, err)
	}
	p.ready = append(p.ready, ready)
	return l, nil
}

// explain says if it is this host itself that listens at the port.
func (p *pass) explain(address string, err error) error {
	_, port, wrong := net.SplitHostPort(address)
	for _, l := range p.host.listeners() {
		if _, taken, no := net.SplitHostPort(l.server.Address()); wrong == nil && no == nil && taken == port &&
			port != "0" {
			return fmt.Errorf("%w\nThis host itself listens at %s: a port moves to another address of the machine "+
				"only with a restart, or with two reloads, of which the first one removes the listener", err,
				l.server.Address())
		}
	}
	return err
}

// startPools waits until every worker of the new pools is ready.
func (p *pass) startPools() error {
	for _, made := range p.started {
		began := time.Now()
		if err := made.boot(); err != nil {
			return fmt.Errorf("the new pool %s does not start: %w", made.name, err)
		}
		p.undo = append(p.undo, func() {
			p.tell(control.Event{Kind: control.Undone, Pool: made.name,
				What: "pool " + made.name + " is stopped again"})
		})
		count, _ := made.config().Span()
		what := "added"
		if byName(p.host.pools(), made.name) != nil {
			what = "started in the realm " + made.config().InRealm()
		}
		p.tell(control.Event{Kind: control.PoolAdded, Pool: made.name, Workers: count,
			Took: control.Millis(time.Since(began)),
			What: fmt.Sprintf("pool %s %s: %s", made.name, what, cli.Counted(count, "worker"))})
	}
	return nil
}

// boot starts a pool and waits until it is whole. The first worker that fails is an error.
func (p *pool) boot() error {
	if err := p.start(p.ending); err != nil {
		return err
	}
	for wait := readyPoll; !p.allReady(); wait = min(2*wait, 250*time.Millisecond) {
		if why := p.workers.Status().Failure; why != "" {
			return errors.New(why)
		}
		select {
		case <-time.After(wait):
		case <-p.ending.Done():
			return errors.New("the host is stopping")
		}
	}
	return nil
}

// readFiles reads certificates and public folders again, where they are the same files as before.
func (p *pass) readFiles() {
	for _, next := range p.plan.listen {
		if next.old != nil && len(next.changes)+len(p.plan.http)+len(p.plan.routes) == 0 &&
			(next.config.TLS != nil || servesFiles(p.plan.config)) {
			p.readFilesOf(next.old)
		}
	}
}

func (p *pass) readFilesOf(l *listener) {
	h, address := p.host, l.server.Address()
	if err := l.server.Reload(); err != nil {
		h.configFailures.Add(1)
		h.log.Error("reload: the listener keeps what it had", "listener", address, "error", err)
		p.verdict.outcome, p.verdict.files = control.BadConfig, true
		p.account.Add(control.Event{Kind: control.ListenerFailed, Address: address, Error: err.Error()})
	} else {
		p.account.Add(control.Event{Kind: control.ListenerReloaded, Address: address})
	}
}
