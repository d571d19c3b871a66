// Package serve is a running host: it wires listeners, pools, the hub, the control API, metrics and signals together,
// and leads them through reloads (plan.go, pass.go, rollout.go) and to their end (ending.go). Whatever else the host
// can do is a room of its own, and a line here.
//
// host.go is what it is made of, and its life from the first socket to the last process.
package serve

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/workerhost/workerhost/host/internal/acme"
	"github.com/workerhost/workerhost/host/internal/cli"
	"github.com/workerhost/workerhost/host/internal/cluster"
	"github.com/workerhost/workerhost/host/internal/config"
	"github.com/workerhost/workerhost/host/internal/cron"
	"github.com/workerhost/workerhost/host/internal/engine"
	"github.com/workerhost/workerhost/host/internal/faults"
	"github.com/workerhost/workerhost/host/internal/guard"
	"github.com/workerhost/workerhost/host/internal/ledger"
	"github.com/workerhost/workerhost/host/internal/loop"
	"github.com/workerhost/workerhost/host/internal/maintenance"
	"github.com/workerhost/workerhost/host/internal/quiet"
	"github.com/workerhost/workerhost/host/internal/spool"
	"github.com/workerhost/workerhost/workers"
)

// host implements [control.Host].
type host struct {
	setup       atomic.Pointer[setup]          // replaced under mu
	file        string                         // of the configuration, absolute; "" for none
	load        func() (*config.Config, error) // reads the configuration as it is now, with the same flags
	watch       watchMode
	leaks       bool // --leaks
	log         hclog.Logger
	audit       *auditor
	noted       *recorder
	maintenance *maintenance.Switch
	faults      *faults.Keeper
	began       time.Time

	generations map[string]*atomic.Uint64 // of each pool that ever was, by name: no number comes back; see newPool

	// set by build and serve, before anybody can ask
	reaper *workers.Reaper
	builds *builder
	spool  *spool.Spool
	loops  *loop.Set // nil: there are none

	refused quiet.Throttle // of connections that the loops could not take

	crowd        *guard.Crowd
	certificates *acme.Manager      // of the host's own getting
	work         func(func() error) // starts what serve waits for; called under mu, while not closed

	engine   *engine.Engine // what outlives workers and is nobody's
	cluster  *cluster.Room  // of this host and others; nil: it is alone
	ledger   *ledger.Room   // of the connections of all of them; nil likewise
	services services       // of [service.NAME]
	cron     *cron.Room     // of [[cron]]

	notify  *notifier
	upgrade *upgrade

	leaving  atomic.Bool     // somebody has asked for a stop, which begins after stop_delay
	stopping context.Context // ends when the host is to stop; its cause is errStopped, or what failed
	end      context.CancelCauseFunc
	now      context.Context // ends when it is to stop at once
	endNow   context.CancelFunc
	stopped  chan struct{} // closed when all but the control socket has ended

	configFailures atomic.Uint64 // of reloads; see the metric
	canaries       canaryCounts

	mu     sync.Mutex
	closed bool    // no reload begins any more; guarded by mu
	passes []*pass // of reloads, the first one under way; guarded by mu
	// how many there ever were; guarded by mu
	passesBegun uint64
	reloads     sync.WaitGroup // added to under mu, while not closed
}

// errStopped is the cause of a stop that somebody asked for.
var errStopped = errors.New("stopped")

func newHost(c *config.Config, log hclog.Logger) *host {
	h := &host{log: log, audit: newAuditor(c.Log), began: time.Now(), stopped: make(chan struct{})}
	h.generations = map[string]*atomic.Uint64{}
	h.setup.Store(&setup{config: c})
	if path, err := filepath.Abs(c.Path); err == nil && c.Path != "" {
		h.file = path
	}
	h.certificates = acme.New(log)
	h.noted = newRecorder(c, log)
	h.maintenance = newMaintenance(c, log)
	h.faults = faults.NewKeeper()
	h.keepFaults(c)
	h.engine = newEngine(c, log)
	h.cluster, h.ledger = h.newCluster(c), h.newLedger(c)
	h.notify = newNotifier(log)
	h.upgrade = newUpgrade()
	h.stopping, h.end = context.WithCancelCause(context.Background())
	h.now, h.endNow = context.WithCancel(context.Background())
	h.services.host, h.cron = h, cron.New(h.now, log)
	if c.Cluster.On() {
		h.cron.Share(&cron.Turns{Engine: h.engine})
	}
	return h
}

// run builds what the host is made of, and serves until somebody stops it, and then returns nil, or until something
// fails for good. What was built is taken down in reverse order, however far it came.
func (h *host) run() error {
	defer h.endNow()
	defer h.end(errStopped)
	var down teardown
	defer down.run()
	defer h.renounce()
	if err := h.checkPassed(h.config()); err != nil {
		return err
	}
	h.dropUseless()
	steer, err := h.openControl(&down)
	if err != nil {
		return err
	}
	if err := h.build(&down); err != nil {
		return err
	}
	return h.serve(steer)
}

