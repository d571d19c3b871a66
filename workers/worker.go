// A worker: its process, its link, and the goroutines that serve them.

package workers

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/workerhost/workerhost/protocol"
	"github.com/workerhost/workerhost/workers/internal/process"
)

type worker struct {
	pool    *Pool
	slot    int
	home    *slot // owned by run
	gen     *generation
	process process.Process
	conn    *protocol.Conn
	input   io.Closer // the worker's end of input
	log     hclog.Logger
	tail    tail
	voice   voice
	started time.Time

	booted   chan struct{} // closed when bootErr is set: READY came, or never will
	bootErr  error
	bootTime time.Duration
	ready    protocol.Ready // from booted on
	patience int64          // what REQUEST's deadline says, in milliseconds; from booted on
	bootOnce sync.Once

	drained chan struct{} // closed when it is draining and holds no lease
	exited  chan struct{} // closed when the process has exited
	gone    chan struct{} // closed when, after that, every exchange is settled and the pool has forgotten it
	exit    string        // how the process went; from gone on
	struck  bool          // it was killed from outside before it was READY; from gone on

	// guarded by dispatcher.mu
	state       State
	listed      bool // in dispatcher.free
	inflight    int
	concurrency int
	requests    uint64
	idleSince   time.Time
	readsAhead  bool
	next        []*exchange   // handed ahead, in order
	pace        time.Duration // how long a request takes, on average
	drainClosed bool

	printed printed

	mu sync.Mutex
	// guarded by mu
	streams map[uint32]*attempt
	lastID  uint32
	ended   bool   // no stream opens any more
	parting bool   // DRAIN was sent, and likewise
	broken  string // why the link failed, if it did
	warming string // the warm-up request at hand, or the last one

	// the reader's own
	greeted bool    // READY came
	loose   staging // the SEND on stream 0 whose parts are coming
	spare   *staging

	calls ledger // ended in await

	pongSeq uint64 // the latest answered

	share     share         // fixed at its start
	born      int64         // its memory when it was ready, where there is a limit; fixed before any request
	weighed   atomic.Int64  // when its memory was looked at, in Unix nanoseconds
	recycling atomic.Bool   // it is being replaced for its own sake
	due       restartReason // why
	oversized atomic.Bool   // it is larger than MaxMemoryHard, and has been told to give up what it has
	outgrew   time.Time     // when; the watch's own
	doomed    atomic.Bool   // it is being ended for that, with all that it has
	overdue   int           // how often that failed
	overruled atomic.Bool   // it is being ended for not heeding a RESET
	unheeded  chan struct{} // closed when a worker of many requests did not heed one

	traceTurn sync.Mutex                  // held by whoever asks for a backtrace
	trace     atomic.Pointer[chan string] // where the answer goes; nil if nobody waits for one

	// the watch's own
	pinged     time.Time // when PING pingSeq was sent
	pingSeq    uint64
	toldUndone bool // the log has that a DONE is missing
}

// startWorker starts a process for the slot. Its READY, or its failure, closes booted.
func (p *Pool) startWorker(g *generation, slot int) *worker {
	w := &worker{
		pool: p, slot: slot, gen: g, started: time.Now(),
		booted: make(chan struct{}), drained: make(chan struct{}), exited: make(chan struct{}), gone: make(chan struct{}), unheeded: make(chan struct{}),
		streams: map[uint32]*attempt{}, lastID: ^uint32(0), // the first stream is 1
		share: g.settings.share(), calls: ledger{open: map[uint32]call{}},
	}
	w.log = p.log.With("worker", slot, "generation", g.number)
	proc, err := g.launch(p.environment(g))
	if err != nil {
		w.boot(err)
		w.ended, w.state, w.exit = true, Stopped, "never started"
		close(w.gone)
		return w
	}
	w.process = proc
	if g.trial {
		w.tail.size = trialOutput
	}
	w.log = w.log.With("pid", proc.PID())
	w.voice = voice{log: w.log, rate: g.settings.LogRate, meter: &p.meter}
	w.printed.each = w.printedLine
	from, to := proc.Frames()
	w.conn, w.input = protocol.NewConn(from, to), to
	w.conn.Send(g.settings.hello(g, slot)) // if the pipe is broken, the exit tells

	reading := make(chan struct{})
	logging := make(chan struct{})
	go func() { defer close(reading); w.read() }()
	go func() {
		defer close(logging)
		readLines(proc.Stderr(), func(line []byte, over int) { w.line(line, over) })
	}()
	go w.await(reading, logging) // ends when the process does; whoever starts a worker sees gone
	w.log.Debug("worker started", "command", strings.Join(g.command, " "))
	return w
}

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

