// succession.go: how dials go on with another host, which takes over: it dials anew, with what they had.

package dial

import (
	"github.com/workerhost/workerhost/host/internal/hub"
	"github.com/workerhost/workerhost/protocol"
)

// Record is a dial as another host goes on with it. A field that is missing is its zero value.
type Record struct {
	Pool       string   `msgpack:"pool"`
	Generation uint64   `msgpack:"generation"`
	Arguments  [][]byte `msgpack:"arguments"` // of a dial.open with which the next connection begins
	Reconnects int64    `msgpack:"reconnects"`
	LastID     string   `msgpack:"last_id"` // of server-sent events
}

// Suspend has nothing be dialed until Start. What stands stays.
func (r *Room) Suspend() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.begun = false
	for _, d := range r.dials {
		switch d.phase {
		case waiting:
			d.rest()
		case dialing:
			d.cancel()
		}
	}
}

// Records are of all dials, for a room of another host. It follows Suspend, while the hub is frozen.
func (r *Room) Records() (all []Record) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, d := range r.dials {
		if d.ending && d.next == nil {
			continue
		}
		o := d.latest()
		asked, start, stood, id := o.Dial, d.start, d.stood, d.lastID
		switch {
		case d.next != nil:
			start, stood, id = o.start(), 0, ""
		case d.phase == standing:
			start, stood = d.connection.Kept(), stood+1
			if d.stand.events != nil {
				id = d.stand.events.LastEventID()
			}
		}
		asked.UID, asked.Groups, asked.Session = start.UID, start.Groups, start.Session
		one := Record{Pool: o.Owner.Pool, Generation: o.Generation, Reconnects: stood, LastID: id}
		for _, v := range asked.Arguments() {
			one.Arguments = append(one.Arguments, v)
		}
		all = append(all, one)
	}
	return all
}

// Leave says that another host goes on with the dials: nothing is dialed here any more.
func (r *Room) Leave() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.closed {
		r.closed = true
		close(r.ending)
	}
	for _, d := range r.dials {
		d.leave()
	}
}

// Restore goes on with the dials of the host before, before Start. owner is a pool's, with what it may dial; nil is
// that there is no such pool. What is not to go on is told.
func (r *Room) Restore(all []Record, owner func(pool string) (*Owner, Fence)) {
	for _, one := range all {
		var arguments []protocol.Value
		for _, v := range one.Arguments {
			arguments = append(arguments, v)
		}
		asked, err := protocol.ParseDial(arguments)
		o := &Order{Dial: asked, Generation: one.Generation}
		if err == nil {
			if o.Owner, o.Fence = owner(one.Pool); o.Owner == nil {
				continue // the pool has gone, and its dials with it
			}
			err = r.restore(o, one)
		}
		if err != nil {
			r.Log.Warn("a dial of the host before does not go on", "dial", asked.Name, "url", o.shown(),
				"pool", one.Pool, "error", err)
		}
	}
}

func (r *Room) restore(o *Order, one Record) error {
	allowed := error(errNoFence)
	if o.Fence != nil {
		allowed = o.Check()
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	d := r.dials[o.Name]
	switch {
	case d == nil && allowed != nil:
		return allowed
	case d == nil:
		d = r.add(o, false)
	case d.fixed && allowed != nil: // the configuration allows its own
		o.url = d.order.url
		fallthrough
	default:
		if o.url == nil || !d.order.sameTerms(o) {
			return nil // another one has the name now
		}
	}
	d.start = hub.Start{UID: o.UID, Groups: o.Groups, Session: o.Session}
	d.stood, d.lastID = one.Reconnects, one.LastID
	return nil
}
