// Acts: what workers ask the hub to do.

package hub

import (
	"errors"
	"fmt"
	"slices"
	"unicode/utf8"

	"github.com/workerhost/workerhost/protocol"
)

// delivery is a SEND, a HANGUP or a JOIN with more to it, and whom it is for.
type delivery struct {
	act      protocol.Act
	audience []*Connection
	place    *Place // of a SEND, if it has one
	more     *More  // of a JOIN
}

// step is what an act makes of a connection.
type step struct {
	c    *Connection // nil if there is none
	next *state
}

// Commit implements [protocol.Hub]. It calls done before it returns, for all of this lives in memory; only of what
// [Channels] keep, and while another host takes over, or has, done comes later.
func (h *Hub) Commit(subject protocol.Subject, acts []protocol.Act, done func(error)) {
	if k := h.channels.Load(); k != nil && k.wants(acts) {
		if h.gate.shut.Load() {
			h.Later(subject, acts, done)
		} else {
			k.Commit(subject, acts, done)
		}
		return
	}
	h.Carry(subject, acts, done)
}

// Carry is Commit without the channels.
func (h *Hub) Carry(subject protocol.Subject, acts []protocol.Act, done func(error)) {
	if h.gate.pass() {
		err := h.apply(subject, acts, nil)
		h.gate.leave()
		done(err)
		return
	}
	heir := h.gate.successor()
	switch {
	case h.gate.hold(func() { h.Carry(subject, acts, done) }):
	case heir == nil: // it was decided this moment
		h.Carry(subject, acts, done)
	default:
		h.forward(heir, subject, acts, done)
	}
}

// Apply carries acts out, all of them or none, and says why not; subject is the event's that they belong to, or nil.
// First all are checked, against what those before them will have done; then they take effect, in order. It never
// waits, save while another host takes over and for what [Channels] keep, and is safe for concurrent use.
func (h *Hub) Apply(subject protocol.Subject, acts []protocol.Act) error {
	done := make(chan error, 1)
	h.Commit(subject, acts, func(err error) { done <- err })
	return <-done
}

// apply is what Apply does to the connections of this hub. more is nil, or has what there is more to each act.
func (h *Hub) apply(subject protocol.Subject, acts []protocol.Act, more []More) error {
	if len(acts) == 0 {
		return nil
	}
	own, _ := subject.(*Connection)
	if own != nil && own.hub != h {
		return refusal(0, acts, errRealm)
	}
	sender, _ := subject.(*datagram)
	simple := own != nil
	for i, a := range acts {
		if err := check(own, sender, a); err != nil {
			return refusal(i, acts, err)
		}
		to, ok := audienceOf(a)
		simple = simple && ok && to == protocol.ToSelf
	}
	opens, refused := false, false
	if own != nil {
		opens, refused = own.opens()
	}
	if simple && !opens {
		self := [1]*Connection{own}
		for i, a := range acts {
			carryOut(delivery{act: a, audience: self[:]}, i+1 < len(acts)) // more has nothing of these
		}
		return nil
	}
	// What a refused client's handler asked for itself goes the way of the connection.
	deliveries, stopping, err := h.commit(own, opens && !refused, acts, more)
	if err != nil {
		return err
	}
	for i, d := range deliveries {
		if sender.replies(d.act) {
			continue
		}
		carryOut(d, i+1 < len(deliveries) && alone(d) != nil && alone(d) == alone(deliveries[i+1]))
	}
	if stopping {
		own.hangup(protocol.CloseGoing, goingReason, true)
	}
	return nil
}

func alone(d delivery) *Connection {
	if _, joins := d.act.(*protocol.Join); !joins && len(d.audience) == 1 {
		return d.audience[0]
	}
	return nil
}

func carryOut(d delivery, more bool) {
	switch m := d.act.(type) {
	case *protocol.Send:
		deliver(d.audience, m, d.place, more)
	case *protocol.Join:
		d.audience[0].catchUp(m.Groups, d.more)
	case *protocol.Hangup:
		for _, c := range d.audience {
			c.hangup(m.Code, m.Reason, false)
		}
	}
}

// commit checks all acts, changes what they change of the hub, and finds whom SENDs and HANGUPs are for.
func (h *Hub) commit(own *Connection, opens bool, acts []protocol.Act, more []More) (deliveries []delivery,
	stopping bool, err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	var few [8]step
	steps := few[:0]
	if err := h.stage(own, acts, &steps); err != nil {
		return nil, false, err
	}
	if _, flags := acts[0].On(); opens && flags&protocol.FlagNow == 0 {
		stopping = h.enter(own)
	}
	for i, a := range acts {
		c, next := steps[i].c, steps[i].next
		var beside *More
		if more != nil {
			beside = &more[i]
		}
		if c != nil {
			h.change(c, next)
			if m, joins := a.(*protocol.Join); joins && m.Since != nil {
				if beside == nil {
					beside = new(More)
				}
				deliveries = append(deliveries, delivery{act: a, audience: []*Connection{c}, more: beside})
			}
			continue
		}
		switch m := a.(type) {
		case *protocol.Send:
			if beside != nil && len(beside.Places) > 0 {
				deliveries = append(deliveries, h.perChannel(own, m, beside.Places)...)
				continue
			}
			deliveries = append(deliveries, delivery{act: m, audience: h.audience(own, m.To, m.Names, m.Except)})
		case *protocol.Hangup:
			deliveries = append(deliveries, delivery{act: m, audience: h.audience(own, m.To, m.Names, m.Except)})
		case *protocol.Accept:
			own.accept(m)
		}
	}
	return deliveries, stopping, nil
}

