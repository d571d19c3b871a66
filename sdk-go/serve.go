// Serve and its options: the life of a worker from the handshake to its exit.

package sdk

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"runtime/debug"
	"slices"
	"time"

	"github.com/workerhost/workerhost/protocol"
)

const (
	sdkName            = "workerhost-sdk-go/0.1.0"
	defaultConcurrency = 256
	// goneGrace is how long handlers have to notice that the host is gone.
	goneGrace = 2 * time.Second
)

// Option changes how [Serve] works.
type Option func(*options)

type options struct {
	concurrency int
	start       []func(context.Context) error
	drain       []func()
	stop        []func()
	events      Worker // its handlers of events
	timers      []timer
	name        string
	own         bool // the process is the worker's alone, signals and all
}

// WithConcurrency sets how many requests the worker takes at once; the default is 256. The host sends no more than
// that, and keeps the rest in its queue. n below 1 counts as 1.
func WithConcurrency(n int) Option {
	return func(o *options) { o.concurrency = max(n, 1) }
}

// WithName sets what the worker calls itself in the host's status, a name and a version, in place of this SDK's.
func WithName(name string) Option {
	return func(o *options) { o.name = name }
}

// OnStart adds a hook that runs before the worker says that it is ready, in the order given: connect, warm caches. If
// it fails or panics, so does the boot: the host shows the error and keeps the old workers. ctx tells the worker's
// place ([Self]), and is done when the host no longer wants this worker.
func OnStart(hook func(ctx context.Context) error) Option {
	return func(o *options) { o.start = append(o.start, hook) }
}

// OnDrain adds a hook that runs when this worker is to leave, beside what still runs: when it is replaced, by a reload
// or for its age, or the host is gone. It is for handlers that would go on, such as streams and long polls without
// [Hold], to be told to come to an end before drain_timeout cuts them off. A host that stops drains its workers only
// once their requests have ended or were cut. Hooks run in the order given, once at most, and not if the boot failed;
// a panic is logged. [Serve] waits for them, after the last request for 2 seconds at most.
func OnDrain(hook func()) Option {
	return func(o *options) { o.drain = append(o.drain, hook) }
}

// OnStop adds a hook that runs once no request is left, just before [Serve] returns; the last one added runs first. It
// does not run if the boot failed.
func OnStop(hook func()) Option {
	return func(o *options) { o.stop = append(o.stop, hook) }
}

// ErrNoHost is what [Serve] returns when no host started this program.
var ErrNoHost = errors.New("sdk: not started by a host")

const byHand = `This program is a worker: it answers HTTP requests that a host hands to it, and has no port of its own.
To serve it:

    host serve .            in its folder, or
    host serve -- %s

and then open http://127.0.0.1:8080/.
`

// Serve answers the host's requests with handler (nil means [http.DefaultServeMux]) until the host is done with this
// worker. It returns nil when the host drained it or closed the link while nothing ran, and the program should then
// exit with status 0; an error means that it should exit with another one, as log.Fatal does. Run by hand, it says how
// to start the program and returns [ErrNoHost].
//
// Serve takes over the process's standard input and output: from then on what is printed goes to the host's log. Call
// it once, from main.
func Serve(handler http.Handler, opts ...Option) error {
	r, w, err := openFrames()
	if errors.Is(err, ErrNoHost) {
		fmt.Fprintf(os.Stderr, byHand, os.Args[0])
	}
	if err != nil {
		return err
	}
	return serve(r, w, handler, append(slices.Clip(opts), func(o *options) { o.own = true }))
}

// ServeLink is [Serve] on a link that the caller has made, for a worker that is not a process of its own: r gives what
// the host writes, and w takes what it reads; if w is a [protocol.TryWriter], small frames go out without a goroutine.
// It closes both, and answers no signals.
func ServeLink(r io.ReadCloser, w io.WriteCloser, handler http.Handler, opts ...Option) error {
	return serve(r, w, handler, opts)
}

