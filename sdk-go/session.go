// Session: what the host keeps for a connection, and which of it a handler has changed.

package sdk

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"

	"github.com/workerhost/workerhost/protocol"
)

// Session is a connection's values by key, which the host keeps: they survive workers and reloads. It holds what
// MessagePack does: booleans, numbers, strings, bytes, slices, maps and structs, nested at most 14 deep. PHP workers
// read booleans, numbers, strings, and arrays of them.
//
// What a handler sets is kept when it returns nil; only what changed travels, and the last writer of a key wins. After
// the handler, and for a session from [Hub.Session], Set and Delete fail: [Hub.UpdateSession] changes any
// connection's. Methods are safe for concurrent use.
type Session struct {
	c       *Conn
	entries []protocol.Entry // as they came
	mu      sync.Mutex       // for a session of no event; see Conn.lock
	changes map[string]change
	open    bool // may be changed though it is of no event
	from    int  // the version that it came with; set once
	lifted  bool // OnUpgrade has made it one of this code's
}

// versionKey is the key of a session that has its version, and that nobody but an SDK sees (SPEC.md §9.9).
const versionKey = "workerhost.version"

// takeVersion gives the version that the entries hold, and the others.
func takeVersion(entries []protocol.Entry) (version int, rest []protocol.Entry) {
	for i := range entries {
		if entries[i].Key == versionKey {
			if err := entries[i].Value.DecodeInto(&version); err != nil {
				version = 0
			}
			return version, slices.Delete(slices.Clone(entries), i, i+1)
		}
	}
	return 0, entries
}

// stamp is the entry that says which code wrote a session.
func stamp(version int) protocol.Entry {
	v, _ := protocol.NewValue(version) // a number can't fail
	return protocol.Entry{Key: versionKey, Value: v}
}

// upgrade has the session of older code become one of this code's, before anybody looks at it.
func (s *Session) upgrade(ctx context.Context) error {
	w := &s.c.l.events
	if s.from >= w.SessionVersion || len(s.entries) == 0 || w.OnUpgrade == nil {
		return nil
	}
	open := s.open
	s.open = true
	err := guard(func() error { return w.OnUpgrade(ctx, s, s.from) })
	defer s.c.lock().Unlock()
	if s.open = open; err != nil {
		s.changes = nil
		return fmt.Errorf("OnUpgrade: %w", err)
	}
	s.lifted = true
	return nil
}

type change struct {
	value protocol.Value
	unset bool
}

// errSessionOver is for a change that nobody would keep.
var errSessionOver = errors.New("sdk: this session can't be changed here: a handler changes that of its own " +
	"connection until it returns, UpdateSession any")

// tryUpgrade tries OnUpgrade on sessions that are live, and tells the host what came of it. Nothing is kept. Without
// an answer the host wants nothing of it after all.
func (l *link) tryUpgrade(ctx context.Context) {
	v, err := l.call(ctx, func(stream uint32) protocol.Message {
		return &protocol.Call{Stream: stream, Method: protocol.CallSessions}
	})
	connections, wrong := protocol.ParseConnections(v)
	if err != nil || wrong != nil {
		return
	}
	tried := 0
	ids, versions, errs := []string{}, []int{}, []string{} // of those that failed
	for i := range connections {
		s := newConn(l, nil, &connections[i], 1).Session()
		if s.from >= l.events.SessionVersion || len(s.entries) == 0 {
			continue
		}
		tried++
		if err := s.upgrade(ctx); err != nil {
			ids, versions = append(ids, connections[i].ID), append(versions, s.from)
			errs = append(errs, brief(err.Error()))
		}
	}
	arguments := make([]protocol.Value, 4)
	for i, argument := range []any{tried, ids, versions, errs} {
		if arguments[i], err = protocol.NewValue(argument); err != nil {
			return
		}
	}
	_, _ = l.call(ctx, func(stream uint32) protocol.Message { // a host that is gone needs no word
		return &protocol.Call{Stream: stream, Method: protocol.CallUpgraded, Arguments: arguments}
	})
}

func (s *Session) lookLocked(key string) (v protocol.Value, found bool) {
	if c, ok := s.changes[key]; ok {
		return c.value, !c.unset
	}
	return s.came(key)
}

