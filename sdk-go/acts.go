// Acts (SPEC.md §10): what a handler asks of the host is gathered here, and goes out in one write with the DONE of its
// stream. What is asked outside of any handler goes at once, on stream 0.

package sdk

import (
	"encoding/binary"
	"errors"
	"fmt"
	"sync"

	"github.com/workerhost/workerhost/protocol"
)

var (
	// ErrTooMuch says that what a handler has asked for exceeds what the host lets wait for its return: 64 MiB, unless
	// it states another limit.
	ErrTooMuch = errors.New("sdk: more than the host keeps waits for this handler to return: send less, or with Now()")
	// ErrTooLong says that the names in one act do not fit into a frame.
	ErrTooLong = errors.New("sdk: these names are too long for one frame: name fewer of them at a time")
	// ErrDatagram says that a datagram belongs to no connection.
	ErrDatagram = errors.New(
		"sdk: a datagram can be answered while it is handled, and no more: it belongs to no connection")
	// ErrNotReady says that this worker has not started yet: [OnStart] hooks have no connections.
	ErrNotReady = errors.New("sdk: connections can be used once the worker is ready, not in OnStart")
)

const (
	// actCost is what the host counts for an act beside its payload (§10.1).
	actCost = 128
	// maxUnwritten is how much may wait for the host before whoever sends at once has to wait, too.
	maxUnwritten = 4 << 20
	frameLength  = 4
	firstFrames  = 256 // bytes: room for a few short messages and DONE
)

// SendOption changes how a message is sent, or a connection closed: [Binary], [Now], [Except].
type SendOption struct {
	flags  protocol.Flags
	except []string
}

// Binary sends bytes. Without it a WebSocket gets UTF-8 text, and a held text/event-stream an event's data lines; with
// it, such a stream gets the bytes as they are, which is how an [Event] is sent.
func Binary() SendOption { return SendOption{flags: protocol.FlagBinary} }

// Now does not wait for the handler to return: it takes effect at once, even if the handler fails later.
func Now() SendOption { return SendOption{flags: protocol.FlagNow} }

// Except leaves connections out, by id.
func Except(ids ...string) SendOption { return SendOption{except: ids} }

func gather(opts []SendOption) (flags protocol.Flags, except []string) {
	for _, o := range opts {
		flags |= o.flags
		except = append(except, o.except...)
	}
	return flags, except
}

// acts is what a stream's handler has asked for. Its mu guards all of it, and the Conn and the Session of the event,
// too.
type acts struct {
	mu     sync.Mutex
	frames []byte
	size   int  // as the host counts it
	over   bool // the stream's DONE is on its way, or its connection hijacked: what comes now goes at once
}

// mark is a place to roll back to.
type mark struct{ frames, size int }

func (a *acts) mark() mark { return mark{len(a.frames), a.size} }

func (a *acts) rollback(to mark) { a.frames, a.size = a.frames[:to.frames], to.size }

// frames is frames that go out as they are, in one piece. In the outbox they keep their place.
type frames []byte

// Type implements [protocol.Message].
func (frames) Type() protocol.Type { return protocol.TypeSend }

// AppendFrame implements [protocol.Message].
func (f frames) AppendFrame(b []byte) []byte { return append(b, f...) }

// act is an act that is yet to learn its stream. live says that this is the handler's own, on which "the event's own
// connection" means something.
type act func(stream uint32, now protocol.Flags, live bool) (protocol.Message, error)

// ask stages an act with s's handler; without a handler that still runs it goes at once. s may be nil.
func (l *link) ask(s *stream, flags protocol.Flags, make act) error {
	if s != nil {
		s.acts.mu.Lock()
		defer s.acts.mu.Unlock()
		if !s.acts.over {
			return s.stageLocked(flags, make)
		}
	}
	if !l.ready.Load() {
		return ErrNotReady
	}
	return l.askAtOnce(0, 0, make, false)
}

func (l *link) askAtOnce(stream uint32, now protocol.Flags, make act, live bool) error {
	m, err := make(stream, now, live)
	if err != nil {
		return err
	}
	b, _, err := l.append(nil, m)
	if err != nil {
		return err
	}
	if err := l.send(frames(b)); err != nil {
		return err
	}
	if accepted, written := l.conn.Sent(); accepted-written > maxUnwritten {
		return l.conn.Flush()
	}
	return nil
}

