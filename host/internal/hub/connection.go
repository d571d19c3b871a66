// A connection: its life from Add to the end of its CLOSE, and the messages that wait to be handled.

package hub

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/workerhost/workerhost/host/internal/trace"
	"github.com/workerhost/workerhost/protocol"
)

// Connection is a client's connection, from its arrival until its CLOSE has been handled. Its methods are safe for
// concurrent use. It has everything that is known of one; keep it small, for there are many.
type Connection struct {
	hub   *Hub
	peer  Peer
	id    string
	card  Card
	since int64 // Unix nanoseconds
	terms atomic.Pointer[Terms]
	state atomic.Pointer[state] // changed with hub.mu held
	seat  seat                  // guarded by hub.mu
	one   [1][]byte             // for the writer alone, see outbox.go

	mu sync.Mutex
	// guarded by mu
	inbox   inbox
	outlet  outlet
	counts  counts
	opening *opening // from Open until its answer
	ending  *ending  // once the end of it is known
	few     *few     // nil: it has none of it
	code    uint16   // that it closed with
	life    life
	turn    turn
	custody custody
	handles handling // while the turn is not resting, nor pumping
	once    bool     // hang up after the first message; never changes
	moved   bool     // another host had it when it was open; never changes
}

// few is what only a few connections have.
type few struct {
	expiry *time.Timer // nil: it may stay
	until  int64       // when that is due, in Unix nanoseconds
	guest  bool        // and it ends as one that has to come again, since its socket is a relay by a host before
	apart  apart       // what another host has of it
	opened trace.Span  // that led to it; never changes once events come
	over   func(Start) // see [Hub.Dial] and [Hub.Inherit]; never changes
	estate estate
}

// some makes room for it. c.mu is held.
func (c *Connection) some() *few {
	if c.few == nil {
		c.few = new(few)
	}
	return c.few
}

// bequest is what there is of an estate. c.mu is held.
func (c *Connection) bequest() estate {
	if c.few == nil {
		return estate{}
	}
	return c.few.estate
}

// seat is where the hub finds a connection.
type seat struct {
	place     int32   // in hub.all, or absent, or left
	userPlace int32   // in the crowd of state.uid, while it has a place
	places    []int32 // in the crowds of state.groups, likewise
	mark      uint64  // the stamp of the last audience that it was put into, or left out of
	staged    *state  // what a commit that is being checked would make of it
}

// inbox is what waits to be handled.
type inbox struct {
	messages []message
	waits    int64         // bytes of them
	room     chan struct{} // closed when there is room; nil unless Deliver waits
}

// outlet is what waits to be sent, and how far it gets. Only outbox.go and Opened change it, and OPEN's answer.
type outlet struct {
	box  *outbox // nil unless something waits
	line line
	full bool // over half of the send buffer waits
	told bool // what the last BUFFER said of full
	// the client's socket is served, so that a hand-over takes it along
	socket bool
}

type counts struct {
	messagesIn, messagesOut, bytesIn, bytesOut int64
	dropped                                    int64
}

// ending is how the connection ends.
type ending struct {
	code   int
	reason string
	clean  bool
	timer  *time.Timer // aborts the peer; nil if the client left by itself
}

// message is one that waits to be handled.
type message struct {
	data    []byte
	binary  bool
	alone   bool      // it must not travel with others: when it did, a handler failed
	attempt int       // for SetAttempt, if not 0
	repay   func()    // see DeliverLent; nil is none
	about   *[]string // see DeliverAbout; nil is nothing
}

// overhead is what a small message costs beside its bytes, in the inbox and the outbox.
const overhead = 32

func now() int64 { return time.Now().UnixNano() }

// ID is the connection's id. It never changes.
func (c *Connection) ID() string { return c.id }

// ConnectionID implements [protocol.Subject].
func (c *Connection) ConnectionID() string { return c.id }

// Card is what the connection was added with.
func (c *Connection) Card() Card { return c.card }

// Terms are what the connection is kept on.
func (c *Connection) Terms() *Terms { return c.terms.Load() }

