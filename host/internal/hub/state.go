// What connections are given by workers: a user id, groups, a session.

package hub

import (
	"fmt"
	"slices"
	"strings"

	"github.com/workerhost/workerhost/protocol"
)

// state never changes: a change makes another one, so that an event carries the state of its time, and readers need no
// lock. The changes of a connection's state are made with Hub.mu held.
type state struct {
	uid     string
	groups  []string // in the order they were joined
	session []protocol.Entry
	size    int   // of the session, encoded
	version int64 // of the session
	aware   bool  // its client knows of channels and positions; see channels.go
}

var blank = new(state)

// join gives st with the groups that it does not have yet at its end. h.mu is held.
func (h *Hub) join(st *state, names []string) (*state, error) {
	next := st
	for _, name := range names {
		switch {
		case name == "" || len(name) > protocol.MaxName:
			return nil, fmt.Errorf("joining a group whose name has %d bytes: 1 to %d are possible", len(name),
				protocol.MaxName)
		case slices.Contains(next.groups, name):
			continue
		case len(next.groups) >= protocol.MaxGroups:
			const full = "joining the group %q: the connection is in %d groups, and can't be in more"
			return nil, fmt.Errorf(full, name, protocol.MaxGroups)
		}
		if next == st {
			copied := *st
			next = &copied
			next.groups = make([]string, len(st.groups), len(st.groups)+1)
			copy(next.groups, st.groups)
		}
		// A group's name is kept once; names from the wire share one string, which would stay with it.
		if g := h.groups[name]; g != nil {
			name = g.name
		} else {
			name = strings.Clone(name)
		}
		next.groups = append(next.groups, name)
	}
	return next, nil
}

func leave(st *state, names []string) *state {
	gone := func(name string) bool { return slices.Contains(names, name) }
	if !slices.ContainsFunc(st.groups, gone) {
		return st
	}
	next := *st
	next.groups = nil
	for _, name := range st.groups {
		if !gone(name) {
			next.groups = append(next.groups, name)
		}
	}
	return &next
}

func bind(st *state, uid string) (*state, error) {
	if len(uid) > protocol.MaxName {
		return nil, fmt.Errorf("binding to a user id of %d bytes: at most %d are possible", len(uid), protocol.MaxName)
	}
	if uid == st.uid {
		return st, nil
	}
	next := *st
	next.uid = uid
	return &next, nil
}

// indexed is from how many comparisons on a session's keys are looked up in a map.
const indexed = 1024

// set gives st with the keys of unset taken out, and then those of entries put in. Keys keep their places; new ones
// come last. Whether the result is small enough is for checkSession.
func set(st *state, entries []protocol.Entry, unset []string) *state {
	if len(entries) == 0 && len(unset) == 0 {
		return st
	}
	next := *st
	next.version++
	next.session = make([]protocol.Entry, 0, len(st.session)+len(entries))
	drop := lookup(unset, len(st.session))
	for _, e := range st.session {
		if drop(e.Key) {
			next.size -= entrySize(e)
		} else {
			next.session = append(next.session, e)
		}
	}
	var places map[string]int
	if len(entries)*(len(next.session)+len(entries)) > indexed {
		places = make(map[string]int, len(next.session))
		for i, e := range next.session {
			places[e.Key] = i
		}
	}
	find := func(key string) int {
		if places != nil {
			if i, ok := places[key]; ok {
				return i
			}
			return -1
		}
		return slices.IndexFunc(next.session, func(e protocol.Entry) bool { return e.Key == key })
	}
	for _, e := range entries {
		if i := find(e.Key); i >= 0 {
			next.size += entrySize(e) - entrySize(next.session[i])
			next.session[i] = e
			continue
		}
		if places != nil {
			places[e.Key] = len(next.session)
		}
		next.size += entrySize(e)
		next.session = append(next.session, e)
	}
	if cap(next.session) > len(next.session)+len(next.session)/4 {
		next.session = append(make([]protocol.Entry, 0, len(next.session)), next.session...)
	}
	return &next
}

func lookup(keys []string, times int) func(string) bool {
	if len(keys)*times <= indexed {
		return func(key string) bool { return slices.Contains(keys, key) }
	}
	all := make(map[string]struct{}, len(keys))
	for _, key := range keys {
		all[key] = struct{}{}
	}
	return func(key string) bool { _, ok := all[key]; return ok }
}

// checkSession says whether a session has grown beyond the limit. One that shrinks may, so that a lower limit does not
// lock it.
func checkSession(before, after *state, limit int) error {
	if after.size <= limit || after.size <= before.size {
		return nil
	}
	big := slices.MaxFunc(after.session, func(a, b protocol.Entry) int { return entrySize(a) - entrySize(b) })
	return fmt.Errorf("the session would have %d bytes, its limit is %d (the key %q alone has %d): keep less in it, "+
		"or raise session_limit",
		after.size, limit, big.Key, entrySize(big))
}

// entrySize is how many bytes an entry has on the wire.
func entrySize(e protocol.Entry) int {
	head := 1
	switch n := len(e.Key); {
	case n > 0xffff:
		head = 5
	case n > 0xff:
		head = 3
	case n > 31:
		head = 2
	}
	return head + len(e.Key) + max(1, len(e.Value))
}