// build makes all that the host has but its control socket, and binds the listeners, which nobody serves yet.
func (h *host) build(down *teardown) error {
	h.warnOfRoot()
	reaper, err := startReaper(h.log)
	if err != nil {
		return err
	}
	down.add(func() {
		if err := reaper.Close(); err != nil {
			h.log.Error(err.Error())
		}
	})
	down.add(h.noted.hook.Close)
	down.add(h.engine.Close)
	if h.cluster != nil {
		down.add(h.cluster.Close)
		down.add(h.ledger.Close)
	}
	h.reaper, h.builds = reaper, newBuilder()
	down.add(h.builds.close)
	h.spool = spool.New(h.config().HTTP.SpoolDirectory, int64(h.config().HTTP.SpoolQuota), h.log)
	down.add(func() { h.spool.Close() })
	go h.spool.Sweep() // it ends by itself; much that is left takes a while to remove
	if h.loops, err = loop.New(); err == nil {
		h.loops.Refused = func(err error) {
			h.refused.Warn(h.log, "a connection is closed, since the kernel can't watch it: raise "+
				"fs.epoll.max_user_watches, or free memory", "error", err)
		}
		down.add(func() { h.loops.Close(); h.refused.Flush() })
	} else if !errors.Is(err, errors.ErrUnsupported) {
		h.log.Warn("connections are served without event loops, at a higher cost", "error", err)
	}
	h.crowd = guard.NewCrowd(0, 0, nil, h.log)
	down.add(h.certificates.Close)
	made := &setup{config: h.config()}
	made.realms = realmsFor(made.config, h.setup.Load(), h.newRealm)
	if made.edge, err = newEdge(made.config, nil, h.log); err != nil {
		return err
	}
	h.setup.Store(made)
	down.add(func() { h.setup.Load().edge.close(h.log) })
	made.edge.limit(h.crowd, made.config)
	h.warnOfFiles(made.config)
	for _, c := range made.config.Pools {
		p, err := h.newPool(made, c)
		if err != nil {
			return err
		}
		made.pools = append(made.pools, p)
	}
	h.configureDials(made)
	made.apps = appsFor(made, &setup{})
	made.cache = h.cacheFor(made.config, nil)
	down.add(func() { h.setup.Load().closeCache(nil) })
	configureChannels(made)
	down.add(h.closeChannels)
	h.configureTasks(made)
	down.add(func() { h.bounded("the listeners", 0, h.closeListeners) })
	for _, c := range made.config.Listen { // nobody is answered before the pool has a worker
		l, err := h.newListener(made, c)
		if err != nil {
			return err
		}
		made.listeners = append(made.listeners, l)
		if err := l.server.Listen(); err != nil {
			return err
		}
	}
	h.useCertificates(made)
	return nil
}

// serve has all that was built work, until the host is to stop, and then ends what clients and workers take part in.
// steer opens the host to its commands until the context ends.
func (h *host) serve(steer func(context.Context)) error {
	pools := h.pools() // before anybody can ask for a reload, which begins itself those that it brings
	var running sync.WaitGroup
	h.work = func(work func() error) { // the first to fail ends them all
		running.Go(func() {
			if err := work(); err != nil {
				h.end(err)
			}
		})
	}
	defer h.heedSignals()()
	closeAdmin, err := h.openAdmin(h.config().Admin.Listen)
	if err != nil {
		return err
	}
	defer closeAdmin() // after the drain, which it shows
	alive, ended := context.WithCancel(context.Background())
	defer ended()
	h.upgrade.when(alive, func() { go h.notify.watch(alive, h.overview) })
	h.upgrade.when(alive, func() { steer(alive) })
	if h.cluster != nil {
		h.upgrade.when(alive, func() { h.cluster.Enter(); h.ledger.Enter() })
	}
	h.upgrade.keeper.watch(func() { h.Stop(false) })
	for _, p := range pools {
		h.work(func() error { return h.startPool(p) })
	}
	h.work(h.becomeReady)
	h.work(h.announceReady)
	h.cron.Set(h.entriesOf(h.config()))
	h.work(h.startPrograms)
	if h.watch != watchOff {
		for _, p := range pools {
			h.work(func() error { return h.follow(p) })
		}
	}

	<-h.stopping.Done()
	h.shutDown()
	running.Wait()
	h.entertain()
	// its workers have had their time: it learns that the host ends
	h.bounded("the reload under way", 0, h.reloads.Wait)
	h.outlive()
	h.log.Info("stopped", "uptime", cli.HumanDuration(time.Since(h.began)))
	if err := context.Cause(h.stopping); !errors.Is(err, errStopped) {
		return err
	}
	return nil
}

// startPool starts a pool, and its listeners as soon as it has a worker, or knows why it has none: then clients learn
// from a 503.
func (h *host) startPool(p *pool) error {
	if err := p.start(h.stopping); err != nil {
		if h.stopping.Err() != nil {
			return nil // it was cut short
		}
		return err
	}
	select {
	case <-p.workers.Started():
	case <-h.stopping.Done():
		return nil
	}
	if err := p.workers.Hopeless(); err != nil {
		return fmt.Errorf("pool %s: %w", p.name, err)
	}
	h.startReady()
	return nil
}

// readyPoll is how often it is looked whether all workers are there.
const readyPoll = 20 * time.Millisecond

// announceReady tells the service manager when the first pool is up, since one that is broken must not keep the others
// from serving, and the log when every worker of every pool is.
func (h *host) announceReady() error {
	if !h.settled() {
		return nil
	}
	h.keepSockets()
	told := false
	for wait := readyPoll; ; wait = min(2*wait, 250*time.Millisecond) {
		pools, ready, count := h.pools(), 0, 0
		for _, p := range pools {
			if p.allReady() {
				ready++
			}
			least, _ := p.config().Span()
			count += least
		}
		if ready > 0 && !told {
			told = true
			h.notify.serving(summarise(h.overview()))
		}
		if ready == len(pools) {
			h.log.Info("ready", "workers", count, "took", cli.HumanDuration(time.Since(h.began)), "control",
				h.config().Control)
			h.noteStart()
			return nil
		}
		select {
		case <-time.After(wait):
		case <-h.stopping.Done():
			return nil
		}
	}
}

// childrenTimeout is how long the processes that workers have of their own may take to be told of.
const childrenTimeout = 300 * time.Millisecond
