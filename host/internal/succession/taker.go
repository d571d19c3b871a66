// The taker: the host that takes over, and the connections that come to it.

package succession

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/workerhost/workerhost/host/internal/handover"
	"github.com/workerhost/workerhost/host/internal/hub"
	"github.com/workerhost/workerhost/host/internal/listen"
	"github.com/workerhost/workerhost/host/internal/peer"
	"github.com/workerhost/workerhost/protocol"
)

// Listener is one of this host's, as far as it takes connections over; [listen.Server] is one.
type Listener interface {
	Peers() *peer.Peers
	// TermsFor are those that a connection in the hub goes on under; nil: it can't.
	TermsFor(in *hub.Hub, route, pool string) *peer.Terms
	// AdoptSocket makes a client's socket of f, which it closes; who is counted for it.
	AdoptSocket(f *os.File, who string) (peer.Socket, peer.Sock, error)
	// AdoptIdle goes on with a connection of HTTP that waits for a request, or closes it.
	AdoptIdle(listen.Idle) error
}

// Taker takes a host's connections over. What it does, the giver says, by messages to its Handlers, which one
// goroutine calls.
type Taker struct {
	link     Sender
	log      hclog.Logger
	hub      func(realm string) *hub.Hub   // nil: there is no such realm
	listener func(address string) Listener // nil: there is no such one

	arrivals map[*hub.Hub]*hub.Arrival
	arrived  []arrived
	refused  []refused
	tallies  map[*hub.Hub][]hub.Tally
	owns     bool          // the giver has handed over
	begun    chan struct{} // closed then
	ended    bool

	ctx  context.Context // of calls that the giver's workers wait for
	over context.CancelFunc
	desk desk
}

// arrived is a connection with its socket.
type arrived struct {
	peer  peer.Mover
	peers *peer.Peers
	below peer.Socket
}

// NewTaker is for connections that go to the hubs of the realms, and to the listeners by their configured addresses.
// hub and listener give nil for what is not here.
func NewTaker(link Sender, hubOf func(realm string) *hub.Hub, listener func(address string) Listener,
	log hclog.Logger) *Taker {
	t := &Taker{link: link, log: log, hub: hubOf, listener: listener, arrivals: map[*hub.Hub]*hub.Arrival{},
		tallies: map[*hub.Hub][]hub.Tally{}, begun: make(chan struct{})}
	t.ctx, t.over = context.WithCancel(context.Background())
	t.desk = desk{link: link, ctx: t.ctx, numbers: map[uint32]uint64{}}
	return t
}

// Handlers are for what the giver says.
func (t *Taker) Handlers() handover.Handlers {
	return handover.Handlers{
		kindRealm: t.onRealm, kindConnections: t.onConnections, kindEnd: t.onEnd, kindGo: t.onGo,
		kindCommit: t.onCommit, kindCall: t.onCall, kindSwap: t.onSwap, kindDone: t.onDone,
		kindOpen: t.onOpen, kindHold: t.onHold, kindSocket: t.onSocket, kindClosed: t.onClosed,
		kindIdle: t.onIdle,
	}
}

// Begun is closed when the connections are this host's, and go on here.
func (t *Taker) Begun() <-chan struct{} { return t.begun }

// Taken says whether they are.
func (t *Taker) Taken() bool {
	select {
	case <-t.begun:
		return true
	default:
		return false
	}
}

func read[T any](m handover.Message) (v T, err error) {
	m.Discard()
	err = m.Decode(&v)
	return v, err
}

func (t *Taker) onRealm(m handover.Message) error {
	v, err := read[realmMessage](m)
	if err == nil && t.owns {
		err = errTwice
	}
	if err != nil {
		return err
	}
	if in := t.hub(v.Realm); in != nil {
		t.tallies[in] = append(t.tallies[in], v.Tallies...)
	}
	return nil
}

