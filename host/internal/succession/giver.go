// The giver: the host that leaves, until the heir has what it had.

package succession

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/workerhost/workerhost/host/internal/handover"
	"github.com/workerhost/workerhost/host/internal/hub"
	"github.com/workerhost/workerhost/host/internal/peer"
)

// Guest makes a connection that is not a mere socket, as over TLS, go along. An error says that it can't go.
type Guest func(c net.Conn) (Invitation, error)

// Invitation is how one goes along: the heir is given Socket in its place, of which the other end's bytes are copied
// to and from it once Decided is called with true, after which the connection is the guest's to close. With false
// nothing is copied, and it goes on as before. The heir closes the connection at Until.
type Invitation struct {
	Socket  *os.File
	Until   time.Time
	Decided func(goes bool)
}

// Giver gives a host's connections away. Offer comes first, then Hand or Withdraw; End when the link has ended.
type Giver struct {
	link   Sender
	log    hclog.Logger
	realms map[string]*hub.Hub
	peers  []*peer.Peers
	guest  Guest

	took    chan struct{}       // one for each batch that has come to the heir
	adopted chan adoptedMessage // what it says of them
	begun   chan struct{}       // closed when it has begun
	leaving []*leaving          // in Offer's hands, and then in Hand's or Withdraw's

	once sync.Once // of begun

	mu sync.Mutex
	// guarded by mu
	ended  error // why the link is no more
	number uint64
	waits  map[uint64]wait
	lost   chan struct{} // closed when ended is set
}

// leaving is a realm on its way.
type leaving struct {
	realm     string
	departure *hub.Departure
	guests    map[*hub.Connection]func(bool)
}

// Summary is what became of an offer.
type Summary struct {
	Goes  int // connections
	Stays int // those that are open, and end here
}

// NewGiver is for the connections of the hubs, by the names of their realms, whose sockets peers have, one for each
// listener. guest may be nil: then connections over TLS stay.
func NewGiver(link Sender, realms map[string]*hub.Hub, peers []*peer.Peers, guest Guest, log hclog.Logger) *Giver {
	return &Giver{link: link, log: log, realms: realms, peers: peers, guest: guest,
		took: make(chan struct{}, window), adopted: make(chan adoptedMessage, 1), begun: make(chan struct{}),
		lost: make(chan struct{}), waits: map[uint64]wait{}}
}

// Handlers are for what the heir says.
func (g *Giver) Handlers() handover.Handlers {
	return handover.Handlers{
		kindTook: func(m handover.Message) error {
			m.Discard()
			select {
			case g.took <- struct{}{}:
				return nil
			default:
				return errors.New("the other host has taken more than it was given")
			}
		},
		kindAdopted: func(m handover.Message) error {
			m.Discard()
			var a adoptedMessage
			if err := m.Decode(&a); err != nil {
				return err
			}
			select {
			case g.adopted <- a:
			default: // nobody waits for it any more
			}
			return nil
		},
		kindBegun: func(m handover.Message) error {
			m.Discard()
			g.once.Do(func() { close(g.begun) })
			return nil
		},
		kindCommitted: g.onCommitted,
		kindResult:    g.onResult,
		kindAnswered:  g.onAnswered,
		kindCut:       g.onCut,
	}
}

const (
	// haltTime is how long it may take until nobody reads or writes any more. What takes longer stays.
	haltTime = 2 * time.Second
	// batchFiles and batchBytes are how much goes in one message, and window how many of them may be on their way:
	// each socket takes a descriptor more until then.
	batchFiles = 250
	batchBytes = 4 << 20
	window     = 8
)

