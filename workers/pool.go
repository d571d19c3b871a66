// The pool: its public face, and the goroutine that owns its slots.

package workers

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/workerhost/workerhost/protocol"
	"github.com/workerhost/workerhost/workers/internal/wait"
)

// ErrStopping is returned for what a pool can't do any more once Stop has been called.
var ErrStopping = errors.New("the pool is stopping")

// ErrAborted is why a reload failed that [Pool.Abort] ended.
var ErrAborted = errors.New("the reload was aborted")

// Pool keeps workers: always the same number of them, or as many within bounds as there is work for. Its methods are
// safe for concurrent use.
type Pool struct {
	name      string
	log       hclog.Logger
	dispatch  dispatcher
	meter     meter
	unmetered meter // for what is no client's
	traits    atomic.Pointer[protocol.Traits]
	failure   atomic.Pointer[string] // the last failed boot, until a worker is ready again
	hopeless  atomic.Pointer[error]  // see Hopeless
	now       serving
	started   chan struct{} // closed when the first boot has ended, well or badly
	// closed when a worker is READY for the first time, or the pool stops; see acquaint
	awaited   chan struct{}
	acquaints sync.Once
	tasks     sync.WaitGroup // boots, recyclings and rolls under way
	promised  promised
	turn      chan struct{} // held by the one recycling at a time

	context context.Context // until Stop: for Prepare
	cancel  context.CancelFunc

	inbox   chan func()
	running chan struct{} // closed by Start: run takes what is put into inbox
	ended   chan struct{} // closed when run has returned

	settings *Settings // of the first generation; from Start on a generation has its own

	// owned by run
	slots      []*slot // by index
	live       map[*worker]struct{}
	generation *generation // the target
	proven     *generation // what a slot gets that the pool grows by: the latest that all slots came to run
	growth     growth
	wanted     *Settings     // what the next roll begins with, if Reconfigure was called
	back       *generation   // what it leads back to, if Revert was
	history    []*generation // those that have completed, in order: the latest ones
	stash      stash
	roll, next *Roll
	rolled     Progress // of roll
	places     []*slot  // that it works on
	stopping   bool
	startOnce  sync.Once
}

// slot is a worker's place in the pool. It is owned by run.
type slot struct {
	index    int
	outside  bool        // not in the pool's slots, yet or any more
	fresh    bool        // the roll under way brings it in
	extra    bool        // of the ward; fixed
	gen      *generation // what runs here, also after a crash
	current  *worker
	turn     chan struct{} // held by whoever replaces the worker
	replaced bool          // a replacement is under way: it sees to an empty slot
	failures int           // boots and first requests that failed, in a row
	restarts int           // workers that another one took the place of, other than by a reload
	why      string        // the latest of them
	timer    *time.Timer   // until the next attempt; nil if none is to come
	last     time.Time     // the latest start
}

// BootError is a worker's own account of why it could not start.
type BootError struct {
	Message string
	Trace   string
}

// Error gives the message, and the trace on the lines below it; once, where the trace begins with it, as PHP's does.
func (e *BootError) Error() string {
	switch {
	case e.Trace == "":
		return e.Message
	case strings.HasPrefix(e.Trace, e.Message):
		return e.Trace
	}
	return e.Message + "\n" + e.Trace
}

// New makes a pool, which does nothing before Start. It fails if the settings have nothing to run.
func New(s Settings) (*Pool, error) {
	s, err := s.withDefaults()
	if err != nil {
		return nil, err
	}
	p := &Pool{
		name: s.Name, log: s.Logger.With("pool", s.Name), settings: &s,
		started: make(chan struct{}), awaited: make(chan struct{}), turn: make(chan struct{}, 1),
		inbox: make(chan func()), running: make(chan struct{}), ended: make(chan struct{}),
		live: map[*worker]struct{}{},
	}
	p.context, p.cancel = context.WithCancel(context.Background())
	p.promised.ctx, p.promised.giveUp = context.WithCancel(context.Background())
	p.dispatch = dispatcher{pool: p, emptied: make(chan struct{})}
	p.dispatch.bound(&s)
	p.traits.Store(&protocol.Traits{
		Pool: s.Name, WholeBody: !s.StreamBody, Spool: true, RetryAfter: time.Second, Priority: s.Priority,
		Retry: s.Retry, AtMostOnce: s.Delivery == AtMostOnce,
		Awaited: p.awaited,
	})
	least, _ := s.span()
	for i := range least {
		p.slots = append(p.slots, &slot{index: i, turn: make(chan struct{}, 1)})
	}
	return p, nil
}

