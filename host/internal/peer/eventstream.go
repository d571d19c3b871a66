// A text/event-stream that the host reads: the client's end of a dial's connection. eventstream_parse.go is what is
// said on it.

package peer

import (
	"errors"
	"io"
	"sync/atomic"
	"time"

	"github.com/workerhost/workerhost/host/internal/hub"
	"github.com/workerhost/workerhost/protocol"
)

// EventStream implements hub.Peer. There is nothing to be said to the other end, which is only read.
type EventStream struct {
	link

	// the reader's own
	body      body
	parser    eventParser
	allowance allowance

	ended atomic.Bool // the hub took leave
	seen  atomic.Pointer[string]
	retry atomic.Int64 // what the other end asked for, in milliseconds; -1 is nothing
}

// NewEventStream is the body of a response: in chunks, or of so many bytes, or where that is -1 until the end of the
// connection. id is what the stream before has come to.
func NewEventStream(chunked bool, length int64, id string) *EventStream {
	s := &EventStream{body: body{chunked: chunked, left: length}, parser: eventParser{id: id}}
	s.seen.Store(&id)
	s.retry.Store(-1)
	return s
}

// LastEventID is the id that the next stream goes on after; "" is none. It is safe for concurrent use.
func (s *EventStream) LastEventID() string { return *s.seen.Load() }

// Retry is the pause before the next stream that the other end has asked for; ok is that it has. It is safe for
// concurrent use.
func (s *EventStream) Retry() (pause time.Duration, ok bool) {
	ms := s.retry.Load()
	return time.Duration(ms) * time.Millisecond, ms >= 0
}

func (s *EventStream) serves() bool { return s.serve(s, s.tick) }

// room implements reader.
func (s *EventStream) room() ([]byte, error) { return nil, nil }

// leastEvent is how many bytes an event has at least, with its blank line.
const leastEvent = len("data\n\n")

// glance implements reader.
func (s *EventStream) glance(p []byte) (taken bool, err error) {
	if s.parser.weighty(len(p)) {
		return false, nil
	}
	return s.link.glance(p, len(p)/leastEvent+1, s.parser.size()+len(p), s.took)
}

// took implements reader. What comes after the hub has taken leave is nothing to anybody.
func (s *EventStream) took(p []byte, _ bool) error {
	s.idle.spoke.Store(int64(sinceEpoch()))
	if s.ended.Load() {
		return errHungUp
	}
	s.parser.most = s.peers.limits().maxMessage()
	return s.body.feed(p, func(p []byte) error { return s.parser.feed(p, s) })
}

// event implements eventTaker.
func (s *EventStream) event(data []byte, kind, id string) error {
	if err := s.allowance.pay(sinceEpoch(), s.peers.limits()); err != nil {
		return err
	}
	var about []string
	if kind != "" {
		about = append(about, protocol.AboutEvent, kind)
	}
	if id != "" {
		about = append(about, protocol.AboutID, id)
	}
	if id != *s.seen.Load() {
		s.seen.Store(&id)
	}
	repay := s.parser.loan.handOver(len(data))
	deliver := func() bool { return s.DeliverAbout(data, about, s.hasty, repay) }
	if s.hasty && !deliver() || !s.hasty && !s.patiently(deliver) {
		return errHungUp
	}
	return nil
}

// pause implements eventTaker.
func (s *EventStream) pause(ms int64) { s.retry.Store(ms) }

// done implements reader.
func (s *EventStream) done(err error) {
	s.parser.drop()
	code, reason, clean := protocol.CloseBroken, "", false
	var wrong *breach
	switch {
	case errors.Is(err, errBodyOver), errors.Is(err, io.EOF) && s.body.endsWithConnection():
		code, clean = protocol.CloseNormal, true
	case errors.As(err, &wrong):
		s.tellBreach("event stream", wrong)
		code, reason = wrong.code, wrong.reason
	case s.ended.Load():
		clean = true
	}
	s.close()
	s.link.Closed(code, reason, clean)
}

func (s *EventStream) tick() { s.watch(nil) }

// Encoding implements hub.Peer.
func (s *EventStream) Encoding() hub.Encoding { return nil }

// TryWrite implements hub.Peer: there is nobody to write to.
func (s *EventStream) TryWrite(b [][]byte) (n int, err error) {
	if s.peers.turnedAway.Pass() {
		s.peers.log.Warn("a message is dropped: server-sent events are only read, so nothing can be sent to them",
			"connection", s.ID())
	}
	for _, p := range b {
		n += len(p)
	}
	return n, nil
}

// Write implements hub.Peer.
func (s *EventStream) Write(b [][]byte) error {
	_, err := s.TryWrite(b)
	return err
}

// End implements hub.Peer.
func (s *EventStream) End(int, string) {
	s.ended.Store(true)
	s.sock.expire(0)
}

// Abort implements hub.Peer.
func (s *EventStream) Abort() {
	conn, _ := s.sever()
	if conn != nil { // the reader may be waiting for the hub
		conn.Closed(protocol.CloseBroken, "", false)
	}
}
