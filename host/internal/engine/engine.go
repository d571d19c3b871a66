// engine.go: the engine as the host has it, and the connection to it.

package engine

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/workerhost/workerhost/host/internal/redact"
)

// Patience is how long somebody waits for the engine who has no deadline of their own, and for each of its answers.
const Patience = 5 * time.Second

// ErrUnavailable is what is wrapped when the engine can't be reached, or does not answer in time.
var ErrUnavailable = errors.New("the engine is not available")

// ErrClosed is the cause of an ErrUnavailable after Close.
var ErrClosed = errors.New("the host ends")

// Settings say where the engine is. They don't change as long as the host runs.
type Settings struct {
	// Folder makes the folder of the embedded server's files, and names it.
	Folder func() (string, error)
	// URL is of NATS servers that stand elsewhere, several separated by commas; "" has the host embed one.
	URL string
	// Credentials is a file with a JWT and its seed, as NATS' tools write them, for those; "" for none.
	Credentials string
	// MaxMemory and MaxDisk bound what all streams together may take of the embedded server, in bytes.
	MaxMemory, MaxDisk int64
	// Cluster has the embedded server be one of several; nil: it is alone.
	Cluster *Cluster
	// Replicas is how many copies there are to be of what other servers keep; 0 is one.
	Replicas int
	// Name is what connections are called on the server.
	Name string
	Log  hclog.Logger
}

// Engine is a connection to the engine, made by the first who asks for it. It is safe for concurrent use.
type Engine struct {
	settings Settings
	dialer   *dialer // nil with a URL

	mu      sync.Mutex
	begun   chan struct{}       // nil: nobody has asked yet; closed when the first try is over
	conn    *nats.Conn          // nil: it has never stood
	stream  jetstream.JetStream // over conn
	up      chan struct{}       // closed while it is connected
	last    error               // why it is not
	missed  time.Time           // since when; zero while it is, and before somebody asks
	closed  bool
	opening *nats.Conn // set before begun is closed; nil if there is none

	mute atomic.Pointer[time.Time] // since when nothing that was asked Again was answered; nil: something was
}

// New makes an engine that has not begun yet.
func New(s Settings) *Engine {
	e := &Engine{settings: s, up: make(chan struct{})}
	if s.URL == "" {
		e.dialer = &dialer{settings: s}
	}
	return e
}

// grace is how long somebody waits for an engine that has been away for longer than [Patience]: all who need it would
// wait in vain by turns, and workers that wait are none for others.
const grace = 100 * time.Millisecond

// Conn is the connection, once it stands. It waits for that until ctx ends, for [Patience] at most, and no longer than
// a moment if nobody has reached it for that long; the error wraps [ErrUnavailable] and says why.
func (e *Engine) Conn(ctx context.Context) (*nats.Conn, error) {
	conn, _, err := e.reach(ctx)
	return conn, err
}

// JetStream is the same for streams, stores and consumers. Each of its calls takes [Patience] at most if its context
// has no deadline.
func (e *Engine) JetStream(ctx context.Context) (jetstream.JetStream, error) {
	_, stream, err := e.reach(ctx)
	return stream, err
}

func (e *Engine) reach(ctx context.Context) (*nats.Conn, jetstream.JetStream, error) {
	ctx, cancel := context.WithTimeout(ctx, e.patience())
	defer cancel()
	for {
		e.mu.Lock()
		if e.closed {
			e.mu.Unlock()
			return nil, nil, fmt.Errorf("%w: %w", ErrUnavailable, ErrClosed)
		}
		e.start()
		if e.stands() {
			defer e.mu.Unlock()
			return e.conn, e.stream, nil
		}
		up, begun := e.up, e.begun
		if e.opening != nil {
			begun = nil // it is tried again and again
		}
		e.mu.Unlock()
		select {
		case <-up:
		case <-begun:
			if err := e.undone(begun); err != nil {
				return nil, nil, fmt.Errorf("%w: %w", ErrUnavailable, err)
			}
		case <-ctx.Done():
			e.mu.Lock()
			err := e.last
			e.mu.Unlock()
			if err == nil {
				err = context.Cause(ctx)
			}
			return nil, nil, fmt.Errorf("%w: %w", ErrUnavailable, err)
		}
	}
}

// patience is how long it may be waited for.
func (e *Engine) patience() time.Duration {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.last != nil && !e.missed.IsZero() && time.Since(e.missed) > Patience {
		return grace
	}
	return Patience
}

// start has the connection made, if nobody has before. It does not wait; the caller holds mu.
func (e *Engine) start() {
	if e.begun != nil {
		return
	}
	e.begun = make(chan struct{})
	if e.missed.IsZero() {
		e.missed = time.Now()
	}
	go func() { // ends with the first try, whose parts have time-outs
		defer close(e.begun)
		conn, err := e.open()
		e.mu.Lock()
		e.opening = conn
		e.mu.Unlock()
		if err != nil {
			e.failed(err)
		}
	}()
}