// Offer freezes all hubs, and tells the heir of all there is. When it returns without an error, the heir is ready to
// go on: Hand or Withdraw have to follow soon, for clients wait. With an error all goes on as before.
func (g *Giver) Offer(ctx context.Context) (s Summary, err error) {
	defer func() {
		if err != nil {
			g.Withdraw()
		}
	}()
	for name, h := range g.realms {
		d, err := h.Freeze()
		if err != nil {
			return s, fmt.Errorf("the connections of the realm %s can't be handed over now: %w", name, err)
		}
		g.leaving = append(g.leaving, &leaving{realm: name, departure: d, guests: map[*hub.Connection]func(bool){}})
	}
	for _, l := range g.leaving {
		for _, c := range l.departure.Leaves(false) {
			if m, ok := c.Peer().(peer.Mover); ok {
				m.Pause()
			}
		}
	}
	halting, cancel := context.WithTimeout(ctx, haltTime)
	defer cancel()
	b := batch{giver: g, ctx: ctx}
	for _, l := range g.leaving {
		if err := g.link.Send(kindRealm, realmMessage{l.realm, g.realms[l.realm].Counted()}); err != nil {
			return s, err
		}
		if err := g.send(halting, l, &b); err != nil {
			return s, err
		}
	}
	if err := g.link.Send(kindEnd, emptyMessage{}); err != nil {
		return s, err
	}
	var a adoptedMessage
	select {
	case a = <-g.adopted:
	case <-g.lost:
		return s, g.end()
	case <-ctx.Done():
		return s, fmt.Errorf("the new host has not taken the connections in time: %w", ctx.Err())
	}
	if a.Error != "" {
		return s, fmt.Errorf("the new host can't take the connections: %s", a.Error)
	}
	g.keepRefused(a.Refused)
	for _, l := range g.leaving {
		s.Goes += len(l.departure.Leaves(false))
		s.Stays += l.departure.Stays()
	}
	return s, nil
}

// send sends what goes of a realm.
func (g *Giver) send(halting context.Context, l *leaving, b *batch) error {
	var keep []*hub.Connection
	b.realm = l.realm
	for _, c := range l.departure.Leaves(false) {
		m, ok := c.Peer().(peer.Mover)
		if !ok || !m.Halted(halting) || !l.departure.Settle(halting, c) {
			keep = append(keep, c)
			continue
		}
		one := connection{ID: c.ID(), Hub: c.Record(), Socket: m.Served()}
		if one.Hub == nil {
			continue // nothing is to be told of it before its OPEN
		}
		one.Peer = m.Record()
		var file *os.File
		if one.Socket {
			var err error
			if file, err = g.socket(m, func(i Invitation) {
				l.guests[c] = i.Decided
				one.Hub.Lodge(i.Until)
			}); err != nil {
				g.log.Debug("a connection stays with the old host", "connection", c.ID(), "error", err)
				keep = append(keep, c)
				continue
			}
			c.WithSocket()
		}
		if err := b.add(one, file); err != nil {
			return err
		}
	}
	if err := b.flush(); err != nil {
		return err
	}
	l.keep(keep)
	return nil
}

var errBeyond = errors.New("there is more than a socket between it and its client")

// socket duplicates what the heir is given of a client's socket.
func (g *Giver) socket(m peer.Mover, invited func(Invitation)) (*os.File, error) {
	file, beyond, err := m.Socket()
	if err != nil || beyond == nil {
		return file, err
	}
	if g.guest == nil {
		return nil, errBeyond
	}
	i, err := g.guest(beyond)
	if err == nil {
		invited(i)
	}
	return i.Socket, err
}

// keep has connections stay.
func (l *leaving) keep(some []*hub.Connection) {
	for _, c := range some {
		if decided := l.guests[c]; decided != nil {
			decided(false)
			delete(l.guests, c)
		}
		if m, ok := c.Peer().(peer.Mover); ok {
			m.Resume()
		}
	}
	l.departure.Keep(some...)
}

func (g *Giver) keepRefused(all []refused) {
	by := map[string]map[string]string{}
	for _, r := range all {
		if by[r.Realm] == nil {
			by[r.Realm] = map[string]string{}
		}
		by[r.Realm][r.ID] = r.Reason
	}
	for _, l := range g.leaving {
		var keep []*hub.Connection
		for _, c := range l.departure.Leaves(false) {
			if why, ok := by[l.realm][c.ID()]; ok {
				g.log.Warn("a connection can't go on with the new host: it is closed", "connection", c.ID(),
					"remote", c.Card().Remote, "reason", why)
				keep = append(keep, c)
			}
		}
		l.keep(keep)
	}
}

// batch is the connections of a realm that go in one message.
type batch struct {
	giver   *Giver
	ctx     context.Context
	realm   string
	message connectionsMessage
	files   []*os.File
	bytes   int
	sent    int // that the heir has not confirmed
}

