// The worker's end of the link: one goroutine reads frames and hands them to the streams, and never waits for any of
// them.

package sdk

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/workerhost/workerhost/protocol"
)

type link struct {
	conn        *protocol.Conn
	handler     http.Handler
	events      Worker
	self        Place
	window      int // bytes of DATA that we may send on a new stream
	chunk       int // bytes of body that we put into one frame
	maxFrame    int // bytes of payload
	maxActs     int // bytes of acts that the host keeps for a stream
	maxName     int // bytes of a group's name, and of a user id
	concurrency int
	features    []string // for READY
	trial       bool     // the host only tries this code
	offers      []string // features of HELLO

	ready atomic.Bool   // READY is on its way: set in readiness
	calls calls         // what we have asked the host
	spare chan *stream  // leads to goroutines that have nothing to do
	leave chan struct{} // closed when DRAIN has come, or the link has ended
	over  chan struct{} // closed when no more requests will come and, after DRAIN, none is left
	gone  chan struct{} // closed when nothing more will be read
	err   error         // why, or nil; set before over is closed

	mu       sync.Mutex // guards what follows
	streams  map[uint32]*stream
	tunnels  int // of them that take no room: they have been hijacked, and answered with 101
	running  int // streams whose DONE has not been sent; streams leave the map just before it
	draining bool
	ended    bool
	quiet    chan struct{} // if not nil, closed when running is 0

	// the reader's own
	last uint32 // the highest stream that the host opened
}

// frameRoom is what a frame holds beside the bytes of a body: an ample guess for headers.
const frameRoom = 16 << 10

func newLink(conn *protocol.Conn, hello *protocol.Hello, handler http.Handler, o *options) *link {
	return &link{
		conn:    conn,
		handler: handler,
		self: Place{Pool: hello.Pool, Generation: hello.Generation, Slot: hello.Slot, Host: hello.Host,
			Dev: hello.Dev},
		trial:       slices.Contains(hello.Features, protocol.FeatureTrial),
		offers:      hello.Features,
		window:      hello.Window,
		chunk:       max(1, min(protocol.MaxData, hello.MaxFrame-frameRoom)),
		maxFrame:    hello.MaxFrame,
		maxActs:     hello.Limit(protocol.LimitActs, protocol.MaxStaged),
		maxName:     hello.Limit(protocol.LimitName, protocol.MaxName),
		events:      o.events,
		concurrency: o.concurrency,
		calls:       newCalls(max(1, hello.Limit(protocol.LimitCalls, protocol.MaxCalls))),
		spare:       make(chan *stream),
		leave:       make(chan struct{}),
		over:        make(chan struct{}),
		gone:        make(chan struct{}),
		streams:     make(map[uint32]*stream),
	}
}

// read dispatches frames until the link ends.
func (l *link) read() {
	defer close(l.gone)
	for {
		payload, err := l.conn.Read()
		if err == nil {
			err = l.dispatch(payload)
		}
		if err == nil {
			continue
		}
		if errors.Is(err, io.EOF) {
			if l.deafen() {
				return
			}
			err = nil // §1.3: the host is done with us
		} else {
			err = fmt.Errorf("sdk: the link to the host broke: %w", err)
		}
		l.end(err)
		return
	}
}

// deafen is the end of the input after DRAIN: what runs may finish, unless it waits for the host (§8.3). It says false
// if nothing does, or DRAIN has not come.
func (l *link) deafen() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.draining || l.ended {
		return false
	}
	for _, s := range l.streams {
		s.deafen()
	}
	return true
}

// end closes over, once. The first reason stays.
func (l *link) end(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.endLocked(err)
}

func (l *link) endLocked(err error) {
	if !l.ended {
		l.ended, l.err = true, err
		l.leaveLocked()
		close(l.over)
	}
}

// send is for frames that go out as they are; a broken pipe ends the link.
func (l *link) send(m protocol.Message) error {
	err := l.conn.Send(m)
	if err != nil {
		err = fmt.Errorf("sdk: the host is gone: %w", err)
		l.end(err)
	}
	return err
}

func (l *link) dispatch(payload []byte) error {
	t, id, err := protocol.Head(payload)
	if err == nil {
		err = protocol.CheckStream(t, id)
	}
	if err == nil {
		err = l.handle(t, id, payload)
	}
	if unknown, ok := err.(*protocol.UnknownError); ok {
		l.unknown(unknown.What, id)
		return nil
	}
	return err
}