func (t *Taker) onConnections(m handover.Message) error {
	var v connectionsMessage
	err := m.Decode(&v)
	if err == nil && t.owns {
		err = errTwice
	}
	if err != nil {
		m.Discard()
		return err
	}
	files := m.Files
	for i := range v.All {
		one := &v.All[i]
		var file *os.File
		if one.Socket {
			if len(files) == 0 {
				return errors.New("the other host sends less sockets than it says")
			}
			file, files = files[0], files[1:]
		}
		if err := t.adopt(v.Realm, one, file); err != nil {
			t.refused = append(t.refused, refused{v.Realm, one.ID, err.Error()})
		}
	}
	handover.Message{Files: files}.Discard()
	return t.link.Send(kindTook, emptyMessage{})
}

var errTwice = errors.New("the other host has handed its connections over already")

// place is where a connection goes on.
type place struct {
	in       *hub.Hub
	terms    *hub.Terms
	listener Listener
	card     hub.Card
}

func (t *Taker) placeOf(realm string, one *connection) (p place, err error) {
	if one.Hub == nil || one.Peer == nil {
		return p, errors.New("half of what there is to know of it is missing")
	}
	if p.card, err = one.Hub.Card(); err != nil {
		return p, err
	}
	if p.in = t.hub(realm); p.in == nil {
		return p, fmt.Errorf("there is no realm %q any more", realm)
	}
	if p.listener = t.listener(p.card.Listener); p.listener == nil {
		return p, fmt.Errorf("there is no listener %s any more", p.card.Listener)
	}
	terms := p.listener.TermsFor(p.in, one.Hub.Route, one.Hub.Pool)
	if terms == nil {
		return p, fmt.Errorf("the listener %s leads to no pool of the realm %q any more", p.card.Listener, realm)
	}
	_, p.terms = terms.Kept()
	return p, nil
}

// adopt makes a connection that begins with the others. file is its socket, or nil.
func (t *Taker) adopt(realm string, one *connection, file *os.File) (err error) {
	defer func() {
		if err != nil && file != nil {
			file.Close()
		}
	}()
	p, err := t.placeOf(realm, one)
	if err != nil {
		return err
	}
	if t.arrivals[p.in] == nil {
		t.arrivals[p.in] = p.in.Arrive()
	}
	if file == nil {
		_, err = t.join(p, t.arrivals[p.in], realm, one)
		return err
	}
	below, s, err := p.listener.AdoptSocket(file, one.Peer.Who)
	file = nil // it has closed it
	if err != nil {
		return err
	}
	m, err := t.join(p, t.arrivals[p.in], realm, one)
	if err != nil {
		below.Close()
		return err
	}
	m.Take(below, s)
	t.arrived = append(t.arrived, arrived{m, p.listener.Peers(), below})
	return nil
}

// join makes a connection, and its client's end.
func (t *Taker) join(p place, a *hub.Arrival, realm string, one *connection) (peer.Mover, error) {
	m, err := p.listener.Peers().Adopt(p.card.Protocol, p.card.Remote, one.Peer)
	if err != nil {
		return nil, err
	}
	id := one.ID
	c, err := a.Add(one.Hub, m, p.terms, one.Socket, func(a hub.Admission) { t.answer(realm, id, a) })
	if err != nil {
		p.listener.Peers().Renounce(m)
		return nil, err
	}
	m.Join(c)
	return m, nil
}

func (t *Taker) onEnd(m handover.Message) error {
	m.Discard()
	if t.owns {
		return errTwice
	}
	slices.SortFunc(t.refused, func(a, b refused) int { return strings.Compare(a.ID, b.ID) })
	return t.link.Send(kindAdopted, adoptedMessage{Refused: t.refused})
}

// onGo has all connections begin.
func (t *Taker) onGo(m handover.Message) error {
	m.Discard()
	if t.owns {
		return errTwice
	}
	t.owns = true
	for in, before := range t.tallies {
		in.Continue(before)
	}
	for _, a := range t.arrivals {
		a.Land()
	}
	for _, one := range t.arrived {
		if !one.peer.Start() {
			one.peer.Abort()
		}
	}
	t.arrivals, t.arrived, t.tallies = nil, nil, nil
	close(t.begun)
	return t.link.Send(kindBegun, emptyMessage{})
}

