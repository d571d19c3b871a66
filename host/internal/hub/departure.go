// Departure: how a hub's connections go to that of another host, which takes over. It is frozen; what it keeps is
// written down; and then it is decided, once, who keeps it.

package hub

import (
	"context"
	"errors"
	"slices"
)

// Departure is a hub that is frozen. One goroutine at a time uses it, and Thaw or Hand ends it.
type Departure struct {
	hub    *Hub
	leaves []*Connection // that are packed, and go
	born   []*Connection // that have come since: held responses, and clients of the host before
	ended  bool
}

var errBusy = errors.New("its connections are being closed, or handed over already")

// Freeze has nothing change any more until Thaw or Hand: events that clients cause wait, and so do acts and calls of
// workers, whose events go on. It waits for what is under way, which takes no longer than a broadcast. It fails if a
// shutdown is under way, or if the hub has been frozen already.
func (h *Hub) Freeze() (*Departure, error) {
	if !h.gate.freeze() {
		return nil, errBusy
	}
	for {
		stirs := h.gate.stirs()
		if h.gate.inside.Load() == 0 {
			break
		}
		<-stirs
	}
	d := &Departure{hub: h}
	h.mu.Lock()
	if len(h.stops) > 0 {
		held := h.release(nil)
		h.mu.Unlock()
		for _, do := range held { // what came meanwhile
			do()
		}
		return nil, errBusy
	}
	defer h.mu.Unlock()
	h.custody, h.packing = packed, d
	for _, c := range h.all {
		d.pack(c)
	}
	for c := range h.away {
		d.pack(c)
	}
	return d, nil
}

// pack takes a connection along, unless it is about to end, or one that this host has made and the heir makes anew:
// those stay to their end. hub.mu is held.
func (d *Departure) pack(c *Connection) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.life != staying || c.seat.place == left || c.outlet.line >= ended || c.Terms().Dial != nil {
		return
	}
	c.custody = packed
	c.inbox.makeRoom() // what its reader has in hand is taken, whatever waits already
	d.leaves = append(d.leaves, c)
}

// joinsDeparture takes a connection along that has just come. h.mu is held.
func (h *Hub) joinsDeparture(c *Connection) {
	c.custody = h.custody
	switch {
	case h.custody == theirs:
		h.absent[c.id] = c
	case c.outlet.line == accepted: // a held response
		h.enter(c)
		h.packing.born = append(h.packing.born, c)
	case c.opening != nil: // of the host before; the heir is told when its OPEN is due
		h.away[c] = struct{}{}
		h.packing.born = append(h.packing.born, c)
	default:
		h.away[c] = struct{}{}
		h.packing.leaves = append(h.packing.leaves, c)
	}
}

// Leaves are the connections that go, of which there may be a record; with late, those too that have come since. The
// list is the caller's.
func (d *Departure) Leaves(late bool) []*Connection {
	d.hub.mu.Lock()
	defer d.hub.mu.Unlock()
	all := slices.Clone(d.leaves)
	if late {
		all = append(all, d.born...)
	}
	return all
}

// Stays is how many open connections do not go.
func (d *Departure) Stays() (n int) {
	d.hub.mu.Lock()
	defer d.hub.mu.Unlock()
	for _, c := range d.hub.all {
		if left, leaving := c.Left(); !left && !leaving {
			n++
		}
	}
	return n
}

// Settle waits until nothing writes to the clients of c, and none of its events is about to be submitted, and says
// false if ctx is done before. Its peer has been paused.
func (d *Departure) Settle(ctx context.Context, c *Connection) bool {
	for {
		stirs := d.hub.gate.stirs()
		c.mu.Lock()
		still := (c.turn == resting || c.turn == awaiting) && c.outlet.line != writing
		c.mu.Unlock()
		if still {
			return true
		}
		select {
		case <-stirs:
		case <-ctx.Done():
			return false
		}
	}
}

// Keep has connections stay, which go on at once.
func (d *Departure) Keep(some ...*Connection) {
	if len(some) == 0 {
		return
	}
	keep := make(map[*Connection]bool, len(some))
	for _, c := range some {
		keep[c] = true
	}
	d.hub.mu.Lock()
	d.leaves = slices.DeleteFunc(d.leaves, func(c *Connection) bool { return keep[c] })
	d.born = slices.DeleteFunc(d.born, func(c *Connection) bool { return keep[c] })
	for _, c := range some {
		c.mu.Lock()
		c.custody = ours
		c.mu.Unlock()
	}
	d.hub.mu.Unlock()
	for _, c := range some {
		c.resume()
	}
}

