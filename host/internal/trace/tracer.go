// A tracer: which spans are sampled, and the way of those that are over, by a queue and one goroutine, to an Exporter.

package trace

import (
	"context"
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/workerhost/workerhost/host/internal/quiet"
)

// Exporter sends spans to where they are kept.
type Exporter interface {
	// Export sends a batch, and keeps nothing of it. It is called by one goroutine, and ends with ctx. rejected is how
	// many spans of it are not wanted though it arrived; an error is a [*Delay] where a later attempt may do better.
	Export(ctx context.Context, batch []*Record) (rejected int, err error)
	// Close lets go of the connections.
	Close()
}

// Delay is the error of a batch that may be sent once more.
type Delay struct {
	After time.Duration // what was asked for; 0 leaves it to the sender
	Err   error
}

// Error implements error.
func (d *Delay) Error() string { return d.Err.Error() }

// Unwrap is for errors.As and errors.Is.
func (d *Delay) Unwrap() error { return d.Err }

// Tally counts the spans of all tracers that a host has had.
type Tally struct {
	Sent, Dropped atomic.Uint64
}

// Settings say which spans are sampled.
type Settings struct {
	Share       float64 // of the traces that begin here, 0 to 1
	ParentBased bool    // a trace that began elsewhere is sampled if its parent is; else the share counts for it, too
}

// Tracer makes spans. The nil one makes none. Its methods are safe for concurrent use.
type Tracer struct {
	below       uint64 // of a trace id's last 63 bits: those below it are sampled
	parentBased bool
	exporter    Exporter
	tally       *Tally
	log         hclog.Logger
	lost        quiet.Throttle // of spans that did not arrive

	queue chan *Record
	users atomic.Int64 // spans that are to end, plus one until Retire
	once  sync.Once
	quit  chan struct{} // closed when no span comes any more, or none is waited for
	now   context.Context
	end   context.CancelFunc
	done  chan struct{}
}

const (
	waiting   = 2048 // spans, of a few KiB at most each
	mostBatch = 512
	batchWait = 2 * time.Second // of the first of a batch, for others
	// firstRetry doubles with each attempt, up to longestRetry; all together takes retryTime at most.
	firstRetry   = 500 * time.Millisecond
	longestRetry = 15 * time.Second
	retryTime    = time.Minute
	closeTime    = 5 * time.Second
)

// New makes a tracer with a goroutine, which Close or Retire ends. tally outlives it.
func New(s Settings, e Exporter, tally *Tally, log hclog.Logger) *Tracer {
	t := &Tracer{parentBased: s.ParentBased, exporter: e, tally: tally, log: log,
		queue: make(chan *Record, waiting), quit: make(chan struct{}), done: make(chan struct{})}
	t.below = uint64(min(max(s.Share, 0), 1) * (1 << 63))
	t.users.Store(1)
	t.now, t.end = context.WithCancel(context.Background())
	go t.run() // ends with Close, or with the last span after Retire
	return t
}

// Start makes a span below one that is known from elsewhere, or the first one of a trace if parent is the zero one. A
// span that is sampled has to be ended.
func (t *Tracer) Start(parent Context) Span {
	if t == nil {
		return Span{}
	}
	if !parent.Known() {
		return t.first(false, false)
	}
	s := Span{Context: parent, parent: parent.SpanID, follows: t.parentBased, tracer: t}
	s.SpanID = newSpanID()
	if !t.parentBased {
		s.Sampled = t.samples(s.TraceID)
	}
	s.Sampled = s.Sampled && t.retain()
	return s
}

// Always makes the first span of a trace that is sampled whatever the share.
func (t *Tracer) Always() Span {
	if t == nil {
		return Span{}
	}
	return t.first(true, true)
}

// Restore makes a span that has ended in another process, for [Tracer.After] and links alone: it must not end here.
func (t *Tracer) Restore(c Context, decided bool) Span {
	return Span{Context: c, follows: decided, tracer: t}
}

// After makes the first span of a trace that an earlier span, which may be nil, has led to. If that one was sampled,
// or not, because somebody else had decided so, this one is as well.
func (t *Tracer) After(cause *Span) Span {
	if t == nil {
		return Span{}
	}
	if cause == nil {
		return t.first(false, false)
	}
	return t.first(cause.follows && t.parentBased, cause.Sampled)
}