// stage finds out what each act makes of its connection, and whether all of it may be. h.mu is held.
func (h *Hub) stage(own *Connection, acts []protocol.Act, steps *[]step) (err error) {
	defer func() {
		for _, s := range *steps {
			if s.c != nil {
				s.c.seat.staged = nil
			}
		}
	}()
	for i, a := range acts {
		c := h.find(own, target(a))
		if c == nil {
			*steps = append(*steps, step{})
			continue
		}
		st := c.seat.staged
		if st == nil {
			st = c.state.Load()
		}
		switch m := a.(type) {
		case *protocol.Join:
			if st, err = h.join(st, m.Groups); err == nil && m.Since != nil && !st.aware &&
				c.card.Protocol == protocol.ProtoWebSocket {
				next := *st
				next.aware, st = true, &next
			}
		case *protocol.Leave:
			st = leave(st, m.Groups)
		case *protocol.Bind:
			st, err = bind(st, m.UID)
		case *protocol.Set:
			st = set(st, m.Set, m.Unset)
		}
		if err != nil {
			return refusal(i, acts, err)
		}
		c.seat.staged = st
		*steps = append(*steps, step{c, st})
	}
	for i, s := range slices.Backward(*steps) {
		if _, ok := acts[i].(*protocol.Set); ok && s.c != nil {
			if err := checkSession(s.c.state.Load(), s.c.seat.staged, s.c.Terms().sessionLimit()); err != nil {
				return refusal(i, acts, fmt.Errorf("connection %s: %w", s.c.id, err))
			}
		}
	}
	return nil
}

// change puts next in the place of c's state, and keeps the crowds in step. h.mu is held.
func (h *Hub) change(c *Connection, next *state) {
	st := c.state.Load()
	if c.seat.place < 0 || st == next {
		c.state.Store(next)
		return
	}
	switch {
	case len(next.groups) > len(st.groups): // a JOIN appends
		places := make([]int32, len(st.groups), len(next.groups))
		copy(places, c.seat.places)
		c.seat.places = places
		for _, name := range next.groups[len(st.groups):] {
			c.seat.places = append(c.seat.places, h.joinGroup(name, c))
		}
	case len(next.groups) < len(st.groups): // a LEAVE keeps the order
		kept := 0
		for i, name := range st.groups {
			if kept < len(next.groups) && next.groups[kept] == name {
				c.seat.places[kept] = c.seat.places[i]
				kept++
			} else {
				h.leaveGroup(name, c.seat.places[i])
			}
		}
		c.seat.places = c.seat.places[:kept]
	}
	if next.uid != st.uid {
		if st.uid != "" {
			h.leaveUser(st.uid, c.seat.userPlace)
		}
		if next.uid != "" {
			c.seat.userPlace = h.joinUser(next.uid, c)
		}
	}
	c.state.Store(next)
	h.changed(c)
}

// find gives the connection that an act names; name is nil if it names none. h.mu is held.
func (h *Hub) find(own *Connection, name *string) *Connection {
	switch {
	case name == nil:
		return nil
	case *name == "" || own != nil && *name == own.id:
		return own
	}
	return h.byID[*name]
}

// target is which connection an act changes the state of; nil for the others.
func target(a protocol.Act) *string {
	switch m := a.(type) {
	case *protocol.Join:
		return &m.Connection
	case *protocol.Leave:
		return &m.Connection
	case *protocol.Bind:
		return &m.Connection
	case *protocol.Set:
		return &m.Connection
	}
	return nil
}

func audienceOf(a protocol.Act) (to protocol.Audience, ok bool) {
	switch m := a.(type) {
	case *protocol.Send:
		return m.To, true
	case *protocol.Hangup:
		return m.To, true
	}
	return 0, false
}

// check finds what is wrong with an act whatever the state of the hub.
func check(own *Connection, sender *datagram, a protocol.Act) error {
	if to, ok := audienceOf(a); ok && to == protocol.ToSelf && own == nil {
		if _, ok := a.(*protocol.Send); ok && sender != nil {
			return nil // a reply
		}
		return errNoEvent
	}
	if name := target(a); name != nil && *name == "" && own == nil {
		return errNoEvent
	}
	switch m := a.(type) {
	case *protocol.Hangup:
		return CheckClose(m.Code, m.Reason)
	case *protocol.Accept:
		if own == nil {
			return errNoEvent
		}
		return own.checkAccept(m)
	}
	return nil
}

// errRealm would be the host's own mistake: a front pairs a hub with a backend of its realm.
var errRealm = errors.New("the event's connection is of another realm than its worker")

var errNoEvent = fmt.Errorf(
	"it is about the event's own connection, but this was no event of one: name the connection by its id")

// CheckClose says what is wrong with a code and a reason to close a connection with (SPEC.md §10.3), or nil.
func CheckClose(code int, reason string) error {
	switch {
	case code == 1000, code == 1001, code == 1003, code >= 1007 && code <= 1014, code >= 3000 && code <= 4999:
	default:
		return fmt.Errorf("the code %d can't be sent to a client: use 1000, 1001, 1003, 1007 to 1014, or 3000 to 4999",
			code)
	}
	if len(reason) > 123 || !utf8.ValidString(reason) {
		return fmt.Errorf(
			"the reason %q can't be sent to a client: it has to be UTF-8 of at most 123 bytes, and has %d", reason,
			len(reason))
	}
	return nil
}

// refusal says which of the acts can't be done.
func refusal(i int, acts []protocol.Act, err error) error {
	if len(acts) == 1 {
		return fmt.Errorf("%s: %w", acts[i].Type(), err)
	}
	return fmt.Errorf("%s, number %d of %d acts, none of which took effect: %w", acts[i].Type(), i+1, len(acts), err)
}