// Opened says that the client has been told that it is connected: what was sent to it may flow, and messages may come.
// A second call does nothing.
func (c *Connection) Opened() {
	c.mu.Lock()
	if c.custody != ours && c.holds(c.Opened) || c.flows() || c.life >= gone {
		c.mu.Unlock()
		return
	}
	move(&c.outlet.line, writing, &lineMoves)
	c.run(false) // takes leave, too, if OPEN's handler did
	c.pump()
}

// Deliver gives a message to the connection's workers; data is the hub's from now on. It waits while too much waits
// already (that stops the reading of the socket), and is for one goroutine at a time. It returns false, and the
// message is dropped, if the connection has been hung up or is closed.
func (c *Connection) Deliver(data []byte, binary bool) bool { return c.DeliverLent(data, binary, nil) }

// DeliverLent is Deliver for a message whose memory is on loan: repay, unless it is nil, is called once, when the hub
// has done with data, or has dropped it. It must not wait, nor call the connection.
func (c *Connection) DeliverLent(data []byte, binary bool, repay func()) bool {
	return c.deliver(message{data: data, binary: binary, repay: repay})
}

// DeliverAbout is DeliverLent, or with now DeliverNow, for a message of text of which there is more to be said: about
// is what the event has of that name (SPEC.md §16.5).
func (c *Connection) DeliverAbout(data []byte, about []string, now bool, repay func()) bool {
	m := message{data: data, repay: repay}
	if len(about) > 0 {
		m.about = &about
	}
	if now {
		c.mu.Lock()
		return c.put(m)
	}
	return c.deliver(m)
}

func (c *Connection) deliver(m message) bool {
	c.mu.Lock()
	for c.life == staying && c.custody == ours && len(c.inbox.messages) > 0 && !c.fits(1, len(m.data)) {
		if c.inbox.room == nil {
			c.inbox.room = make(chan struct{})
		}
		room := c.inbox.room
		c.mu.Unlock()
		<-room
		c.mu.Lock()
	}
	return c.put(m)
}

// HasRoom says whether so many messages, of so many bytes together, may be given to DeliverNow.
func (c *Connection) HasRoom(messages, bytes int) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.fits(messages, bytes)
}

// DeliverNow is DeliverLent, but never waits. Messages that HasRoom did not count are more than may wait.
func (c *Connection) DeliverNow(data []byte, binary bool, repay func()) bool {
	c.mu.Lock()
	return c.put(message{data: data, binary: binary, repay: repay})
}

// fits says whether there is room for such messages. c.mu is held.
func (c *Connection) fits(messages, bytes int) bool {
	return c.inbox.waits+int64(bytes)+int64(messages)*overhead <= c.Terms().inbox()
}

// put is what DeliverLent does when there is room. c.mu is held, and is unlocked.
func (c *Connection) put(m message) bool {
	if c.life != staying || c.custody == theirs {
		c.mu.Unlock()
		if m.repay != nil {
			m.repay()
		}
		return false
	}
	c.inbox.messages = append(c.inbox.messages, m)
	c.inbox.waits += int64(len(m.data)) + overhead
	c.counts.messagesIn++
	c.counts.bytesIn += int64(len(m.data))
	idle := c.turn == resting
	c.mu.Unlock()
	if idle {
		c.pump()
	}
	return true
}

// drop drops the messages. The connection's mu is held.
func (i *inbox) drop() {
	for _, m := range i.messages {
		if m.repay != nil {
			m.repay()
		}
	}
	i.messages, i.waits = nil, 0
}

// makeRoom wakes Deliver. The connection's mu is held.
func (i *inbox) makeRoom() {
	if i.room != nil {
		close(i.room)
		i.room = nil
	}
}

// Hangup closes the connection after what was sent to it. Messages that wait to be handled are dropped. code and
// reason are as in SPEC.md §10.3; the CLOSE event tells them, too.
func (c *Connection) Hangup(code int, reason string) { c.hangup(code, reason, false) }