func (t *Tracer) first(decided, sampled bool) Span {
	s := Span{Context: Context{TraceID: newTraceID(), SpanID: newSpanID()}, follows: decided, tracer: t}
	if !decided {
		sampled = t.samples(s.TraceID)
	}
	s.Sampled = sampled && t.retain()
	return s
}

// samples decides as OpenTelemetry's TraceIdRatioBased does, so that all hosts of a trace agree.
func (t *Tracer) samples(id TraceID) bool { return binary.BigEndian.Uint64(id[8:])>>1 < t.below }

// retain says whether a span that begins now can still come out.
func (t *Tracer) retain() bool {
	for n := t.users.Load(); n > 0; n = t.users.Load() {
		if t.users.CompareAndSwap(n, n+1) {
			return true
		}
	}
	return false
}

func (t *Tracer) release() {
	if t.users.Add(-1) == 0 {
		t.once.Do(func() { close(t.quit) })
	}
}

// Retire ends the tracer once the spans that have begun are over and sent, and does not wait for them. It is called
// once, when nobody is given the tracer any more. The nil one has nothing to end.
func (t *Tracer) Retire() {
	if t != nil {
		t.release()
	}
}

// Close sends what has come, within a bound, and ends the tracer.
func (t *Tracer) Close() {
	if t == nil {
		return
	}
	t.once.Do(func() { close(t.quit) })
	late := time.AfterFunc(closeTime, t.end)
	<-t.done
	late.Stop()
}

// add leaves a record for the exporter.
func (t *Tracer) add(r *Record) {
	select {
	case <-t.quit: // Close waits for nobody
		t.drop(1, errClosed)
		r.free()
		return
	default:
	}
	select {
	case t.queue <- r:
	default:
		t.drop(1, errFull)
		r.free()
	}
}

var (
	errFull   = errors.New("more spans come than can be sent")
	errClosed = errors.New("the host ends")
)

// drop counts spans that nobody will see, and says why.
func (t *Tracer) drop(n int, why error) {
	t.tally.Dropped.Add(uint64(n))
	t.lost.Warn(t.log, "spans are dropped: look at the collector and at [tracing]", "spans", n, "error", why)
}

// run is the goroutine that sends.
func (t *Tracer) run() {
	defer close(t.done)
	defer t.end()
	defer t.exporter.Close()
	defer t.lost.Flush()
	batch := make([]*Record, 0, mostBatch)
	flush := time.NewTimer(time.Hour)
	flush.Stop()
	for {
		select {
		case r := <-t.queue:
			if batch = append(batch, r); len(batch) == 1 {
				flush.Reset(batchWait)
			}
			if len(batch) < mostBatch {
				continue
			}
		case <-flush.C:
		case <-t.quit:
			t.drain(batch)
			return
		}
		flush.Stop()
		batch = t.send(batch)
	}
}

// drain sends what is left.
func (t *Tracer) drain(batch []*Record) {
	for {
		select {
		case r := <-t.queue:
			if batch = append(batch, r); len(batch) == mostBatch {
				batch = t.send(batch)
			}
		default:
			t.send(batch)
			return
		}
	}
}

// send exports a batch, with retries until the tracer ends, and gives it back empty.
func (t *Tracer) send(batch []*Record) []*Record {
	if len(batch) == 0 {
		return batch
	}
	rejected, err := t.exporter.Export(t.now, batch)
	until := time.Now().Add(retryTime)
	for wait := firstRetry; err != nil; wait = min(2*wait, longestRetry) {
		var later *Delay
		if !errors.As(err, &later) {
			break
		}
		// some time more or less, so that not all hosts come at once
		pause := max(later.After, wait/2+rand.N(wait))
		if time.Now().Add(pause).After(until) || !t.pause(pause) {
			break
		}
		rejected, err = t.exporter.Export(t.now, batch)
	}
	if err != nil {
		rejected = len(batch)
	} else if rejected > 0 {
		err = errors.New("the collector does not want them")
	}
	if rejected > 0 {
		t.drop(rejected, err)
	}
	t.tally.Sent.Add(uint64(max(0, len(batch)-rejected)))
	for _, r := range batch {
		r.free()
	}
	clear(batch)
	return batch[:0]
}

// pause says false if the tracer is to end meanwhile.
func (t *Tracer) pause(d time.Duration) bool {
	select {
	case <-time.After(d):
		return true
	case <-t.quit:
		return false
	}
}