func (s *Session) came(key string) (v protocol.Value, found bool) {
	for i := range s.entries {
		if s.entries[i].Key == key {
			return s.entries[i].Value, true
		}
	}
	return nil, false
}

func (s *Session) look(key string) (protocol.Value, bool) {
	defer s.c.lock().Unlock()
	return s.lookLocked(key)
}

// Get decodes the value of key into what into points to, and says whether there is one. It fails if the value has
// another type.
func (s *Session) Get(key string, into any) (found bool, err error) {
	v, found := s.look(key)
	if err := v.DecodeInto(into); err != nil {
		return found, fmt.Errorf("sdk: the session's %q: %w", key, err)
	}
	return found, nil
}

// Value gives the value of key as one of Go's general types (string, int64, []any, map[string]any …); nil if there is
// none.
func (s *Session) Value(key string) any {
	v, _ := s.look(key)
	value, _ := v.Decode() // the wire has walked it
	return value
}

// String gives the value of key if it is a string, otherwise "".
func (s *Session) String(key string) (text string) {
	if _, err := s.Get(key, &text); err != nil {
		return ""
	}
	return text
}

// Int gives the value of key if it is a whole number, otherwise 0.
func (s *Session) Int(key string) (n int64) {
	if _, err := s.Get(key, &n); err != nil {
		return 0
	}
	return n
}

// Keys gives all keys, sorted.
func (s *Session) Keys() []string {
	defer s.c.lock().Unlock()
	keys := make([]string, 0, len(s.entries)+len(s.changes))
	for _, e := range s.entries {
		if c, ok := s.changes[e.Key]; !ok || !c.unset {
			keys = append(keys, e.Key)
		}
	}
	for key, c := range s.changes {
		if !c.unset {
			keys = append(keys, key)
		}
	}
	slices.Sort(keys)
	return slices.Compact(keys)
}

// Set keeps a value under a key. It fails if value can't be encoded.
func (s *Session) Set(key string, value any) error {
	v, err := encode(value)
	if err != nil {
		return fmt.Errorf("sdk: the session's %q: %w", key, err)
	}
	return s.note(key, change{value: v})
}

// Delete takes keys out.
func (s *Session) Delete(keys ...string) error {
	for _, key := range keys {
		if err := s.note(key, change{unset: true}); err != nil {
			return err
		}
	}
	return nil
}

func (s *Session) note(key string, to change) error {
	defer s.c.lock().Unlock()
	switch {
	case s.c.s == nil && !s.open, s.c.s != nil && s.c.s.acts.over:
		return errSessionOver
	case s.c.s != nil && s.c.ID == "":
		return ErrDatagram
	case key == versionKey:
		return fmt.Errorf("sdk: the session's %q is the SDK's own", key)
	}
	if had, found := s.came(key); found != to.unset && bytes.Equal(had, to.value) {
		delete(s.changes, key)
		return nil
	}
	if s.changes == nil {
		s.changes = make(map[string]change)
	}
	s.changes[key] = to
	return nil
}

func (s *Session) saveLocked() map[string]change { return maps.Clone(s.changes) }

// changedLocked gives what is to be set and unset, by key.
func (s *Session) changedLocked() (set []protocol.Entry, unset []string) {
	if len(s.changes) == 0 && !s.lifted {
		return nil, nil
	}
	for _, key := range slices.Sorted(maps.Keys(s.changes)) {
		if c := s.changes[key]; c.unset {
			unset = append(unset, key)
		} else {
			set = append(set, protocol.Entry{Key: key, Value: c.value})
		}
	}
	if version := s.c.l.events.SessionVersion; version > s.from {
		set = append(set, stamp(version))
	}
	return set, unset
}

// encode makes a value that entries may hold: two levels less than any other (SPEC.md §2.4).
func encode(value any) (protocol.Value, error) {
	wrapped, err := protocol.NewValue([]any{[]any{value}})
	if err != nil {
		return nil, err
	}
	v := wrapped[2:]
	if len(v) == 1 && v[0] == 0xc0 {
		return nil, nil // nil has one form
	}
	return v, nil
}
