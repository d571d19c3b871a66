// heir.go: what the room of one host hands to that of the next one.

package cron

import "time"

// Handed is what a room has come to, by the names of its entries. It goes from one version of the host to another:
// fields are added, and never change their meaning.
type Handed map[string]Hand

// Hand is one entry's.
type Hand struct {
	Until   time.Time   `msgpack:"until"`   // until when all by the schedule has begun, or was left out
	Running bool        `msgpack:"running"` // a run is under way, whose end is told
	Debt    int         `msgpack:"debt"`    // missed runs that are still to be made up for
	Owed    []time.Time `msgpack:"owed"`    // their times; empty if the host before does not tell
}

func (h Hand) owed() []time.Time {
	return append(h.Owed, make([]time.Time, max(0, min(h.Debt, mostOwed)-len(h.Owed)))...)
}

// mostOwed bounds what is believed of it.
const mostOwed = 100

// Tell has the ends of runs told from now on. It is called under a lock: it must not wait, nor call the room.
func (r *Room) Tell(ended func(name string, result Result)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.ended = ended
}

// Ended notes a run that was under way in the host before.
func (r *Room) Ended(name string, result Result) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.began {
		return
	}
	for _, e := range r.entries {
		if e.Name == name {
			e.elsewhere = false
			e.add(result)
		}
	}
	r.keep.write(r.entries, r.log)
	r.fire()
}

// Alone is for when there is no host before any more: whatever that had under way has ended.
func (r *Room) Alone() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, e := range r.entries {
		e.elsewhere = false
	}
}