func (s *stream) stageLocked(flags protocol.Flags, make act) error {
	if flags&protocol.FlagNow != 0 {
		return s.link.askAtOnce(s.id, protocol.FlagNow, make, true)
	}
	m, err := make(s.id, 0, true)
	if err != nil {
		return err
	}
	before := s.acts.mark()
	b, cost, err := s.link.append(s.acts.frames, m)
	if err != nil {
		return err
	}
	s.acts.frames = b
	if s.acts.size += cost; s.acts.size > s.link.maxActs {
		s.acts.rollback(before)
		return ErrTooMuch
	}
	return nil
}

// append encodes m, which may be several frames, and says what the host counts for it.
func (l *link) append(b []byte, m protocol.Message) (longer []byte, cost int, err error) {
	if b == nil {
		b = make([]byte, 0, firstFrames)
	}
	start := len(b)
	b = m.AppendFrame(b)
	for at := start; at < len(b); {
		payload := int(binary.BigEndian.Uint32(b[at:]))
		if payload > l.maxFrame {
			return b[:start], 0, ErrTooLong
		}
		cost += payload + actCost
		at += frameLength + payload
	}
	return b, cost, nil
}

// parts is a SEND of any length: as many frames as it takes (§10.3, MORE).
type parts struct {
	protocol.Send
	chunk int
}

// AppendFrame implements [protocol.Message].
func (p *parts) AppendFrame(b []byte) []byte {
	m, rest := p.Send, p.Bytes
	for len(rest) > p.chunk {
		m.Bytes, m.Flags = rest[:p.chunk], p.Flags|protocol.FlagMore
		b = m.AppendFrame(b)
		rest = rest[p.chunk:]
		m.Names, m.Except = nil, nil
	}
	m.Bytes, m.Flags = rest, p.Flags
	return m.AppendFrame(b)
}

// deliver sends data to an audience.
func (l *link) deliver(s *stream, to protocol.Audience, names []string, data []byte, opts []SendOption) error {
	flags, except := gather(opts)
	return l.ask(s, flags, func(stream uint32, now protocol.Flags, _ bool) (protocol.Message, error) {
		m := &parts{chunk: l.chunk}
		m.Send = protocol.Send{Stream: stream, Flags: flags&protocol.FlagBinary | now, To: to, Names: names,
			Bytes: data, Except: except}
		return m, nil
	})
}

// hangUp closes an audience.
func (l *link) hangUp(s *stream, to protocol.Audience, names []string, code int, reason string,
	opts []SendOption) error {
	if err := checkClose(code, reason); err != nil {
		return err
	}
	flags, except := gather(opts)
	return l.ask(s, flags, func(stream uint32, now protocol.Flags, _ bool) (protocol.Message, error) {
		return &protocol.Hangup{Stream: stream, Flags: now, To: to, Names: names, Code: code, Reason: reason,
			Except: except}, nil
	})
}

// close ends the staging and gives what has been staged.
func (a *acts) close() []byte {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.over = true
	staged := a.frames
	a.frames = nil
	return staged
}

// release has what is asked from now on go at once: the handler may run for long. What has been staged stays.
func (a *acts) release() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.over = true
}

// sendDone sends what has been staged and then m, which holds the stream's DONE, in one write.
func (s *stream) sendDone(staged []byte, m protocol.Message) error {
	s.link.forget(s.id)
	if len(staged) == 0 {
		return s.link.send(m)
	}
	return s.link.send(frames(m.AppendFrame(staged)))
}

func (l *link) checkGroups(groups []string) error {
	for _, g := range groups {
		if g == "" || len(g) > l.maxName {
			return fmt.Errorf("sdk: a group's name is 1 to %d bytes, and this one %d", l.maxName, len(g))
		}
	}
	return nil
}

func (l *link) checkUID(uid string) error {
	if len(uid) > l.maxName {
		return fmt.Errorf("sdk: a user id is at most %d bytes, and this one %d", l.maxName, len(uid))
	}
	return nil
}