// boot settles the boot, once.
func (w *worker) boot(err error) {
	w.bootOnce.Do(func() {
		w.bootErr, w.bootTime = err, time.Since(w.started)
		close(w.booted)
	})
}

func (w *worker) isBooted() bool {
	select {
	case <-w.booted:
		return true
	default:
		return false
	}
}

func (w *worker) isReady() bool {
	select {
	case <-w.booted:
		return w.bootErr == nil
	default:
		return false
	}
}

// await is the last to touch the worker: it waits for the exit, reads what the pipes still hold, and settles what was in
// flight. Whoever has waited for gone finds a pool that knows the worker no more; so nothing in run waits for it.
func (w *worker) await(reading, logging chan struct{}) {
	w.exit = w.process.Wait()
	close(w.exited)
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
	w.struck = !w.isBooted() && w.fromOutside()
	w.boot(w.bootFailure(""))

	w.mu.Lock()
	w.ended = true
	left := make([]*attempt, 0, len(w.streams))
	for _, a := range w.streams {
		left = append(left, a)
	}
	w.streams = nil
	w.mu.Unlock()
	w.settle(left, read)
	w.pool.exited(w)
	close(w.gone)
}

// pipeGrace is for bytes that the pipe still holds when the process has gone; it passes only if a process that left the group keeps the pipe open.
const pipeGrace = 200 * time.Millisecond

// bootFailure explains a boot that came to nothing: with why, or else with what is known of the worker's end.
func (w *worker) bootFailure(why string) error {
	w.mu.Lock()
	broken, before := w.broken, "READY"
	if w.warming != "" {
		before = "it had answered the warm-up " + w.warming
	}
	w.mu.Unlock()
	if why != "" {
		broken = why
	}
	said, hint := w.tail.String(), ""
	if before == "READY" && (w.exit == "exit status 0" || said == "" && !strings.HasPrefix(w.exit, "signal")) { // the end of a program that is no worker
		hint = "; does it come to the SDK's run() or Serve()?"
	}
	if remedy := w.gen.settings.Remedy; remedy != nil && said != "" {
		if text := remedy(said); text != "" {
			hint = "; " + text
		}
	}
	switch {
	case broken != "" && said != "":
		return fmt.Errorf("%s; stderr: %s", broken, said)
	case broken != "":
		return errors.New(broken)
	case said != "":
		return fmt.Errorf("it ended before %s (%s): %s%s", before, w.exit, said, hint)
	}
	return fmt.Errorf("it ended before %s (%s) and said nothing%s", before, w.exit, hint)
}

// admits says whether the worker has room. Under dispatcher.mu.
func (w *worker) admits() bool {
	return (w.state == Idle || w.state == Busy) && w.inflight < w.concurrency
}

// drainedOnce closes drained. Under dispatcher.mu.
func (w *worker) drainedOnce() {
	if !w.drainClosed {
		w.drainClosed = true
		close(w.drained)
	}
}

// kill ends the process now, for the reason given.
func (w *worker) kill(why string) {
	w.mu.Lock()
	if w.broken == "" {
		w.broken = why
	}
	w.mu.Unlock()
	if w.process != nil {
		w.process.Kill()
	}
}