// End says that the link is no more. Connections that have not been handed over are the giver's; the sockets here are
// closed, of which it has others. What the giver has still of those that have is lost.
func (t *Taker) End(hubs ...*hub.Hub) {
	if t.ended {
		return
	}
	t.ended = true
	t.over()
	if t.owns {
		for _, in := range hubs {
			in.Orphaned()
		}
		return
	}
	for _, one := range t.arrived {
		one.peers.Renounce(one.peer)
		one.below.Close()
	}
	t.arrivals, t.arrived, t.tallies = nil, nil, nil
}

// realm finds a hub that the giver was told of.
func (t *Taker) realm(name string) (*hub.Hub, error) {
	if !t.owns {
		return nil, errors.New("the other host has not handed its connections over, but asks as if it had")
	}
	if in := t.hub(name); in != nil {
		return in, nil
	}
	return nil, fmt.Errorf("%w: the realm %q is not there any more", protocol.ErrUnavailable, name)
}

// tell answers the giver. If it has gone, so has who waits for the answer.
func (t *Taker) tell(kind string, body any) {
	if err := t.link.Send(kind, body); err != nil {
		t.log.Debug("the old host was not told", "what", kind, "error", err)
	}
}

// single has a connection go on here whose socket is to come.
func (t *Taker) single(m handover.Message) (v singleMessage, err error) {
	if v, err = read[singleMessage](m); err != nil {
		return v, err
	}
	if _, err := t.realm(v.Realm); err != nil {
		return v, err
	}
	p, err := t.placeOf(v.Realm, &v.Connection)
	if err != nil {
		return v, err
	}
	v.Connection.Socket = false
	a := p.in.Arrive()
	if _, err := t.join(p, a, v.Realm, &v.Connection); err != nil {
		return v, err
	}
	a.Land()
	return v, nil
}

func (t *Taker) onOpen(m handover.Message) error {
	v, err := t.single(m)
	if err != nil {
		t.answer(v.Realm, v.Connection.ID, hub.Admission{
			Failure: &protocol.Failure{Kind: protocol.FailedNoWorker, Detail: err.Error()}})
	}
	return nil
}

func (t *Taker) onHold(m handover.Message) error {
	v, err := t.single(m)
	if err != nil {
		t.tell(kindCut, cutMessage{v.Realm, v.Connection.ID})
	}
	return nil
}

// answer tells the giver what came of an OPEN.
func (t *Taker) answer(realm, id string, a hub.Admission) {
	m := answeredMessage{Realm: realm, ID: id, Accepted: a.Accepted, Subprotocol: a.Subprotocol, Headers: a.Headers}
	if a.Failure != nil {
		m.Failure, m.Detail = int(a.Failure.Kind), a.Failure.Detail
	}
	if a.Response != nil && a.Response.Status != 0 {
		a.Response.Stream = 1
		m.Response = a.Response.AppendFrame(nil)
	}
	t.tell(kindAnswered, m)
}

// onSocket has a connection served whose socket has come.
func (t *Taker) onSocket(m handover.Message) error {
	var v socketMessage
	if err := m.Decode(&v); err != nil || len(m.Files) != 1 || v.Peer == nil {
		m.Discard()
		return errors.Join(err, errors.New("the other host sends a socket without a word of whose it is"))
	}
	in, err := t.realm(v.Realm)
	if err != nil {
		m.Discard()
		return nil
	}
	c := in.Awaits(v.ID)
	if c == nil { // it has been closed meanwhile
		m.Discard()
		return nil
	}
	to, ok := c.Peer().(peer.Mover)
	at := t.listener(c.Card().Listener)
	if !ok || at == nil {
		m.Discard()
		return nil
	}
	below, s, err := at.AdoptSocket(m.Files[0], v.Peer.Who)
	if err != nil {
		to.Abort()
		return nil
	}
	if !to.Take(below, s) {
		below.Close()
		return nil
	}
	c.Came()
	if v.Until != 0 {
		c.Lodge(time.Unix(0, v.Until))
	}
	c.Opened()
	if !to.Start() {
		to.Abort()
	}
	return nil
}

func (t *Taker) onClosed(m handover.Message) error {
	v, err := read[closedMessage](m)
	if err != nil {
		return err
	}
	if in, err := t.realm(v.Realm); err == nil {
		in.ClosedBefore(v.ID, v.Code, v.Reason, v.Clean)
	}
	return nil
}
