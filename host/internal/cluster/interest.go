// interest.go: what this host has to hear, as its hubs say, and the subscriptions for it.

package cluster

import (
	"strings"
	"sync"

	"github.com/nats-io/nats.go"
	"github.com/workerhost/workerhost/host/internal/hub"
)

// wants is which subjects are to be heard. It is told with the lock of a hub held.
type wants struct {
	mu sync.Mutex
	// guarded by mu
	all   map[string]bool
	taken map[string]bool // what of it the speaker knows
	// changed is what it has yet to know: one that came and went meanwhile leaves nothing
	changed map[string]struct{}
	closed  func(subject string) bool // which are wanted at all; nil: all
}

func (w *wants) want(subject string, wanted bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.set(subject, wanted)
}

// of is want for a subject of a realm, whose name may change.
func (w *wants) of(r *Realm, kind, name string, wanted bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.set(r.subject(kind, name), wanted)
}

// rename has a realm have another name.
func (w *wants) rename(r *Realm, name string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	before := r.subjects()
	r.name.Store(name)
	after := r.subjects()
	for subject := range w.all {
		if rest, its := strings.CutPrefix(subject, before); its {
			w.set(subject, false)
			w.set(after+rest, true)
		}
	}
}

// set notes it. w.mu is held.
func (w *wants) set(subject string, wanted bool) {
	if wanted {
		w.all[subject] = true
	} else {
		delete(w.all, subject)
	}
	if w.all[subject] == w.taken[subject] && w.closed == nil {
		delete(w.changed, subject)
	} else {
		w.changed[subject] = struct{}{}
	}
}

// only has nothing be wanted any more but what may.
func (w *wants) only(may func(subject string) bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.closed = may
	for subject := range w.all {
		w.changed[subject] = struct{}{}
	}
}

// take gives what has changed since the last time, and whether it is wanted now.
func (w *wants) take() map[string]bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.changed) == 0 {
		return nil
	}
	now := make(map[string]bool, len(w.changed))
	for subject := range w.changed {
		now[subject] = w.all[subject] && (w.closed == nil || w.closed(subject))
		if now[subject] {
			w.taken[subject] = true
		} else {
			delete(w.taken, subject)
		}
	}
	w.changed = map[string]struct{}{}
	return now
}

// listen brings the subscriptions in line with what is wanted. Only the speaker calls it.
func (r *Room) listen(conn *nats.Conn) {
	for subject, wanted := range r.wants.take() {
		sub := r.subs[subject]
		switch {
		case wanted && sub == nil:
			sub, err := conn.ChanSubscribe(subject, r.heard)
			if err != nil {
				r.log.Error("this host does not hear what others say", "subject", subject, "error", err)
				continue
			}
			r.subs[subject] = sub
		case !wanted && sub != nil:
			sub.Unsubscribe() // an error means that the connection is closed, and with it this
			delete(r.subs, subject)
		}
	}
}

// watcher is what a realm's hub tells of who is there.
type watcher struct{ *Realm }

var _ hub.Watcher = watcher{}

func (w watcher) tell(kind, name string, there bool) {
	w.room.wants.of(w.Realm, kind, name, there)
	w.room.speech.stir()
}

// Group implements [hub.Watcher].
func (w watcher) Group(name string, there bool) { w.tell(byGroup, name, there) }

// User implements [hub.Watcher].
func (w watcher) User(uid string, there bool) { w.tell(byUser, uid, there) }

// Origin implements [hub.Watcher].
func (w watcher) Origin(prefix string, there bool) {
	if prefix != w.hub.Prefix() { // which is always wanted
		w.tell(byOrigin, prefix, there)
	}
}

// Changed implements [hub.Watcher].
func (w watcher) Changed(*hub.Connection) {}