// Thaw has the hub go on as if nothing had been. A second call, or one after Hand, does nothing.
func (d *Departure) Thaw() {
	if d.ended {
		return
	}
	d.ended = true
	h := d.hub
	h.mu.Lock()
	all := append(d.leaves, d.born...)
	for _, c := range all {
		c.mu.Lock()
		c.custody = ours
		c.mu.Unlock()
	}
	held := h.release(nil)
	h.mu.Unlock()
	for _, c := range all {
		c.resume()
	}
	d.goOn(held)
}

// Hand leaves the connections to heir: what has waited for that, and all that comes, is told to it. Those that were
// kept are told that the host goes away, and end here; so do their events. A second call, or one after Thaw, does
// nothing.
func (d *Departure) Hand(heir Heir) {
	if d.ended {
		return
	}
	d.ended = true
	h := d.hub
	h.gate.name(heir)
	h.mu.Lock()
	h.custody, h.packing = theirs, nil // who comes from now on is told to the heir at once
	h.mu.Unlock()
	for _, c := range d.born { // before anybody could send their sockets after them
		if c.opening == nil {
			heir.Hold(c)
		}
	}
	h.mu.Lock()
	for _, c := range d.leaves {
		h.letGo(c)
		c.forsake()
	}
	for _, c := range d.born {
		h.letGo(c)
		c.forsake()
	}
	stay := slices.Clone(h.all)
	for c := range h.away {
		stay = append(stay, c)
	}
	held := h.release(heir)
	h.mu.Unlock()
	d.goOn(held)
	for _, c := range stay {
		c.resume()
		c.mu.Lock()
		opens := c.opening != nil || c.outlet.line == unopened
		c.mu.Unlock()
		if !opens { // else once it is open
			c.Finish(closeRestart, restartReason)
		}
	}
}

// What is said to clients that can't go along.
const (
	closeRestart  = 1012 // IANA's "Service Restart"
	restartReason = "the server is being replaced"
)

// letGo takes a connection out of everything that others reach it by, without a CLOSE. h.mu is held.
func (h *Hub) letGo(c *Connection) {
	c.mu.Lock()
	c.custody = theirs
	absent := !c.outlet.socket
	if c.few != nil && c.few.expiry != nil {
		c.few.expiry.Stop()
	}
	c.mu.Unlock()
	if c.seat.place != left {
		h.exit(c)
	}
	delete(h.away, c)
	if absent {
		h.absent[c.id] = c
	}
}

// forsake drops what waits of a connection that is theirs: the heir has it.
func (c *Connection) forsake() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.inbox.drop()
	c.discard()
}

// release ends the freeze, and gives what has waited for that. h.mu is held.
func (h *Hub) release(heir Heir) (held []func()) {
	h.custody, h.packing = ours, nil
	if heir != nil {
		h.custody = theirs
	}
	return h.gate.open(heir)
}

func (d *Departure) goOn(held []func()) {
	for _, f := range held {
		f()
	}
}

// holds keeps op until it is decided who keeps the connection, or drops it if that is another host. c.mu is held, and
// the connection is not ours.
func (c *Connection) holds(op func()) bool {
	if c.custody == packed {
		c.hub.gate.hold(op) // it is frozen as long as anything is packed
	}
	return true
}

func (c *Connection) isTheirs() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.custody == theirs
}

// Left says whether another host has the connection: its socket, if it is here still, has to follow. Or, if leaving,
// whether that is about to be decided.
func (c *Connection) Left() (left, leaving bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.custody == theirs, c.custody == packed
}

// resume goes on with what waits, either way.
func (c *Connection) resume() {
	c.mu.Lock()
	if c.outlet.line == ready && c.outlet.box != nil && c.outlet.box.len() > 0 {
		move(&c.outlet.line, writing, &lineMoves)
		c.run(false)
	} else {
		c.mu.Unlock()
	}
	c.pump()
}
