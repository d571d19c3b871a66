// Channels: groups of which more is kept than who is in them. A room of its own does that; the hub asks it before it
// commits, and has clients told what it says (SPEC.md §19).

package hub

import (
	"encoding/json"
	"slices"

	"github.com/workerhost/workerhost/protocol"
)

// Channels keep what is sent to some groups. Their methods don't wait, and are called with no lock held.
type Channels interface {
	// Keeps says whether what is sent to the group is kept.
	Keeps(group string) bool
	// Commit is given what has a SEND to such a group, or a JOIN with Since. It has [Hub.CarryMore] carry it out, or
	// calls done with why that can't be.
	Commit(subject protocol.Subject, acts []protocol.Act, done func(error))
}

// More is what there is to an act beside what its worker said.
type More struct {
	Places []Place // of a SEND: one for each of its groups that is kept, in the order in which they are
	// Of a JOIN: what its client missed, oldest first; the groups of which that is not known any more; and up to where
	// it has all then.
	Past     []Past
	Lost     []string
	Position string
}

// Place is where a message stands.
type Place struct {
	Channel  string // the group
	Position string
}

// Past is a message that was sent before.
type Past struct {
	Place
	Data   []byte
	Binary bool
}

// Placing is an [Encoding] that can tell positions.
type Placing interface {
	Encoding
	// AppendPlaced is Append for what has a position, "" for none; event is of which type it is, "" for a message.
	// Without data it tells the position alone.
	AppendPlaced(b []byte, event, position string, data []byte, binary bool) []byte
}

// lostEvent is the type of the event that tells a client of [More].Lost.
const lostEvent = "lost"

// keeper is an implementation, so that there can be a pointer to it.
type keeper struct{ Channels }

// Use has groups kept by k from now on; nil: none are.
func (h *Hub) Use(k Channels) {
	if k == nil {
		h.channels.Store(nil)
		return
	}
	h.channels.Store(&keeper{k})
}

// wants says whether acts are for the channels.
func (k *keeper) wants(acts []protocol.Act) bool {
	return slices.ContainsFunc(acts, func(a protocol.Act) bool {
		switch m := a.(type) {
		case *protocol.Send:
			return m.To == protocol.ToGroups && slices.ContainsFunc(m.Names, k.Keeps)
		case *protocol.Join:
			return m.Since != nil
		}
		return false
	})
}

// split tells groups that are kept from the others.
func (k *keeper) split(groups []string) (others, kept []string) {
	for _, g := range groups {
		if k.Keeps(g) {
			kept = append(kept, g)
		} else {
			others = append(others, g)
		}
	}
	return others, kept
}

// perChannel are the deliveries of a SEND: who is in one of the channels is told of that one, of the first such. The
// position is the last one's in any case: whoever gets this has had all before it. h.mu is held.
func (h *Hub) perChannel(own *Connection, m *protocol.Send, places []Place) (all []delivery) {
	if len(places) == len(m.Names) && len(places) == 1 {
		return []delivery{{act: m, audience: h.audience(own, m.To, m.Names, m.Except), place: &places[0]}}
	}
	in := map[*Connection]int{}
	for i := range places {
		for _, c := range h.audience(own, m.To, []string{places[i].Channel}, m.Except) {
			if _, before := in[c]; !before {
				in[c] = i
			}
		}
	}
	parts := make([][]*Connection, len(places)+1)
	for _, c := range h.audience(own, m.To, m.Names, m.Except) {
		i, is := in[c]
		if !is {
			i = len(places) // in other groups alone
		}
		parts[i] = append(parts[i], c)
	}
	for i, part := range parts {
		d := delivery{act: m, audience: part}
		if i < len(places) {
			d.place = &Place{Channel: places[i].Channel, Position: places[len(places)-1].Position}
		}
		if len(part) > 0 {
			all = append(all, d)
		}
	}
	return all
}

// CarryMore carries out what [Channels] were given, with more of each act. carried is false, and nothing has happened,
// while another host takes over, or once it has: then Later is to follow.
func (h *Hub) CarryMore(subject protocol.Subject, acts []protocol.Act, more []More) (carried bool, err error) {
	if !h.gate.pass() {
		return false, nil
	}
	defer h.gate.leave()
	return true, h.apply(subject, acts, more)
}