// Finish says that the client has said all that it will, or all that is taken of it, and still listens. The hub hangs
// up, with code and reason, when the messages that wait have been handled and what was sent until then has been
// written. Deliver takes no more.
func (c *Connection) Finish(code int, reason string) {
	c.mu.Lock()
	if c.custody != ours && c.holds(func() { c.Finish(code, reason) }) {
		c.mu.Unlock()
		return
	}
	if c.life == staying {
		move(&c.life, finishing, &lifeMoves)
		c.ending = &ending{code: code, reason: reason}
		c.inbox.makeRoom()
	}
	c.mu.Unlock()
	c.pump()
}

// Leaving says whether no more messages are taken: the hub has hung up, or is about to.
func (c *Connection) Leaving() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.life != staying
}

// finished says whether all has been handled that there was before Finish. c.mu is held.
func (c *Connection) finished() bool {
	return c.life == finishing && c.turn == resting && c.flows() && len(c.inbox.messages) == 0
}

// hangup takes leave once what waits has been written; keep says whether the messages that wait are still to be
// handled.
func (c *Connection) hangup(code int, reason string, keep bool) {
	c.mu.Lock()
	if c.custody != ours && c.holds(func() { c.hangup(code, reason, keep) }) || c.life >= hungUp {
		c.mu.Unlock()
		return
	}
	move(&c.life, hungUp, &lifeMoves)
	c.ending = &ending{code: code, reason: reason, timer: time.AfterFunc(c.Terms().farewell(), c.peer.Abort)}
	if !keep {
		c.inbox.drop()
	}
	c.inbox.makeRoom()
	if c.outlet.line != ready {
		c.mu.Unlock()
		return
	}
	move(&c.outlet.line, writing, &lineMoves)
	c.run(false)
}

// Closed says that the socket has ended. The connection leaves the registry and its groups at once; its CLOSE follows
// the events that wait. code is 1005 or 1006 if the client gave none (SPEC.md §9.6); if the hub hung up, it is the
// hub's code that counts. clean says that both ends took leave. A second call does nothing.
func (c *Connection) Closed(code int, reason string, clean bool) {
	h := c.hub
	h.mu.Lock()
	c.mu.Lock()
	if c.custody != ours && c.holds(func() { c.Closed(code, reason, clean) }) {
		ended := c.custody == theirs
		c.mu.Unlock()
		h.mu.Unlock()
		if ended {
			c.endedHere(code, reason, clean)
		}
		return
	}
	c.mu.Unlock()
	if c.seat.place == left {
		h.mu.Unlock()
		return
	}
	h.exit(c)
	h.mu.Unlock()

	c.mu.Lock()
	if c.life == over { // it was refused
		c.mu.Unlock()
		return
	}
	if c.life != hungUp {
		c.ending = &ending{code: code, reason: reason}
	} else {
		c.ending.timer.Stop()
	}
	move(&c.life, gone, &lifeMoves)
	c.ending.clean = clean
	c.code = uint16(c.ending.code)
	if c.few != nil && c.few.expiry != nil {
		c.few.expiry.Stop()
	}
	c.discard()
	c.inbox.makeRoom()
	var ticket protocol.Ticket
	if c.opening != nil {
		ticket = c.opening.ticket
	}
	c.mu.Unlock()
	if ticket != nil {
		ticket.Cancel(protocol.ResetCancelled)
	}
	c.pump()
}

// expire has the connection end after so many milliseconds.
func (c *Connection) expire(milliseconds int64) {
	const most = int64(1<<63-1) / int64(time.Millisecond)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.endAfter(time.Duration(min(milliseconds, most))*time.Millisecond, protocol.CloseNormal, "")
}

func (c *Connection) endAfter(d time.Duration, code int, reason string) {
	c.some().until = now() + int64(d)
	c.few.expiry = time.AfterFunc(d, func() { c.hangup(code, reason, false) })
}

// Lodge has the connection end at until, with 1012: its socket is one of a host before, which ends then. If it is to
// end earlier it does.
func (c *Connection) Lodge(until time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	f := c.some()
	if f.guest = true; f.until != 0 && f.until <= until.UnixNano() {
		return
	}
	if f.expiry != nil {
		f.expiry.Stop()
	}
	if c.life < hungUp {
		c.endAfter(time.Until(until), closeRestart, restartReason)
	}
}
