// A connection on the lane.

package lane

import (
	"net"
	"net/http"
	"os"
	"runtime"
	"slices"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/workerhost/workerhost/host/internal/http1"
	"github.com/workerhost/workerhost/host/internal/loop"
	"github.com/workerhost/workerhost/host/internal/peer"
	"github.com/workerhost/workerhost/host/internal/web"
)

// phase is what a connection does.
type phase uint8

const (
	resting phase = iota // it waits for a request, or for the rest of one
	busy                 // a request is at hand
	writing              // its answer is, and the client takes it slowly
	gone                 // it is closed, or another's
)

// patience is how long the rest of a request may take. One that takes longer is net/http's, time-outs and all.
const patience = 100 * time.Millisecond

// Conn is a connection. It is a net.Conn to be closed, and not to be read or written. Its methods are safe for
// concurrent use.
type Conn struct {
	lane    *Lane
	owner   Owner
	local   net.Addr
	remote  net.Addr
	address string

	mu sync.Mutex
	// guarded by mu
	fd      int
	on      loop.Registration // from Serve on
	phase   phase
	reading bool // a goroutine is in read, and looks again before it leaves
	more    bool // something has come that was not read
	ended   bool // so has the client's FIN
	last    bool // the answer is the last one
	asked   bool // a request has been answered
	lingers bool // likewise, and the client may still be sending

	in      []byte // read, and not begun
	whole   bool   // in may hold a whole request
	since   time.Time
	pending *web.Pending
	text    string // head and body of the request at hand
	body    []byte
	out     []byte      // of its answer
	room    *room       // nil: its answer, if any, is written by nobody who waits
	slow    *peer.Stall // nil: the client has taken all that was written so far

	timer    *time.Timer
	fires    time.Time // when it does; zero: it does not
	deadline time.Time // of the phase; zero: it has none
}

// Serve begins to read, after what past has of at most MostRead bytes. The owner has counted the connection.
func (c *Conn) Serve(owner Owner, past Past) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.owner, c.asked = owner, past.Answered
	if c.phase == gone { // closed meanwhile
		owner.Closed()
		return
	}
	wait := c.limits().HeaderTimeout
	if c.asked {
		wait = c.limits().IdleTimeout
	}
	if c.whole = len(past.Read) > 0; c.whole { // perhaps
		c.in, c.since, wait = past.Read, past.Began, patience
	}
	c.until(time.Now(), wait)
	on, err := c.lane.loops.Add(c.fd, c)
	if c.on = on; err != nil {
		c.close()
	} else if !c.vacate() && c.whole {
		go c.goOn() // ends when nothing is left to read
	}
}

// Vacate gives the connection to its owner if it waits, once the lane is vacated.
func (c *Conn) Vacate() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.owner != nil { // else Serve does
		c.vacate()
	}
}

// vacate says whether the connection has gone. Of one that is being read only the reader knows what has come.
func (c *Conn) vacate() bool {
	if !c.lane.vacated.Load() || c.phase != resting || c.reading {
		return false
	}
	past := Past{c.in, c.since, c.asked}
	c.in = nil
	c.owner.Vacated(c.release(), past)
	return true
}

func (c *Conn) limits() *web.Limits { return &c.lane.handler.Terms().Limits }

// Happened implements loop.Handler.
func (c *Conn) Happened(events uint32) {
	s := scratches.Get().(*scratch)
	defer scratches.Put(s)
	c.mu.Lock()
	defer c.mu.Unlock()
	const fin = unix.EPOLLRDHUP | unix.EPOLLHUP // the latter comes of a unix socket that was closed
	came := events&^unix.EPOLLOUT != 0
	c.ended = c.ended || events&(fin|unix.EPOLLERR) != 0
	switch {
	case c.phase == gone:
	case c.phase == resting && !c.reading:
		if came && c.read(s, true) {
			go c.goOn() // ends when nothing is left to read
		}
	case c.phase == resting:
		c.more = c.more || came
	case events&unix.EPOLLERR != 0, c.phase == busy && events&fin != 0 && time.Since(c.since) >= HalfCloseTime:
		if c.room != nil && events&unix.EPOLLERR == 0 && c.pending != nil {
			c.pending.Leave() // what is at hand of the answer is still the client's
		} else {
			c.leave()
		}
	default:
		c.more = c.more || came
		if c.phase == writing {
			c.flush()
		}
	}
	if events&unix.EPOLLOUT != 0 {
		c.room.opened()
	}
}

