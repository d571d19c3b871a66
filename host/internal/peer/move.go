// Moving: how a client's end of a connection goes to another host on this machine, which takes over: its socket, and
// what its reader had in hand. It is paused, recorded, and then either resumed or let go.

package peer

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"os"
	"time"

	"github.com/workerhost/workerhost/host/internal/hub"
	"github.com/workerhost/workerhost/protocol"
)

// Mover is a hub.Peer that another host can take over. All kinds are, if they have a socket.
type Mover interface {
	hub.Peer
	// Pause ends reading and waiting writes, for a while: until Resume, or for good, with LetGo.
	Pause()
	// Halted waits until nobody reads any more, and says false if ctx is done before, or if it is about to end: then
	// it can't go. It follows Pause.
	Halted(ctx context.Context) bool
	// Served says whether the client's socket is served. If not, it is once its front is done with it.
	Served() bool
	// Record is what there is to know of it beside the hub's. It is valid until Resume. It follows Halted.
	Record() *Record
	// Socket duplicates the client's socket, for another process. below is not nil if there is something between that
	// and the client, over which bytes have to go: it is what reads and writes them.
	Socket() (file *os.File, below net.Conn, err error)
	Resume()
	// LetGo ends it here; to the client nothing happens. The other host has a duplicate of the socket. guest says that
	// it has something else, and that the socket itself stays open, for whoever was given it.
	LetGo(guest bool)

	// Join, Take and Start are for one that has come (see Peers.Adopt): first it gets its connection; then its socket,
	// perhaps later, which has to be closed if Take says false; and then it is served. Start says false if the
	// listener has ended.
	Join(c *hub.Connection)
	Take(below Socket, s Sock) bool
	Start() bool
}

// Record is what another host has to know of a client's end. A field that is missing is its zero value.
type Record struct {
	Who      string `msgpack:"who"`       // the address that the socket is counted for; "" is none
	IdleFor  int64  `msgpack:"idle_for"`  // milliseconds since a message came or went
	QuietFor int64  `msgpack:"quiet_for"` // milliseconds since the client was heard last
	Paid     int64  `msgpack:"paid"`      // milliseconds until the messages so far are paid off (message_rate)

	Deflate bool          `msgpack:"deflate"` // a WebSocket's
	Frames  *FramesRecord `msgpack:"frames"`

	Framing   string `msgpack:"framing"` // of TCP: raw, line, length16, length32, delimiter
	Delimiter string `msgpack:"delimiter"`
	Partial   []byte `msgpack:"partial"` // of a message, or if Begun is false of the number before it
	Begun     bool   `msgpack:"begun"`   // a message of Want bytes
	Want      int64  `msgpack:"want"`

	Events  bool  `msgpack:"events"` // a held response's
	Chunked bool  `msgpack:"chunked"`
	Ignored int64 `msgpack:"ignored"`
}

// FramesRecord is what a WebSocket's reader had in hand.
type FramesRecord struct {
	Head       []byte `msgpack:"head"`   // of a frame, as far as it has come
	Inside     bool   `msgpack:"inside"` // a frame's head has come, and not all of its payload
	Op         int    `msgpack:"op"`     // of that frame, as all until Left
	Fin        bool   `msgpack:"fin"`
	Mask       []byte `msgpack:"mask"`
	Passed     int64  `msgpack:"passed"`
	Left       int64  `msgpack:"left"`
	Fragmented bool   `msgpack:"fragmented"` // a message has begun, as all below
	Binary     bool   `msgpack:"binary"`
	Compressed bool   `msgpack:"compressed"`
	Data       []byte `msgpack:"data"`
	Checked    int64  `msgpack:"checked"`
	Control    []byte `msgpack:"control"` // of a control frame's payload, what has come
}

// moving is a link's part of it. Its link's mu guards it.
type moving struct {
	paused  bool
	left    bool   // LetGo was called
	served  bool   // there is a reader
	aborts  bool   // Abort was called while it was paused
	pending func() // what serve would have done meanwhile
}

// Pause implements Mover.
func (l *link) Pause() {
	l.mu.Lock()
	l.moving.paused = true
	served := l.moving.served
	l.mu.Unlock()
	if served {
		l.sock.pause()
	}
}

// Served implements Mover.
func (l *link) Served() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.moving.served
}

// Halted implements Mover.
func (l *link) Halted(ctx context.Context) bool {
	l.mu.Lock()
	served, cut := l.moving.served, l.cut
	l.mu.Unlock()
	return !cut && (!served || l.sock.halted(ctx))
}

// Resume implements Mover.
func (l *link) Resume() {
	l.mu.Lock()
	m := &l.moving
	served, pending, aborts := m.served, m.pending, m.aborts
	m.paused, m.pending, m.aborts = false, nil, false
	l.mu.Unlock()
	if served {
		l.sock.resume()
	}
	if pending != nil {
		pending()
	}
	if aborts {
		l.Connection.Peer().Abort()
	}
}

// LetGo implements Mover.
func (l *link) LetGo(guest bool) {
	l.mu.Lock()
	m := &l.moving
	served, pending := m.served, m.pending
	m.paused, m.left, m.pending = false, true, nil
	l.mu.Unlock()
	if served {
		l.idle.end()
		l.vanish(guest)
	}
	if pending != nil {
		pending()
	}
}

// vanish is the end of a link that another host has now.
func (l *link) vanish(guest bool) {
	if !guest {
		l.sock.abandon()
	}
	l.below.Forget() // the listener's end is not that of a guest
	l.peers.Count.Leave(l.who)
	l.peers.running.Done()
}

// Socket implements Mover.
func (l *link) Socket() (*os.File, net.Conn, error) { return l.sock.duplicate() }