// Start begins the first generation and boots its workers, without waiting for them. It fails if there is nothing that
// could ever run: no such directory, no such command, a failed Prepare; then it may be called again. A boot that fails
// is tried again by itself.
func (p *Pool) Start(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(p.context, cancel)()
	g, err := newGeneration(ctx, p.settings, p.settings.Generations.Add(1))
	if err != nil {
		return err
	}
	err = errors.New("the pool has been started or stopped already")
	p.startOnce.Do(func() {
		err = nil
		p.generation, p.proven, p.history = g, g, []*generation{g}
		p.now.live.Store(g.number)
		for _, s := range p.slots {
			s.gen = g
		}
		go p.run() // ends with Stop
		close(p.running)
		p.do(func() {
			p.fillAll()
			p.rescale()
		})
	})
	return err
}

// Started is closed when a worker is ready, the first boot has failed, or the pool is stopped.
func (p *Pool) Started() <-chan struct{} { return p.started }

// Name is the pool's name.
func (p *Pool) Name() string { return p.name }

// Traits tells a front how to submit. It takes no lock.
func (p *Pool) Traits() protocol.Traits { return *p.traits.Load() }

// Submit hands an exchange to an idle worker or queues it: a request, or an event of a connection. It never waits; all
// that follows is told to x.Sink.
func (p *Pool) Submit(x *protocol.Exchange) protocol.Ticket {
	if observe := p.dispatch.observe.Load(); observe != nil {
		x = (*observe)(x)
	}
	e := &exchange{
		pool: p, request: x.Request, kind: x.Request.Type(), subject: x.Subject, sink: x.Sink, repeat: x.Repeatable,
		trace: x.TraceID, erred: x.ErrorLogged, keyed: x.Keyed, timeout: x.Timeout,
		patient: x.Patient || x.Behind, modest: x.Behind, leaves: x.Leaves,
		urgent: x.Priority && !x.Patient && !x.Behind,
	}
	p.dispatch.submit(e)
	return e
}

// watchInterval is how often silence is looked for: the precision of RequestTimeout.
const watchInterval = 100 * time.Millisecond

// run owns the slots. It ends when Stop has seen the last worker go.
func (p *Pool) run() {
	defer close(p.ended)
	watch := time.NewTicker(watchInterval)
	defer watch.Stop()
	for {
		select {
		case f := <-p.inbox:
			if f == nil {
				return
			}
			f()
		case now := <-watch.C:
			for w := range p.live {
				w.watch(now)
			}
			p.watchParked(now)
			p.dispatch.recallLate()
		}
	}
}

// do has run call f, and waits for it. It says false, without calling, if the pool has ended or was never started.
func (p *Pool) do(f func()) bool {
	select {
	case <-p.running:
	default:
		return false
	}
	done := make(chan struct{})
	select {
	case p.inbox <- func() { defer close(done); f() }:
		<-done
		return true
	case <-p.ended:
		return false
	}
}

// fill starts a worker in an empty slot, unless it backs off or waits for the first one of its generation. In run.
func (p *Pool) fill(s *slot) {
	if p.stopping || s.current != nil || s.replaced || s.outside || s.timer != nil || p.waits(s) {
		return
	}
	s.last = time.Now()
	w := p.newcomer(s.gen, s)
	s.current = w
	p.tasks.Go(func() {
		err := p.awaitBoot(w)
		p.do(func() {
			if err == nil && s.current == w {
				if p.admit(w) {
					p.fit(w)
					p.fillAll()
				}
			} else if err != nil && s.current == w && w.process == nil { // it never ran, so no exit is coming
				p.vacate(s, w)
			}
		})
	})
}