// serve is Serve on a given pair of streams, which it closes.
func serve(r io.ReadCloser, w io.WriteCloser, handler http.Handler, opts []Option) error {
	o := options{concurrency: defaultConcurrency, name: sdkName}
	for _, opt := range opts {
		opt(&o)
	}
	if handler == nil {
		handler = http.DefaultServeMux
	}
	if o.events.OnUpgrade != nil && o.events.SessionVersion < 1 {
		return errors.New("sdk: OnUpgrade makes sessions ones of SessionVersion, which is 1 or more")
	}
	defer r.Close() // ends the reader
	defer w.Close()
	conn := protocol.NewConn(r, w)
	hello, err := conn.Accept()
	if err != nil {
		return fmt.Errorf("sdk: no handshake with the host: %w", err)
	}
	l := newLink(conn, hello, handler, &o)
	current.Store(l)
	defer current.CompareAndSwap(l, nil)
	if o.own {
		l.features = append(l.answerBacktraces(), protocol.FeatureProfile)
		l.concurrency++ // a profile takes nobody's room
	}
	go l.read() // until the link ends: r.Close above sees to it

	if started, err := l.boot(&o); !started {
		return err
	}
	ticking := o.tick(linkContext{context.Background(), l}, l.leave, l.panicked)
	err = l.wait()
	ticking.end()
	for _, hook := range slices.Backward(o.stop) {
		hook()
	}
	if err == nil {
		err = conn.Flush()
	}
	return err
}

// panicked reports a panic of the program's that no request had.
func (l *link) panicked(message, stack string) { l.log("error", 0, message, "stack", stack) }

// boot runs the OnStart hooks and says READY, or FAILED. It returns false if this worker will not serve: with the
// error, or with nil if the host called it off.
func (l *link) boot(o *options) (started bool, err error) {
	ctx, cancel := context.WithCancelCause(linkContext{context.Background(), l})
	defer cancel(nil)
	type outcome struct {
		err   error
		trace string
	}
	booted := make(chan outcome, 1)
	go func() { // ends with the hooks; a hook that ignores its context is left to the exit of the process
		var out outcome
		defer func() {
			if v := recover(); v != nil {
				out = outcome{fmt.Errorf("panic: %v", v), string(debug.Stack())}
			}
			booted <- out
		}()
		for _, hook := range o.start {
			if out.err = hook(ctx); out.err != nil {
				return
			}
		}
	}()
	var out outcome
	select {
	case out = <-booted:
	case <-l.over:
		cancel(ErrHostGone)
		select {
		case <-booted:
		case <-time.After(goneGrace):
		}
		return false, l.err
	}
	if out.err != nil {
		// a broken pipe is the lesser news
		_ = l.conn.Send(&protocol.Failed{Message: out.err.Error(), Trace: out.trace})
		_ = l.conn.Flush()
		return false, fmt.Errorf("sdk: the worker did not start: %w", out.err)
	}
	ready := &protocol.Ready{
		Version: protocol.Version, PID: os.Getpid(), SDK: o.name, Concurrency: o.concurrency,
		Features: append(append(o.events.features(), "deadline", "local", "threads", protocol.FeaturePieces,
			protocol.FeatureTunnel),
			l.features...),
		Window: protocol.DefaultWindow, Queues: o.events.queues(),
	}
	if err := l.conn.Send(readiness{ready, l}); err != nil {
		return false, fmt.Errorf("sdk: the host is gone: %w", err)
	}
	if l.trial && o.events.OnUpgrade != nil {
		l.tryUpgrade(ctx)
	}
	return true, nil
}

// readiness is READY that opens the way for acts and calls in the same moment: whoever sees the flag comes after it.
type readiness struct {
	*protocol.Ready
	l *link
}

// AppendFrame implements [protocol.Message].
func (r readiness) AppendFrame(b []byte) []byte {
	r.l.ready.Store(true)
	return r.Ready.AppendFrame(b)
}

// wait returns when the worker has been drained, or when the link has ended and the handlers have had their time to
// notice.
func (l *link) wait() error {
	<-l.over
	cut := l.cancelAll(ErrHostGone)
	if cut == 0 {
		return l.err
	}
	select {
	case <-l.idle():
	case <-time.After(goneGrace):
	}
	if l.err != nil {
		return l.err
	}
	return fmt.Errorf("%w: %d requests were cut off", ErrHostGone, cut)
}
