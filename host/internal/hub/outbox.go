// What waits to be sent to a client. Nothing does, normally: the sender writes to the socket itself, as long as that
// takes without waiting.

package hub

import (
	"errors"
	"sync"

	"github.com/workerhost/workerhost/protocol"
)

// outbox is a queue of frames. Its connection's mu guards it.
type outbox struct {
	frames []frame
	head   int   // of frames: those before it have been written
	using  int   // from head: those that the writer has in hand
	bytes  int64 // of what waits, with overhead
	raws   int
	batch  [][]byte // what peek gave, for the writer alone
}

type frame struct {
	b    []byte
	kind frameKind
}

type frameKind uint8

const (
	whole  frameKind = iota // a message
	raw                     // no message
	begun                   // the rest of one of these
	mostOf = 64             // frames that are written at once
	// maxRaws is how many pings and pongs may wait; a client that takes none needs no more.
	maxRaws = 64
	// eager is how many bytes may be held back for the next act of a commit.
	eager = 32 << 10
)

var outboxes = sync.Pool{New: func() any { return new(outbox) }}

func (o *outbox) len() int { return len(o.frames) - o.head }

func (o *outbox) push(f frame) {
	if o.head > 0 && len(o.frames) == cap(o.frames) && o.head >= len(o.frames)/2 {
		n := copy(o.frames, o.frames[o.head:])
		clear(o.frames[n:])
		o.frames, o.head = o.frames[:n], 0
	}
	o.frames = append(o.frames, f)
	o.bytes += int64(len(f.b)) + overhead
	if f.kind == raw {
		o.raws++
	}
}

// peek takes the next frames in hand.
func (o *outbox) peek() [][]byte {
	o.using = min(o.len(), mostOf)
	o.batch = o.batch[:0]
	for _, f := range o.frames[o.head : o.head+o.using] {
		o.batch = append(o.batch, f.b)
	}
	return o.batch
}

// wrote drops what has been written of the frames in hand, n bytes, and says whether that was all of them.
func (o *outbox) wrote(n int) (all bool) {
	for ; o.using > 0; o.using-- {
		f := &o.frames[o.head]
		if n < len(f.b) {
			if n > 0 {
				f.b = f.b[n:]
				o.bytes -= int64(n)
				if f.kind == raw {
					o.raws--
				}
				f.kind = begun
			}
			o.using = 0
			return false
		}
		n -= len(f.b)
		o.pop()
	}
	return true
}

func (o *outbox) pop() {
	f := &o.frames[o.head]
	o.bytes -= int64(len(f.b)) + overhead
	if f.kind == raw {
		o.raws--
	}
	*f = frame{}
	o.head++
}

// dropOldest drops the message that has waited longest, and that the writer has not in hand.
func (o *outbox) dropOldest() (size int, ok bool) {
	for i := o.head + o.using; i < len(o.frames); i++ {
		if o.frames[i].kind == whole {
			f := o.frames[i]
			copy(o.frames[o.head+1:i+1], o.frames[o.head:i])
			o.frames[o.head] = f
			o.pop()
			return len(f.b), true
		}
	}
	return 0, false
}

// discard drops all that waits. c.mu is held.
func (c *Connection) discard() {
	// A writer may have it in hand, so it is not reused.
	c.outlet.box = nil
}

// queued is how many bytes wait. c.mu is held.
func (c *Connection) queued() int64 {
	if c.outlet.box == nil {
		return 0
	}
	return c.outlet.box.bytes
}

// flows says whether the client knows that it is connected, so that events and messages may flow. c.mu is held.
func (c *Connection) flows() bool { return c.outlet.line > accepted }

// send sends a message, encoded, to the client. With more, another one is about to follow, and writing may wait for
// it.
func (c *Connection) send(b []byte, more bool) {
	c.mu.Lock()
	if c.deaf() || c.once && c.counts.messagesOut > 0 {
		c.mu.Unlock()
		return
	}
	t, need := c.Terms(), int64(len(b))+overhead
	waits := c.queued()
	if waits > 0 && waits+need > t.sendBuffer() {
		if c.outlet.line == ready { // it was only held back
			move(&c.outlet.line, writing, &lineMoves)
			c.run(false)
			c.send(b, false)
			return
		}
		if !c.makeWay(t, need) {
			return // makeWay has unlocked
		}
	}
	c.counts.messagesOut++
	c.counts.bytesOut += int64(len(b))
	c.enqueue(frame{b: b, kind: whole}, more && waits+int64(len(b)) < eager)
	if c.once {
		c.hangup(protocol.CloseNormal, "", false)
	}
}

// Raw queues bytes that are no message, a ping or a pong: past the buffer's limit, but in order. frame is the hub's
// from now on. If very many of them wait already, it is dropped.
func (c *Connection) Raw(b []byte) {
	c.mu.Lock()
	if c.deaf() || c.custody == theirs || c.outlet.box != nil && c.outlet.box.raws >= maxRaws {
		c.mu.Unlock()
		return
	}
	c.enqueue(frame{b: b, kind: raw}, false)
}

// deaf says that nothing more is sent to the client. c.mu is held.
func (c *Connection) deaf() bool { return c.life >= hungUp || c.outlet.line == cut }