// launch starts a worker. In run.
func (p *Pool) launch(g *generation, s *slot) *worker {
	if !g.trial {
		p.track(g)
	}
	w := p.startWorker(g, s)
	if w.process != nil {
		p.live[w] = struct{}{}
	}
	return w
}

// greetTime is how long a worker may take until it speaks the protocol, before somebody is asked about it.
const greetTime = 900 * time.Millisecond

// awaitBoot waits for READY within StartTimeout, or ends the worker.
func (p *Pool) awaitBoot(w *worker) error {
	limit := w.gen.settings.StartTimeout
	timer := time.NewTimer(limit)
	defer timer.Stop()
	if ask := w.gen.settings.Greeting; ask != "" && !wait.Within(w.boot.done, greetTime) && !w.spoke.Load() {
		w.log.Warn("worker has not said a word since it was started: " + ask)
	}
	select {
	case <-w.boot.done:
	case <-timer.C:
		w.settleBoot(w.bootFailure(w.missing(limit))) // unless READY comes this very moment
	}
	err := w.boot.err
	if err == nil {
		err = w.unfit()
	}
	if err != nil {
		w.kill(err.Error())
		<-w.end.gone
	}
	return err
}

// missing says what did not come in time.
func (w *worker) missing(limit time.Duration) string {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.link.warming != "" {
		return fmt.Sprintf("warm-up %s was not answered within start_timeout (%v)", w.link.warming, limit)
	}
	text := fmt.Sprintf("no READY within start_timeout (%v)", limit)
	if state := w.process.KernelState(); state != "" {
		text += "; its process: " + state
	}
	if ask := w.gen.settings.Greeting; ask != "" && !w.spoke.Load() {
		text += "; " + ask
	}
	return text
}

// failed notes why a boot failed. In run.
func (p *Pool) failed(err error) {
	text := err.Error()
	p.failure.Store(&text)
	p.markStarted()
}

// markStarted closes started, once. In run.
func (p *Pool) markStarted() {
	select {
	case <-p.started:
	default:
		close(p.started)
	}
}

// admit opens a READY worker to traffic, unless it has ended already. In run.
func (p *Pool) admit(w *worker) bool {
	if !w.parking.revived {
		w.weighFirst()
	}
	if !p.dispatch.admit(w) {
		return false
	}
	w.gen.noteBooted()
	p.failure.Store(nil)
	if single := w.offer.concurrency == 1 || w.gen.settings.Scarce; p.newest(w) {
		p.traits.Store(&protocol.Traits{
			Pool: p.name, WholeBody: w.gen.settings.wholeBody(single), Spool: single,
			Forms: w.offer.ready.Has("forms"), Local: w.offer.ready.Has("local"),
			Tunnel:    w.offer.ready.Has(protocol.FeatureTunnel),
			FileRoots: w.gen.fileRoots, RetryAfter: time.Second, Priority: w.gen.settings.Priority,
			Retry: w.gen.settings.Retry, Owner: w.gen.equipment.Owner,
			Events: w.offer.ready.Events(), Queues: w.offer.ready.Queues,
			AtMostOnce: w.gen.settings.Delivery == AtMostOnce,
		})
		p.acquaint()
	}
	if w.parking.revived {
		w.log.Info("parked worker serves again")
		return true
	}
	w.gen.counts.boots.observe(w.boot.took)
	w.log.Info("worker ready", "boot", w.boot.took.Round(time.Millisecond).String(), "sdk", w.offer.ready.SDK)
	p.markStarted()
	return true
}

// acquaint lets those go on that wait to hear which events the workers handle. Traits know it, or nobody ever will.
func (p *Pool) acquaint() {
	p.acquaints.Do(func() {
		if t := p.Traits(); t.Awaited != nil {
			t.Awaited = nil
			p.traits.Store(&t)
		}
		close(p.awaited)
	})
}