// Later has acts committed once it is decided who keeps the connections, by this hub or by its heir.
func (h *Hub) Later(subject protocol.Subject, acts []protocol.Act, done func(error)) {
	h.ask(func() { h.Commit(subject, acts, done) },
		func(heir Heir) { h.forward(heir, subject, acts, done) })
}

// aware says whether the client is told of channels and positions in envelopes.
func (c *Connection) aware() bool { return c.state.Load().aware }

// encode is what a message looks like on a socket.
func encode(b []byte, e Encoding, aware bool, place *Place, data []byte, binary bool) []byte {
	if aware {
		data, binary = envelope(place, data, binary), false
	} else if placing, can := e.(Placing); can && place != nil {
		if data == nil {
			data = []byte{} // an empty message is one, too
		}
		return placing.AppendPlaced(b, "", place.Position, data, binary)
	}
	if e == nil {
		return append(b, data...)
	}
	return e.Append(b, data, binary)
}

// enveloped is a message to a WebSocket's client that is aware.
type enveloped struct {
	Channel  string  `json:"channel,omitempty"`
	Position string  `json:"position,omitempty"`
	Data     *string `json:"data,omitempty"`
	Binary   *[]byte `json:"binary,omitempty"` // in base64
}

// joined tells such a client that it is in groups.
type joined struct {
	Joined   []string `json:"joined"`
	Position string   `json:"position,omitempty"`
}

// lost tells a client of what groups it may have missed something.
type lost struct {
	Channels []string `json:"lost"`
}

func envelope(place *Place, data []byte, binary bool) []byte {
	var m enveloped
	if place != nil {
		m.Channel, m.Position = place.Channel, place.Position
	}
	if binary {
		m.Binary = &data
	} else {
		text := string(data)
		m.Data = &text
	}
	return jsonOf(m)
}

func jsonOf(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err) // of strings and bytes alone
	}
	return b
}

// catchUp tells the client what it missed, if it can be told, and where it is now. What can't be known comes first:
// who is cut off in the middle has a later position then, by which that would not come to light again. What waits for
// it may be more than its send buffer, this once.
func (c *Connection) catchUp(groups []string, m *More) {
	var b []byte
	e, told := c.peer.Encoding(), 0
	placing, places := e.(Placing)
	switch aware := c.aware(); {
	case aware || places:
		past, at := m.Past, ""
		if c.once && len(m.Lost) > 0 { // this is all that it gets, so it is to go on behind it
			for _, p := range past {
				m.Lost = append(slices.Clone(m.Lost), p.Channel)
			}
			slices.Sort(m.Lost)
			m.Lost, past, at = slices.Compact(m.Lost), nil, m.Position
		}
		if len(m.Lost) > 0 && aware {
			b = encode(b, e, false, nil, jsonOf(lost{m.Lost}), false)
		} else if len(m.Lost) > 0 {
			b = placing.AppendPlaced(b, lostEvent, at, jsonOf(map[string][]string{"channels": m.Lost}), false)
			told++
		}
		for _, p := range past {
			b = encode(b, e, aware, &p.Place, p.Data, p.Binary)
			if told++; c.once {
				break
			}
		}
		if aware {
			b = encode(b, e, false, nil, jsonOf(joined{groups, m.Position}), false)
		} else if m.Position != "" && (told == 0 || !c.once) {
			b = placing.AppendPlaced(b, "", m.Position, nil, false)
		}
	}
	if len(b) == 0 {
		return
	}
	c.mu.Lock()
	if c.deaf() {
		c.mu.Unlock()
		return
	}
	c.counts.messagesOut += int64(told)
	c.counts.bytesOut += int64(len(b))
	c.enqueue(frame{b: b, kind: whole}, false)
	if c.once && told > 0 {
		c.hangup(protocol.CloseNormal, "", false)
	}
}

// joined follows the JOIN of a held response.
func (c *Connection) joined(err error) {
	if err != nil {
		c.hub.log.Error("a held response can't be in its groups: it ends", "connection", c.id, "error", err)
		c.hangup(protocol.CloseError, "", false)
	}
}
