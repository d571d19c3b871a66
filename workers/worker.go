// A worker: its process, its link, and the goroutines that serve them.

package workers

import (
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/workerhost/workerhost/protocol"
	"github.com/workerhost/workerhost/workers/internal/process"
)

// worker is a process of the pool's. Its fields stand by who may touch them; doc.go has the order of the locks.
type worker struct {
	// fixed before it gets a request
	pool    *Pool
	slot    int
	home    *slot // what it points to is run's
	gen     *generation
	process process.Process
	conn    *protocol.Conn
	input   io.Closer // the worker's end of input
	log     hclog.Logger
	started time.Time
	warmups []Warmup // that it has to answer before any client's request

	recent []*protocol.Request // likewise, whatever the answer

	apart   bool          // it is the ward's, and gets nothing else
	vacated chan struct{} // then told when it has nothing at hand; holds one

	boot  boot
	spoke atomic.Bool // its output began as SPEC.md §1.2 has it
	offer offer
	end   end

	duty duty // guarded by dispatcher.mu

	mu   sync.Mutex
	link link // guarded by mu

	reader  reader  // the reader's own
	watched watched // owned by run
	parking parking // owned by run
	wear    wear

	// safe for concurrent use
	tail    tail
	voice   voice
	printed printed // the reader's LOGs
	stderr  printed
	calls   ledger // ended in await
	commits commits
	inquiry inquiry
}

// boot is how the start went. All of it is fixed once done is closed.
type boot struct {
	done chan struct{} // closed when READY came and all warm-ups are answered, or never will be
	once sync.Once     // settles it
	err  error
	took time.Duration
}

// offer is what READY said, as far as the settings take it. It is the reader's until boot.done is closed, and fixed
// from then on.
type offer struct {
	ready       protocol.Ready
	concurrency int
	readsAhead  bool
	deadlines   bool // it wants REQUEST's deadline
}

// end is how it ends, for whoever waits for that.
type end struct {
	unheeded chan struct{} // closed when a worker of many requests did not heed a RESET; by run
	exited   chan struct{} // closed when the process has exited
	exit     string        // how; from exited on
	gone     chan struct{} // closed when, after that, every exchange is settled and the pool has forgotten it
	struck   bool          // it was killed from outside before it was READY; from gone on
}

// duty is the dispatcher's account of a worker. Guarded by dispatcher.mu.
type duty struct {
	state     State
	listed    bool // in dispatcher.free
	inflight  int
	tunnels   int // of these, which take no room
	requests  uint64
	blocked   time.Time // since when it does not answer; zero: it does
	idleSince time.Time
	drained   chan struct{} // closed when it is draining and holds no lease; made anew when it is parked
	next      []*exchange   // handed ahead, in order
	pace      time.Duration // how long a request takes, on average
}

// link is the host's side of what stands on the worker's link. Guarded by worker.mu.
type link struct {
	phase   linkPhase // changed by enters
	streams map[uint32]*attempt
	lastID  uint32
	broken  string // why the link failed, if it did
	warming string // the warm-up request at hand, or the last one
	pongSeq uint64 // the latest PING that was answered
	pongAt  time.Time
}

// enters changes the phase. Under worker.mu.
func (l *link) enters(next linkPhase) { linkMoves.move(&l.phase, next) }

// startWorker starts a process for the slot. Its READY, or its failure, closes boot.done.
func (p *Pool) startWorker(g *generation, s *slot) *worker {
	w := &worker{
		pool: p, slot: s.index, home: s, apart: s.extra, gen: g, started: time.Now(),
		boot: boot{done: make(chan struct{})},
		end: end{
			unheeded: make(chan struct{}), exited: make(chan struct{}), gone: make(chan struct{}),
		},
		vacated: make(chan struct{}, 1),
		duty:    duty{drained: make(chan struct{})},
		link:    link{streams: map[uint32]*attempt{}, lastID: ^uint32(0)}, // the first stream is 1
		warmups: g.warmups(), wear: wear{share: g.settings.share()}, calls: ledger{open: map[uint32]call{}},
	}
	w.log = p.log.With("worker", w.slot, "generation", g.number)
	if g.settings.Recent != nil {
		w.recent = g.settings.Recent()
	}
	proc, err := g.launch(p.environment(g))
	if err != nil {
		w.settleBoot(err)
		w.link.enters(linkEnded)
		w.duty.state.moveTo(Stopped)
		w.end.exit = "never started"
		close(w.end.gone)
		return w
	}
	w.process = proc
	if g.trial {
		w.tail.size = trialOutput
	}
	w.log = w.log.With("pid", pidOf{proc})
	w.voice = voice{log: w.log, rate: g.settings.LogRate, meter: &p.meter}
	w.voice.bootlog.boots = !g.trial // whose report goes to whoever tries, and not to the log
	w.printed.start(w)
	w.stderr.start(w)
	from, to := proc.Frames()
	w.conn, w.input = protocol.NewConn(from, to), to
	w.conn.Send(g.settings.hello(g, w.slot)) // if the pipe is broken, the exit tells

	reading := make(chan struct{})
	logging := make(chan struct{})
	go func() { defer close(reading); w.read() }()
	go func() {
		defer close(logging)
		w.stderr.read(proc.Stderr())
	}()
	go w.await(reading, logging) // ends when the process does; whoever starts a worker sees gone
	w.log.Debug("worker started", "command", strings.Join(g.command, " "))
	return w
}