func (b *batch) add(c connection, file *os.File) error {
	b.message.All = append(b.message.All, c)
	if file != nil {
		b.files = append(b.files, file)
	}
	for i := range c.Hub.Outbox {
		b.bytes += len(c.Hub.Outbox[i].Data)
	}
	for i := range c.Hub.Inbox {
		b.bytes += len(c.Hub.Inbox[i].Data)
	}
	if len(b.message.All) < batchFiles && b.bytes < batchBytes {
		return nil
	}
	return b.flush()
}

func (b *batch) flush() error {
	m, files := b.message, b.files
	b.message, b.files, b.bytes = connectionsMessage{}, nil, 0
	if len(m.All) == 0 {
		return nil
	}
	if b.sent == window {
		select {
		case <-b.giver.took:
			b.sent--
		case <-b.giver.lost:
			discard(files)
			return b.giver.end()
		case <-b.ctx.Done():
			discard(files)
			return b.ctx.Err()
		}
	}
	b.sent++
	m.Realm = b.realm
	return b.giver.link.Send(kindConnections, m, files...)
}

func discard(files []*os.File) {
	for _, f := range files {
		f.Close()
	}
}

// Withdraw has all go on as if nothing had been offered. After Hand it does nothing.
func (g *Giver) Withdraw() {
	for _, l := range g.leaving {
		for _, decided := range l.guests {
			decided(false)
		}
		all := l.departure.Leaves(true)
		for _, c := range all {
			if m, ok := c.Peer().(peer.Mover); ok {
				m.Resume()
			}
		}
		l.departure.Thaw()
		for _, c := range l.departure.Leaves(true) { // those that came just now
			if m, ok := c.Peer().(peer.Mover); ok {
				m.Resume()
			}
		}
	}
	g.leaving = nil
}

// Hand gives the connections away: from now on the heir has them, and this host asks it. It follows an Offer without
// an error, and waits until the heir has begun, or ctx is done. With an error it was not alive any more, and all goes
// on as before.
func (g *Giver) Hand(ctx context.Context) error {
	if err := g.link.Send(kindGo, emptyMessage{}); err != nil {
		g.Withdraw()
		return err
	}
	for _, p := range g.peers {
		p.Follow(g.follow)
	}
	for _, l := range g.leaving {
		l.departure.Hand(heir{g, l.realm})
	}
	for _, l := range g.leaving {
		for _, c := range l.departure.Leaves(true) {
			decided := l.guests[c]
			if m, ok := c.Peer().(peer.Mover); ok {
				m.LetGo(decided != nil)
			}
			if decided != nil {
				decided(true)
			}
		}
	}
	g.leaving = nil
	select {
	case <-g.begun:
	case <-g.lost:
	case <-ctx.Done(): // whoever waits for the heir to serve learns that it does not
	}
	return nil
}

// realmOf finds whose hub has a connection.
func (g *Giver) realmOf(c *hub.Connection) string {
	for name, h := range g.realms {
		if c.In(h) {
			return name
		}
	}
	return ""
}

// follow sends the socket of a connection after it.
func (g *Giver) follow(m peer.Mover, c *hub.Connection) (sent, guest bool) {
	if !c.Handed() {
		return false, false
	}
	var decided func(bool)
	v := socketMessage{Realm: g.realmOf(c), ID: c.ID(), Peer: m.Record()}
	file, err := g.socket(m, func(i Invitation) { decided, v.Until = i.Decided, i.Until.UnixNano() })
	if err == nil {
		err = g.link.Send(kindSocket, v, file)
	}
	if decided != nil {
		decided(err == nil)
	}
	if err != nil {
		g.log.Error("a connection is cut: its socket can't go to the new host", "connection", c.ID(), "error", err)
		g.link.Send(kindClosed, closedMessage{Realm: g.realmOf(c), ID: c.ID(), Code: 1006})
		return false, false
	}
	return true, decided != nil
}

// End says that the link is no more. What waits for the heir comes to nothing.
func (g *Giver) End() {
	g.mu.Lock()
	if g.ended != nil {
		g.mu.Unlock()
		return
	}
	g.ended = errGone
	close(g.lost)
	waits := g.waits
	g.waits = nil
	g.mu.Unlock()
	for _, w := range waits {
		w.lost()
	}
}

var errGone = errors.New("the new host is not there any more")

func (g *Giver) end() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.ended
}