// goOn reads what came while a request was at hand.
func (c *Conn) goOn() {
	s := scratches.Get().(*scratch)
	defer scratches.Put(s)
	for c.again(s) {
		runtime.Gosched() // a client that asks without end is one of many
	}
}

// again reads once, and says whether there is more to be read.
func (c *Conn) again(s *scratch) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.phase == resting && !c.reading && c.read(s, false)
}

// read submits the request that has come, or keeps what is one's part. ready says that the socket has something. It
// returns whether to read again, which the loop leaves to others: many requests whose answers are at hand at once may
// be waiting.
func (c *Conn) read(s *scratch, ready bool) (again bool) {
	c.reading = true
	ready, c.more = ready || c.more, false
	n := copy(s.bytes[:], c.in)
	switch {
	case c.whole:
		c.take(&s.head, s.bytes[:n])
	case ready:
		got, err := c.receive(s.bytes[n:])
		switch {
		case got < 0:
			ready = false
		case err != nil || got == 0:
			ready = false
			c.end(s.bytes[:n])
		default:
			ready = n+got == len(s.bytes) || c.ended // else the next bytes are the next event
			c.owner.Heard()
			c.take(&s.head, s.bytes[:n+got])
		}
	}
	c.more = c.more || ready
	c.reading = false
	return !c.vacate() && c.phase == resting && (c.more || c.whole)
}

// receive reads from the socket; -1 says that there is nothing for now.
func (c *Conn) receive(b []byte) (n int, err error) {
	if n, err = loop.Read(c.fd, b); err == unix.EAGAIN {
		return -1, nil
	}
	return n, err
}

// end is the end of what the client sends, with a part of a request or none.
func (c *Conn) end(part []byte) {
	if len(part) > 0 {
		c.yield(part, nil)
	} else {
		c.close()
	}
}

// take submits the request that b begins with, keeps b until there is more, or gives the connection away.
func (c *Conn) take(head *http1.Head, b []byte) {
	limits := c.limits()
	verdict := head.Parse(b)
	size := head.Size + int(min(head.Length, 1<<30))
	switch {
	case verdict == http1.Odd, verdict == http1.Plain && (head.Size > limits.MaxHeader ||
		head.Length > limits.MaxBody || size > len(scratch{}.bytes)):
		c.yield(b, nil)
	case verdict == http1.Partial || len(b) < size:
		if c.whole = false; len(c.in) == 0 || c.since.IsZero() {
			c.since = time.Now()
			c.until(c.since, patience)
		}
		c.in = append(c.in[:0], b...)
	default:
		c.submit(head, b[:size], b[size:])
	}
}

// submit has package web see to a request. It gives the lock up for that.
func (c *Conn) submit(head *http1.Head, request, rest []byte) {
	c.phase, c.since, c.deadline = busy, time.Now(), time.Time{}
	c.text, c.body = string(request[:head.Size]), nil
	if len(request) > head.Size {
		c.body = append([]byte(nil), request[head.Size:]...)
	}
	if c.whole = len(rest) > 0; c.whole {
		c.in = append(c.in[:0], rest...)
	} else {
		c.in = nil
	}
	p := c.lane.handler.Pending(c, head, c.text, c.body)
	if p == nil {
		c.yield(nil, nil)
		return
	}
	c.owner.Note(http.StateActive)
	c.pending = p
	c.mu.Unlock()
	p.Submit()
	c.mu.Lock()
}

// leave ends a connection whose client has left. What a worker does for it is cancelled, which takes no lock that is
// held where the request's own answer comes: that answer has not been taken by anybody, or nothing is cancelled.
func (c *Conn) leave() {
	if p := c.pending; p != nil {
		c.pending = nil
		p.Leave()
	}
	c.close()
}

// close closes it.
func (c *Conn) close() {
	if fd := c.release(); fd >= 0 && (c.room == nil || !c.room.lent) {
		c.shut(fd)
	}
}

// shut closes what was its descriptor.
func (c *Conn) shut(fd int) {
	unix.Close(fd)
	if c.owner != nil {
		c.owner.Closed()
	}
}