// pidOf is a process's number in the log: that of one which is forked later is known then.
type pidOf struct{ process process.Process }

func (p pidOf) String() string { return strconv.Itoa(p.process.PID()) }

// MarshalJSON makes it a number.
func (p pidOf) MarshalJSON() ([]byte, error) { return []byte(p.String()), nil }

func (w *worker) pid() int {
	if w.process == nil {
		return 0
	}
	return w.process.PID()
}

// String names the worker in messages.
func (w *worker) String() string {
	return fmt.Sprintf("worker %d of pool %s (pid %d, generation %d)", w.slot, w.pool.name, w.pid(), w.gen.number)
}

// settleBoot says how the boot went, once.
func (w *worker) settleBoot(err error) {
	w.boot.once.Do(func() {
		w.boot.err, w.boot.took = err, time.Since(w.started)
		if err == nil {
			w.printed.pass()
			w.stderr.pass()
			w.voice.booted("")
		}
		close(w.boot.done)
	})
}

func (w *worker) isBooted() bool {
	select {
	case <-w.boot.done:
		return true
	default:
		return false
	}
}

func (w *worker) isReady() bool {
	select {
	case <-w.boot.done:
		return w.boot.err == nil
	default:
		return false
	}
}

// await is the last to touch the worker, but for its acts that are on their way: it waits for the exit, reads what the
// pipes still hold, and settles what was in flight. Whoever has waited for gone finds a pool that knows the worker no
// more; so nothing in run waits for it.
func (w *worker) await(reading, logging chan struct{}) {
	w.end.exit = w.process.Wait()
	close(w.end.exited)
	w.process.Expire(time.Now().Add(pipeGrace))
	<-reading
	<-logging
	w.endCalls()
	w.voice.tell()
	w.pool.dispatch.withdraw(w, Stopped)
	unread := w.process.Unread()
	w.input.Close()
	w.conn.Flush() // a write under way fails now, and is counted
	w.process.Close()
	read := int64(-1)
	if unread >= 0 {
		_, written := w.conn.Sent()
		read = written - int64(unread)
	}
	w.end.struck = !w.isBooted() && w.fromOutside()
	w.settleBoot(w.bootFailure(""))

	w.mu.Lock()
	w.link.enters(linkEnded)
	left := make([]*attempt, 0, len(w.link.streams))
	for _, a := range w.link.streams {
		left = append(left, a)
	}
	w.link.streams = nil
	w.mu.Unlock()
	w.settle(left, read)
	w.pool.exited(w)
	close(w.end.gone)
}

// pipeGrace is for bytes that the pipe still holds when the process has gone; it passes only if a process that left
// the group keeps the pipe open.
const pipeGrace = 200 * time.Millisecond

// bootFailure explains a boot that came to nothing: with why, or else with what is known of the worker's end, which
// must have come then.
func (w *worker) bootFailure(why string) error {
	w.mu.Lock()
	if why == "" {
		why = w.link.broken
	}
	before := "READY"
	if w.link.warming != "" {
		before = "it had answered the warm-up " + w.link.warming
	}
	w.mu.Unlock()
	said := w.tail.String()
	switch {
	case why != "" && said != "":
		return fmt.Errorf("%s; stderr: %s", why, said)
	case why != "":
		return errors.New(why)
	}
	hint, quiet := "", said == "" && !strings.HasPrefix(w.end.exit, "signal")
	greeting := w.gen.settings.Greeting
	asks := greeting != "" && !w.spoke.Load()
	serves := asks && strings.Contains(said, "listen tcp") // by itself, at an address that is not free
	// the end of a program that is no worker
	switch is := before == "READY" && (w.end.exit == "exit status 0" || quiet || serves); {
	case is && asks:
		hint = "; " + greeting
	case is:
		hint = "; does it come to the SDK's run() or Serve()?"
	}
	if remedy := w.gen.settings.Remedy; remedy != nil {
		if text := remedy(said, before == "READY" && w.end.exit == "exit status 0"); text != "" {
			hint = "; " + text
		}
	}
	if said != "" {
		return fmt.Errorf("it ended before %s (%s): %s%s", before, w.end.exit, said, hint)
	}
	return fmt.Errorf("it ended before %s (%s) and said nothing%s", before, w.end.exit, hint)
}

// admits says whether the worker has room. Under dispatcher.mu.
func (w *worker) admits() bool {
	return (w.duty.state == Idle || w.duty.state == Busy) && !w.apart && w.duty.blocked.IsZero() &&
		w.duty.room(w.offer.concurrency) > 0
}

// room is how many streams more a worker may have that takes so many. Under dispatcher.mu.
func (d *duty) room(concurrency int) int { return concurrency - (d.inflight - d.tunnels) }

// drainedOnce closes drained. Under dispatcher.mu.
func (w *worker) drainedOnce() {
	select {
	case <-w.duty.drained:
	default:
		close(w.duty.drained)
	}
}

// kill ends the process now, for the reason given.
func (w *worker) kill(why string) {
	w.mu.Lock()
	if w.link.broken == "" {
		w.link.broken = why
	}
	w.mu.Unlock()
	if w.process != nil {
		w.process.Kill()
	}
}