// makeWay deals with a message of so many bytes for which there is no room. It returns false if the message is
// dropped; then c.mu has been unlocked.
func (c *Connection) makeWay(t *Terms, need int64) bool {
	switch t.SlowClient {
	case DropOldest:
		for c.outlet.box.bytes+need > t.sendBuffer() {
			if !c.dropOldest() {
				break
			}
		}
		if c.outlet.box.len() == 0 || c.outlet.box.bytes+need <= t.sendBuffer() {
			return true
		}
		c.counts.dropped++
		c.mu.Unlock()
	case DropNewest:
		c.counts.dropped++
		c.mu.Unlock()
	default:
		waits := c.outlet.box.bytes
		c.counts.dropped++
		for c.dropOldest() {
		}
		c.mu.Unlock()
		c.hub.slow.Warn(c.hub.log, "a client was too slow: its connection is closed", "connection", c.id, "protocol",
			c.card.Protocol, "remote", c.card.Remote,
			"waiting", waits, "send_buffer", t.sendBuffer())
		c.hangup(protocol.ClosePolicy, "too slow", false)
	}
	return false
}

func (c *Connection) dropOldest() bool {
	size, ok := c.outlet.box.dropOldest()
	if ok {
		c.counts.dropped++
		c.counts.messagesOut--
		c.counts.bytesOut -= int64(size)
	}
	return ok
}

// enqueue writes f, or has it wait. c.mu is held, and is unlocked.
func (c *Connection) enqueue(f frame, later bool) {
	if c.outlet.line != ready || later || c.custody != ours {
		c.wait(f)
		due := c.outlet.full != c.outlet.told
		c.mu.Unlock()
		if due {
			c.pump()
		}
		return
	}
	move(&c.outlet.line, writing, &lineMoves)
	if c.outlet.box != nil { // held back
		c.wait(f)
		c.run(false)
		return
	}
	c.mu.Unlock()
	c.one[0] = f.b
	n, err := c.peer.TryWrite(c.one[:])
	c.one[0] = nil
	c.mu.Lock()
	if err == nil && n < len(f.b) && c.life < gone {
		o := c.outlet.box // of those who came meanwhile
		c.outlet.box = nil
		c.wait(f)
		c.outlet.box.using = 1
		c.outlet.box.wrote(n)
		if o != nil {
			for _, later := range o.frames[o.head:] {
				c.wait(later)
			}
		}
	}
	if err != nil {
		c.fail()
		return
	}
	c.run(n < len(f.b))
}

func (c *Connection) wait(f frame) {
	o := &c.outlet
	if o.box == nil {
		o.box = outboxes.Get().(*outbox)
	}
	o.box.push(f)
	if !o.full && o.box.bytes > c.Terms().sendBuffer()/2 && c.flows() {
		o.full = true
	}
}

// run writes what waits, as far as that takes no waiting; beyond, a goroutine does, which ends when nothing waits.
// stuck says that the socket is full already. c.mu is held, with the writer's role; both are given back.
func (c *Connection) run(stuck bool) {
	// More than a few rounds would hold up a sender for what others have to send.
	for round := 0; c.outlet.box != nil && c.outlet.box.len() > 0; round++ {
		if stuck || round == 4 {
			due := c.outlet.full != c.outlet.told
			c.mu.Unlock()
			go c.write()
			if due {
				c.pump()
			}
			return
		}
		o := c.outlet.box
		batch := o.peek()
		c.mu.Unlock()
		n, err := c.peer.TryWrite(batch)
		c.mu.Lock()
		if err != nil {
			c.fail()
			return
		}
		stuck = !o.wrote(n)
	}
	c.written()
}

// write writes all that waits, at the client's pace. The peer bounds how long it takes.
func (c *Connection) write() {
	c.mu.Lock()
	for c.outlet.box != nil && c.outlet.box.len() > 0 {
		o := c.outlet.box
		batch, size := o.peek(), 0
		for _, b := range batch {
			size += len(b)
		}
		c.mu.Unlock()
		err := c.peer.Write(batch)
		c.mu.Lock()
		switch paused := Paused(0); {
		case errors.As(err, &paused):
			if o.wrote(int(paused)); c.rested() {
				return
			}
		case err != nil:
			c.fail()
			return
		default:
			o.wrote(size)
		}
	}
	c.written()
}

// rested gives back the writer's role, and c.mu, though something waits: the hub is frozen. It says false, and does
// nothing, if it is no more.
func (c *Connection) rested() bool {
	if c.custody == ours {
		return false
	}
	move(&c.outlet.line, ready, &lineMoves)
	c.mu.Unlock()
	c.hub.gate.rouse()
	return true
}

// written gives back the writer's role, and c.mu: nothing waits. It takes leave if that is due; then nobody gets the
// role again.
func (c *Connection) written() {
	if o := c.outlet.box; o != nil {
		c.outlet.box = nil
		if cap(o.frames) <= 4*mostOf { // what a burst left is not kept
			clear(o.batch[:cap(o.batch)])
			*o = outbox{frames: o.frames[:0], batch: o.batch[:0]}
			outboxes.Put(o)
		}
	}
	c.outlet.full = false
	l, end := c.ending, c.life == hungUp
	if end {
		move(&c.outlet.line, ended, &lineMoves)
	} else {
		move(&c.outlet.line, ready, &lineMoves)
	}
	due, rests := c.outlet.told, c.custody == packed
	c.mu.Unlock()
	if rests {
		c.hub.gate.rouse()
	}
	if end {
		c.peer.End(l.code, l.reason)
	}
	if due {
		c.pump()
	}
}

// fail cuts the connection: a write failed. c.mu is held with the writer's role, and both are given back.
func (c *Connection) fail() {
	move(&c.outlet.line, cut, &lineMoves)
	c.discard()
	rests := c.custody == packed
	c.mu.Unlock()
	if rests {
		c.hub.gate.rouse()
	}
	c.peer.Abort()
}
