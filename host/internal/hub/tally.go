// What is counted over all connections, for metrics and status.

package hub

import (
	"maps"
	"slices"
	"time"
)

// Tally is what a listener's connections of one protocol have come to since the host started. Only Open is about now.
type Tally struct {
	Listener string
	Protocol string
	Open     int64
	Opened   int64
	Closed   map[int]int64 // by code
	MessagesIn, MessagesOut,
	BytesIn, BytesOut int64
	Dropped [3]int64 // messages for slow clients, by [SlowClient]
	Queued  int64    // bytes that wait to be sent
	Lost    int64    // datagrams that no worker has handled
}

type tallyKey struct{ listener, protocol string }

// tally gives the one that c counts for. h.mu is held.
func (h *Hub) tally(c *Connection) *Tally { return h.tallyOf(c.card) }

func (h *Hub) tallyOf(card Card) *Tally {
	k := tallyKey{card.Listener, card.Protocol}
	t := h.tallies[k]
	if t == nil {
		t = &Tally{Listener: k.listener, Protocol: k.protocol, Closed: map[int]int64{}}
		h.tallies[k] = t
	}
	return t
}

func (t *Tally) add(c *Connection, n counts) {
	t.MessagesIn += n.messagesIn
	t.MessagesOut += n.messagesOut
	t.BytesIn += n.bytesIn
	t.BytesOut += n.bytesOut
	if p := c.Terms().SlowClient; p >= 0 && int(p) < len(t.Dropped) {
		t.Dropped[p] += n.dropped
	}
}

// Tallies are those of several hubs, whose connections of one listener and protocol count together.
func Tallies(hubs ...*Hub) (all []Tally) {
	for i, h := range hubs {
		for _, t := range h.Tallies() {
			j := -1
			if i > 0 {
				j = slices.IndexFunc(all, func(a Tally) bool {
					return a.Listener == t.Listener && a.Protocol == t.Protocol
				})
			}
			if j < 0 {
				all = append(all, t)
			} else {
				all[j].join(&t)
			}
		}
	}
	return all
}

func (t *Tally) join(o *Tally) {
	t.Open += o.Open
	t.Opened += o.Opened
	for code, n := range o.Closed {
		t.Closed[code] += n
	}
	t.MessagesIn += o.MessagesIn
	t.MessagesOut += o.MessagesOut
	t.BytesIn += o.BytesIn
	t.BytesOut += o.BytesOut
	for policy, n := range o.Dropped {
		t.Dropped[policy] += n
	}
	t.Queued += o.Queued
	t.Lost += o.Lost
}

// close takes over what c has counted. h.mu is held.
func (t *Tally) close(c *Connection) {
	c.mu.Lock()
	n, opened, code := c.counts, c.outlet.line != unopened, int(c.code)
	c.mu.Unlock()
	t.add(c, n)
	if opened {
		t.Closed[code]++
	}
}

// count changes the tally of datagrams.
func (h *Hub) count(card Card, change func(*Tally)) {
	h.mu.Lock()
	change(h.tallyOf(card))
	h.mu.Unlock()
}

// Open counts the connections that are open, by protocol. It looks at none of them.
func (h *Hub) Open() map[string]int {
	h.mu.Lock()
	defer h.mu.Unlock()
	open := map[string]int{}
	for k, t := range h.tallies {
		if t.Open > 0 {
			open[k.protocol] += int(t.Open)
		}
	}
	return open
}

// Guests counts those that came by [Connection.Lodge] and are open, and says when the last of them is closed. It looks
// at each connection for a moment.
func (h *Hub) Guests() (n int, until time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	last := int64(0)
	for _, c := range h.all {
		c.mu.Lock()
		if c.few != nil && c.few.guest {
			n, last = n+1, max(last, c.few.until)
		}
		c.mu.Unlock()
	}
	if n > 0 {
		until = time.Unix(0, last)
	}
	return n, until
}

// Tallies adds up, in no particular order. It looks at each connection for a moment.
func (h *Hub) Tallies() []Tally {
	h.mu.Lock()
	defer h.mu.Unlock()
	sums := make(map[tallyKey]*Tally, len(h.tallies))
	for k, t := range h.tallies {
		sum := *t
		sum.Closed = maps.Clone(t.Closed)
		sums[k] = &sum
	}
	count := func(c *Connection) {
		sum := sums[tallyKey{c.card.Listener, c.card.Protocol}]
		if sum == nil {
			return
		}
		c.mu.Lock()
		n, queued := c.counts, c.queued()
		c.mu.Unlock()
		sum.add(c, n)
		sum.Queued += queued
	}
	for _, c := range h.all {
		count(c)
	}
	for c := range h.away {
		count(c)
	}
	list := make([]Tally, 0, len(sums))
	for _, t := range sums {
		list = append(list, *t)
	}
	return list
}