// undone says why a first try has failed for good, and lets the next one who asks start anew.
func (e *Engine) undone(begun chan struct{}) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.begun != begun || e.opening != nil {
		return nil
	}
	e.begun = nil
	return e.last
}

// open makes the connection, which comes to stand now or later.
func (e *Engine) open() (*nats.Conn, error) {
	url := e.settings.URL
	options := []nats.Option{
		nats.Name(e.settings.Name), nats.MaxReconnects(-1), nats.RetryOnFailedConnect(true),
		nats.CustomReconnectDelay(pause), nats.PingInterval(10 * time.Second), nats.MaxPingsOutstanding(2),
		nats.ReconnectBufSize(-1), // what can't be sent now fails now
		nats.ConnectHandler(func(c *nats.Conn) { e.stood(c) }),
		nats.ReconnectHandler(func(c *nats.Conn) { e.stood(c) }),
		nats.DisconnectErrHandler(func(_ *nats.Conn, err error) { e.lost(err) }),
		nats.ReconnectErrHandler(func(_ *nats.Conn, err error) { e.failed(err) }),
		nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) {
			e.settings.Log.Warn("the engine says", "error", redact.Text(err.Error()))
		}),
	}
	if e.dialer != nil {
		if err := e.dialer.prepare(); err != nil {
			return nil, err
		}
		url = "nats://engine:4222" // nobody resolves it
		options = append(options, nats.SetCustomDialer(e.dialer), nats.SkipHostLookup())
	} else if e.settings.Credentials != "" {
		options = append(options, nats.UserCredentials(e.settings.Credentials))
	}
	return nats.Connect(url, options...)
}

// pause is how long it waits before it tries again, having tried so often: at once where another process has left the
// folder, and not all the time where nobody is there.
func pause(tries int) time.Duration {
	return min(10*time.Millisecond<<min(tries, 10), 2*time.Second)
}

// stood notes that the connection stands.
func (e *Engine) stood(c *nats.Conn) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.stands() {
		return
	}
	if e.conn == nil {
		e.conn = c
		e.stream, e.last = jetstream.New(c, jetstream.WithDefaultTimeout(Patience))
		if e.last != nil { // it can't be: there are no options that could be wrong
			return
		}
	}
	e.last, e.missed = nil, time.Time{}
	close(e.up)
	e.settings.Log.Debug("the engine is there", "where", e.where())
}

// lost notes that it does not, and why.
func (e *Engine) lost(why error) {
	if why == nil {
		why = errors.New("the connection to it has ended")
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if !e.stands() {
		return
	}
	e.up, e.last, e.missed = make(chan struct{}), why, time.Now()
	if !e.closed {
		e.settings.Log.Warn("the engine is away: what needs it waits, or fails", "where", e.where(),
			"error", redact.Text(why.Error()))
	}
}

// failed notes why a try to reach it came to nothing.
func (e *Engine) failed(why error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if !e.stands() {
		e.last = why
	}
}

// stands says whether the connection does. The caller holds mu.
func (e *Engine) stands() bool {
	select {
	case <-e.up:
		return true
	default:
		return false
	}
}

// where is the engine's place, for people.
func (e *Engine) where() string {
	if e.dialer == nil {
		return redact.Text(e.settings.URL)
	}
	return e.dialer.place()
}

// Status is an engine's, for people and metrics.
type Status struct {
	Begun     bool   // somebody has asked for it
	Connected bool   // it can be reached now
	Embedded  bool   // it is the host's, or another host's of the same folder
	Serves    bool   // it runs in this process
	Where     string // folder, or URL without passwords
	Error     string // why it can't be reached; "" if it can, or nobody has asked
}

// Status says how it is.
func (e *Engine) Status() Status {
	e.mu.Lock()
	defer e.mu.Unlock()
	s := Status{Begun: e.begun != nil, Connected: e.stands(), Embedded: e.dialer != nil, Where: e.where()}
	s.Serves = e.dialer != nil && e.dialer.here.Load()
	if e.last != nil {
		s.Error = redact.Text(e.last.Error())
	}
	return s
}

// Yield leaves the folder to the next host, which takes it when it next reaches for it, and has this host use that
// one's engine. It is for an upgrade that can't fail any more.
func (e *Engine) Yield() {
	if e.dialer != nil {
		e.dialer.yield()
	}
}

// Close ends the connection, and the server if it is this host's. Whoever asks afterwards gets [ErrClosed].
func (e *Engine) Close() {
	e.mu.Lock()
	e.closed = true
	begun := e.begun
	e.mu.Unlock()
	if begun != nil {
		<-begun
		if e.opening != nil {
			e.opening.Close()
		}
	}
	if e.dialer != nil {
		e.dialer.yield()
	}
}