func (l *link) handle(t protocol.Type, id uint32, payload []byte) error {
	switch t {
	case protocol.TypeRequest:
		m := requests.Get().(*protocol.Request)
		if err := m.Parse(payload); err != nil {
			return err
		}
		return l.open(id, t, "", func() *stream { return newStream(l, m) })
	case protocol.TypeOpen, protocol.TypeMessage, protocol.TypeClose, protocol.TypeBuffer, protocol.TypeFetched,
		protocol.TypeTask:
		m, about, err := parseEvent(t, payload)
		if err != nil {
			return err
		}
		return l.open(id, t, l.events.declines(m), func() *stream { return newEvent(l, id, m, about) })
	case protocol.TypeResult:
		return l.result(payload)
	case protocol.TypeData:
		var m protocol.Data
		if err := m.Parse(payload); err != nil {
			return err
		}
		if s := l.stream(id); s != nil {
			return s.body.receive(&m)
		}
	case protocol.TypeWindow:
		var m protocol.Window
		if err := m.Parse(payload); err != nil {
			return err
		}
		if s := l.stream(id); s != nil {
			return s.grant(m.Bytes)
		}
	case protocol.TypeReset:
		var m protocol.Reset
		if err := m.Parse(payload); err != nil {
			return err
		}
		if s := l.stream(id); s != nil {
			s.abort(resetCause(&m))
		}
	case protocol.TypePing:
		var m protocol.Ping
		if err := m.Parse(payload); err != nil {
			return err
		}
		return l.conn.Send(&protocol.Pong{Token: m.Token})
	case protocol.TypePong:
	case protocol.TypeDrain:
		l.drain()
	case protocol.TypeHello, protocol.TypeReady, protocol.TypeFailed, protocol.TypeLog, protocol.TypeEnding,
		protocol.TypeResponse, protocol.TypeInform, protocol.TypeDone,
		protocol.TypeCall, protocol.TypeSwap, protocol.TypeSend, protocol.TypeHangup, protocol.TypeJoin,
		protocol.TypeLeave, protocol.TypeBind, protocol.TypeSet, protocol.TypeAccept,
		protocol.TypePush, protocol.TypeSettle, protocol.TypeProgress, protocol.TypePurge:
		got := fmt.Sprintf("%s on stream %d", t, id)
		return &protocol.LinkError{Expected: "a message that hosts send after HELLO", Got: got, Section: "4.6"}
	default:
		return &protocol.UnknownError{What: t.String()}
	}
	return nil
}

// open begins the goroutine of a request or an event, or refuses it: for a reason, or since there is no room.
func (l *link) open(id uint32, t protocol.Type, reason string, prepare func() *stream) error {
	if id <= l.last || id%2 == 0 {
		want := fmt.Sprintf("%s on an odd stream above %d", t, l.last)
		return &protocol.LinkError{Expected: want, Got: fmt.Sprintf("stream %d", id), Section: "4.1"}
	}
	l.last = id
	l.mu.Lock()
	switch {
	case reason != "":
	case l.draining || l.ended:
		reason = "this worker is draining"
	case len(l.streams)-l.tunnels >= l.concurrency:
		reason = fmt.Sprintf("this worker takes %d requests at once", l.concurrency)
	}
	if reason != "" {
		l.mu.Unlock()
		if err := l.conn.Send(&protocol.Reset{Stream: id, Code: protocol.ResetRefused, Reason: reason}); err != nil {
			return err
		}
		return l.conn.Send(&protocol.Done{Stream: id})
	}
	s := prepare()
	l.streams[id] = s
	l.running++
	l.mu.Unlock()
	select {
	case l.spare <- s:
	default:
		go l.serve(s) // running counts what it runs; it ends with the link
	}
	return nil
}

// serve runs one stream after another: a goroutine that has grown its stack once is worth keeping. There are never
// more of them than streams at once.
func (l *link) serve(s *stream) {
	for {
		s.run()
		select {
		case s = <-l.spare:
		case <-l.over:
			return
		}
	}
}

// unknown answers a message that this SDK does not know, by its type or a critical flag (§11.2); what names it.
func (l *link) unknown(what string, id uint32) {
	what += ", which this SDK does not know"
	if id == 0 {
		l.log("warn", 0, "ignored "+what)
		return
	}
	if s := l.stream(id); s != nil {
		s.giveUp(&protocol.Reset{Stream: id, Code: protocol.ResetInternal, Reason: what})
		return
	}
	if id%2 == 1 {
		if id <= l.last {
			return // it is done
		}
		l.last = id
	}
	_ = l.send(&protocol.Reset{Stream: id, Code: protocol.ResetUnknown, Reason: what})
}

// stream gives an open stream, or nil: frames of a stream that is done are dropped (§4.3).
func (l *link) stream(id uint32) *stream {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.streams[id]
}

// forget takes a stream out, just before its DONE is sent: by the time that the host hears DONE there is room for its
// next request.
func (l *link) forget(id uint32) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if s := l.streams[id]; s != nil && s.tunnelled {
		l.tunnels--
	}
	delete(l.streams, id)
}

// tunnelled counts a stream as one that takes no room any more.
func (l *link) tunnelled(id uint32) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if s := l.streams[id]; s != nil {
		s.tunnelled = true
		l.tunnels++
	}
}

// finished counts a stream out, after its DONE.
func (l *link) finished() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.running--
	l.settleLocked()
}

// drain lets open streams finish and refuses others (§8.3).
func (l *link) drain() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.draining = true
	l.leaveLocked()
	l.settleLocked()
}

func (l *link) leaveLocked() {
	select {
	case <-l.leave:
	default:
		close(l.leave)
	}
}

func (l *link) settleLocked() {
	if l.running > 0 {
		return
	}
	if l.draining {
		l.endLocked(nil)
	}
	if l.quiet != nil {
		close(l.quiet)
		l.quiet = nil
	}
}

// idle gives a channel that is closed once no stream runs. One caller only.
func (l *link) idle() <-chan struct{} {
	l.mu.Lock()
	defer l.mu.Unlock()
	quiet := make(chan struct{})
	l.quiet = quiet
	l.settleLocked()
	return quiet
}

// cancelAll ends every stream early and says how many there were.
func (l *link) cancelAll(cause error) int {
	l.mu.Lock()
	open := make([]*stream, 0, len(l.streams))
	for _, s := range l.streams {
		open = append(open, s)
	}
	l.mu.Unlock()
	for _, s := range open {
		s.abort(cause)
	}
	return len(open)
}