// release ends the connection here, and gives its descriptor away; -1 if it has gone already.
func (c *Conn) release() (fd int) {
	if c.phase == gone {
		return -1
	}
	c.on.Remove()
	if c.timer != nil {
		c.timer.Stop()
	}
	fd, c.fd, c.phase = c.fd, -1, gone
	c.room.opened()
	return fd
}

// yield gives the connection to the owner, with the request at hand, the part of one, and what else was read.
func (c *Conn) yield(part []byte, p *web.Pending) {
	read := slices.Concat([]byte(c.text), c.body, part)
	if len(part) == 0 {
		read = append(read, c.in...)
	}
	since, lingers := c.since, c.lingers
	if since.IsZero() {
		since = time.Now()
	}
	c.pending, c.in, c.text, c.body = nil, nil, "", nil
	fd := c.release()
	go func() { // ends at once
		file := os.NewFile(uintptr(fd), "client")
		conn, err := net.FileConn(file)
		file.Close()
		if err == nil {
			c.owner.Yielded(conn, read, since, lingers, p)
			return
		}
		c.owner.Closed()
		if p != nil {
			p.Drop()
		}
	}()
}

// flush writes what is left of the answer, as far as the client takes it.
func (c *Conn) flush() {
	n, err := c.write(c.out)
	switch {
	case err != nil:
		c.close()
	case n == len(c.out):
		c.answered()
	default:
		c.took(n)
		c.out = c.out[n:]
		c.watch()
	}
}

// took hears how much of what was written the client has taken.
func (c *Conn) took(n int) {
	if n > 0 {
		c.slow = nil
	}
}

// watch has a client looked at that has not taken all. The kernel tells of room only when there is a good deal, so
// it is tried in between.
func (c *Conn) watch() {
	timeout := c.limits().WriteTimeout
	if c.slow == nil {
		s := peer.NewStall(timeout)
		c.slow = &s
	}
	if c.slow.Watched() {
		c.until(time.Now(), peer.StallStep(timeout))
	}
}

// stalled tries again, unless the write time-out is over.
func (c *Conn) stalled() {
	switch _, ok := c.slow.More(false); {
	case !ok: // what the system has taken may still reach the client, who can tell that there is more
		c.pending = nil
		c.close()
	case c.phase == writing:
		c.flush()
	default:
		c.room.opened()
	}
}

func (c *Conn) write(b []byte) (n int, err error) {
	if n, err = loop.Write(c.fd, b); err == unix.EAGAIN {
		return 0, nil
	}
	return n, err
}

// answered is where a connection goes on once its answer has been written.
func (c *Conn) answered() {
	c.out, c.slow = nil, nil
	switch {
	case c.lingers:
		c.text, c.body = "", nil
		c.yield(nil, nil)
		return
	case c.last:
		c.close()
		return
	}
	c.phase, c.since, c.text, c.body, c.asked = resting, time.Time{}, "", nil, true
	c.owner.Note(http.StateIdle)
	if c.vacate() {
		return
	}
	c.until(time.Now(), c.limits().IdleTimeout)
	c.more = c.more || c.ended
	if (c.more || c.whole) && !c.reading {
		go c.goOn() // ends when nothing is left to read
	}
}

// until sets the phase's deadline. The timer is left alone as long as it fires early enough.
func (c *Conn) until(now time.Time, d time.Duration) {
	if d <= 0 {
		c.deadline = time.Time{}
		return
	}
	c.deadline = now.Add(d)
	switch {
	case c.timer == nil:
		c.timer = time.AfterFunc(d, c.expired)
	case c.fires.IsZero() || c.deadline.Before(c.fires):
		c.timer.Reset(d)
	default:
		return
	}
	c.fires = c.deadline
}

// expired is called by the timer.
func (c *Conn) expired() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.fires = time.Time{}
	switch left := time.Until(c.deadline); {
	case c.deadline.IsZero() || c.phase == gone:
	case left > 0:
		c.until(time.Now(), left)
	case c.phase == writing, c.phase == busy:
		c.stalled()
	case c.phase == resting && len(c.in) > 0 && !c.reading:
		c.yield(c.in, nil)
	case c.phase == resting && !c.reading:
		c.close()
	}
}

func (c *Conn) cut() {
	if c.phase != gone {
		unix.SetsockoptLinger(c.fd, unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1})
		c.close()
	}
}
