// pass.go is one pass of a reload: it reads the configuration anew, and leads the host from what runs to what the file
// says. What is new starts before what is old changes, and what is old goes last; if a step fails, those before it are
// taken back.

package serve

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/workerhost/workerhost/host/internal/cli"
	"github.com/workerhost/workerhost/host/internal/control"
	"github.com/workerhost/workerhost/host/internal/listen"
	"github.com/workerhost/workerhost/host/internal/redact"
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

// swap has all the rest take effect at once. It says false if the host has begun to stop.
func (p *pass) swap() bool {
	h := p.host
	h.mu.Lock()
	if h.closed {
		h.mu.Unlock()
		return false
	}
	before := h.setup.Swap(&p.made)
	p.made.nameRealms()
	p.before = before
	h.mu.Unlock()
	h.useCertificates(&p.made)
	h.log.SetLevel(hclog.LevelFromString(p.plan.config.Log.Level))
	redact.Also(p.plan.config.Log.Redact)
	h.keepFaults(p.made.config)
	p.made.edge.limit(h.crowd, p.made.config)
	h.warnOfFiles(p.made.config)
	for _, ready := range p.ready {
		p.settled = append(p.settled, ready.Apply())
	}
	before.edge.retire(p.made.edge)
	h.keepSockets()
	h.configureDials(&p.made)
	retuneApps(&p.made, before)
	before.closeCache(p.made.cache)
	p.made.sizeCache()
	configureChannels(&p.made)
	h.configureTasks(&p.made)
	h.startReady()
	if h.watch != watchOff {
		h.mu.Lock()
		for _, made := range p.started {
			if !h.closed {
				h.work(func() error { return h.follow(made) })
			}
		}
		h.mu.Unlock()
	}
	p.tellSwapped()
	return true
}

func (p *pass) tellSwapped() {
	for _, c := range slices.Concat(p.plan.log, p.plan.http, p.plan.routes) {
		p.tell(c.event(control.Changed))
	}
	for i, next := range p.plan.listen {
		if next.old == nil {
			l := p.made.listeners[i]
			what := fmt.Sprintf("listener %s added", l.server.Address())
			if l.config.Pool != "" {
				what += ", for pool " + l.config.Pool
			}
			p.tell(control.Event{Kind: control.ListenerAdded, Address: l.server.Address(), Pool: l.config.Pool,
				What: what})
		}
		for _, c := range next.changes {
			p.tell(c.event(control.Changed))
		}
	}
	for _, c := range p.plan.restart {
		p.tell(c.event(control.NeedsRestart))
	}
	for _, w := range p.plan.config.WarningsAt(time.Now()) {
		p.host.log.Warn(w.Error())
		p.account.Add(control.Event{Kind: control.Warned, What: w.Error()})
	}
}

// removeOld lets the listeners and pools that the file has no more finish what they have.
func (p *pass) removeOld() {
	h := p.host
	var all sync.WaitGroup
	for _, l := range p.plan.gone {
		all.Go(func() {
			e := control.Event{Kind: control.ListenerRemoved, Address: l.server.Address()}
			e.What = "listener " + e.Address + " removed"
			if !h.drain(l) {
				e.Cut = []string{"what was under way at " + e.Address}
			}
			p.tell(e)
		})
	}
	p.sendAway(&all)
	all.Wait()
	for _, old := range p.plan.removed {
		all.Go(func() {
			p.settle(old.config().DrainTimeout)
			latest := uint64(math.MaxUint64) // of what it built
			what := "pool " + old.name + " removed"
			if next := byName(p.made.pools, old.name); next != nil {
				latest = next.workers.Status().Generation
				what = "pool " + old.name + " as it was in the realm " + p.before.nameOf(old.realm) + " stopped"
			}
			cut := h.stopPool(old, h.now)
			h.builds.completed(old.name, latest)
			p.tell(control.Event{Kind: control.PoolRemoved, Pool: old.name, What: what, Cut: cut})
		})
	}
	all.Wait()
}

// takeBack undoes the steps, the last one first.
func (p *pass) takeBack() {
	for _, ready := range p.ready {
		ready.Discard()
	}
	for _, l := range p.bound {
		l.server.Close()
	}
	p.made.closeCache(p.host.setup.Load().cache)
	if p.made.edge != nil {
		p.made.edge.retire(p.host.setup.Load().edge)
	}
	now, cancel := context.WithCancel(context.Background())
	cancel() // they have no requests
	for _, made := range p.started {
		made.workers.Stop(now)
		made.private.Close()
		if byName(p.host.pools(), made.name) == nil { // else they go with what the one that stays has built
			p.host.builds.completed(made.name, math.MaxUint64)
		}
	}
	for _, say := range slices.Backward(p.undo) {
		say()
	}
}

// settle waits until no request is served any more under what listeners had before, but not longer than limit.
func (p *pass) settle(limit time.Duration) {
	ctx, cancel := context.WithTimeout(p.host.now, limit)
	defer cancel()
	for _, settled := range p.settled {
		select {
		case <-settled:
		case <-ctx.Done():
			return
		}
	}
}