// defers says that Abort has to wait, or has no meaning any more.
func (l *link) defers() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.moving.aborts = l.moving.aborts || l.moving.paused
	return l.moving.paused || l.moving.left
}

// asleep says that the timer has nothing to do for now; gone is for ever.
func (l *link) asleep() (now, gone bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.moving.paused, l.moving.left
}

// Join implements Mover.
func (l *link) Join(c *hub.Connection) { l.join(c) }

// Take implements Mover.
func (l *link) Take(below Socket, s Sock) bool { return l.take(below, s) }

// record is what all kinds tell.
func (l *link) record() *Record {
	r := &Record{}
	l.mu.Lock()
	below := l.below // which its front may be about to set
	l.mu.Unlock()
	if below != nil {
		if who := below.Who(); who.IsValid() {
			r.Who = who.String()
		}
	}
	now := sinceEpoch()
	if l.idle.timer != nil {
		r.IdleFor = l.idle.silence(&l.idle.spoke, now).Milliseconds()
	}
	return r
}

// restored has the timer go on where it was.
func (l *link) restored(r *Record) {
	now := sinceEpoch()
	ago := func(ms int64) time.Duration {
		return now - time.Duration(max(0, min(ms, int64(1<<40))))*time.Millisecond
	}
	l.idle.spoke.Store(int64(ago(r.IdleFor)))
	l.idle.began = min(ago(r.IdleFor), ago(r.QuietFor))
}

// owed is what is left to pay off, and owes says so.
func (a *allowance) owed() int64 { return max(0, a.paid-sinceEpoch()).Milliseconds() }

func (a *allowance) owes(ms int64) {
	if ms > 0 {
		a.paid = sinceEpoch() + time.Duration(min(ms, int64(1<<40)))*time.Millisecond
	}
}

// Record implements Mover.
func (c *WebSocket) Record() *Record {
	r := c.record()
	r.Deflate, r.Paid = c.encoding.deflate, c.allowance.owed()
	if c.idle.timer != nil {
		r.QuietFor = c.idle.silence(&c.heard, sinceEpoch()).Milliseconds()
	}
	f := &c.frames
	if f.have > 0 || f.inside || f.fragmented {
		r.Frames = &FramesRecord{
			Head: f.head[:f.have], Inside: f.inside, Op: int(f.op), Fin: f.fin, Mask: f.mask[:], Passed: f.passed,
			Left: f.left, Fragmented: f.fragmented, Binary: f.binary, Compressed: f.compressed, Data: f.data,
			Checked: int64(f.checked), Control: f.partial,
		}
	}
	return r
}

// Start implements Mover.
func (c *WebSocket) Start() bool { return c.serve(c, c.tick) }

// Record implements Mover.
func (c *tcpConn) Record() *Record {
	r := c.record()
	f := &c.framer
	r.QuietFor, r.Paid = r.IdleFor, c.allowance.owed()
	r.Framing, r.Delimiter = framingNames[f.framing.Kind], f.framing.Delimiter
	if r.Partial = f.partial; !f.begun && f.headed > 0 {
		r.Partial = f.head[:f.headed]
	}
	r.Begun, r.Want = f.begun, int64(f.want)
	return r
}

// Start implements Mover.
func (c *tcpConn) Start() bool { return c.serve(c, c.tick) }

// Record implements Mover.
func (p *Held) Record() *Record {
	r := p.record()
	r.Events, r.Chunked, r.Ignored = p.encoding.events, p.encoding.chunked, int64(p.ignored)
	if p.idle.timer != nil {
		r.QuietFor = p.idle.silence(&p.wrote, sinceEpoch()).Milliseconds()
	}
	return r
}

// Start implements Mover.
func (p *Held) Start() bool { return p.serve(p, p.tick) }

// Halted implements Mover. What is held over HTTP/2 stays with its stream.
func (p *Held) Halted(ctx context.Context) bool {
	p.mu.Lock()
	stays := p.stream != nil
	p.mu.Unlock()
	return !stays && p.link.Halted(ctx)
}

// Follow says what is done with the socket of a connection that has left before it: it goes after it. f says whether
// that was possible, and whether another one went in its place (see LetGo); if it was not, the client is cut off.
func (p *Peers) Follow(f func(m Mover, c *hub.Connection) (sent, guest bool)) { p.follow.Store(&f) }

// followed sends the socket of l after its connection.
func (l *link) followed() bool {
	sent, guest := false, false
	if f := l.peers.follow.Load(); f != nil {
		if m, ok := l.Connection.Peer().(Mover); ok {
			sent, guest = (*f)(m, l.Connection)
		}
	}
	if !sent {
		l.Connection.Closed(protocol.CloseBroken, "", false)
		l.peers.running.Done()
		return false
	}
	l.mu.Lock()
	l.moving.left = true
	l.mu.Unlock()
	l.vanish(guest)
	return true
}

var errKind = errors.New("a connection of a kind that can't be taken over")

// Adopt makes the client's end of a connection that the host before had; kind and remote are of its card, and limits
// count it. It has neither a connection nor a socket yet.
func (p *Peers) Adopt(kind, remote string, r *Record) (Mover, error) {
	who := p.Count.Readmit(remote, p.limits().MaxPerAddress)
	m, err := p.adopt(kind, who, r)
	if err != nil {
		p.Count.Leave(who)
	}
	return m, err
}

// Renounce ends one that Adopt has made, and that has never been served.
func (p *Peers) Renounce(m Mover) {
	if l, ok := m.(interface{ counted() netip.Addr }); ok {
		p.Count.Leave(l.counted())
	}
}

func (l *link) counted() netip.Addr { return l.who }
