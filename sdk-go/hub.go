// Hub: all connections of the host, as a worker reaches them from any handler.

package sdk

import (
	"context"
	"errors"
	"fmt"

	"github.com/workerhost/workerhost/protocol"
)

// ErrNoConnection says that there is no connection with this id, or no longer.
var ErrNoConnection = errors.New("sdk: there is no connection with this id")

// maxSwaps is after how many attempts UpdateSession gives up.
const maxSwaps = 1000

// Hub is all connections of the host, those of other pools of the realm included; [Connections] gives it. Methods are
// safe for concurrent use.
//
// What is asked for with the context of a request or an event takes effect when its handler returns (for an event:
// nil), all together, or with [Now] at once; with any other context, and after the handler, it takes effect at once.
// Who is not there is left out without an error: an error says that the act could not be sent, or is none.
//
// The questions (Count and what follows) tell what is in effect: not what this handler has yet to do. They wait for
// the host, at most until the context ends: then the host is told that nobody waits any more. What the host refuses is
// a [*CallError].
type Hub struct {
	ctx context.Context
	l   *link
	s   *stream
}

// Connections gives the host's connections to a handler, a tick of [Every], or a goroutine of the program's own, which
// may have any context.
func Connections(ctx context.Context) Hub {
	if s, ok := ctx.Value(streamKey{}).(*stream); ok {
		return Hub{ctx, s.link, s}
	}
	if l, ok := ctx.Value(linkKey{}).(*link); ok {
		return Hub{ctx, l, nil}
	}
	return Hub{ctx, current.Load(), nil}
}

// Send sends a message to a connection.
func (h Hub) Send(id string, data []byte, opts ...SendOption) error {
	return h.deliver(protocol.ToConnections, []string{id}, data, opts)
}

// SendToUser sends a message to all connections of a user.
func (h Hub) SendToUser(uid string, data []byte, opts ...SendOption) error {
	return h.deliver(protocol.ToUsers, []string{uid}, data, opts)
}

// SendToGroup sends a message to all connections in a group.
func (h Hub) SendToGroup(group string, data []byte, opts ...SendOption) error {
	return h.deliver(protocol.ToGroups, []string{group}, data, opts)
}

// SendToAll sends a message to all connections.
func (h Hub) SendToAll(data []byte, opts ...SendOption) error {
	return h.deliver(protocol.ToAll, nil, data, opts)
}

// Close closes a connection, after what was sent to it. code and reason are those of [Conn.Close].
func (h Hub) Close(id string, code int, reason string, opts ...SendOption) error {
	return h.hangUp(protocol.ToConnections, []string{id}, code, reason, opts)
}

// CloseUser closes all connections of a user.
func (h Hub) CloseUser(uid string, code int, reason string, opts ...SendOption) error {
	return h.hangUp(protocol.ToUsers, []string{uid}, code, reason, opts)
}

// CloseGroup closes all connections in a group.
func (h Hub) CloseGroup(group string, code int, reason string, opts ...SendOption) error {
	return h.hangUp(protocol.ToGroups, []string{group}, code, reason, opts)
}

// CloseAll closes all connections.
func (h Hub) CloseAll(code int, reason string, opts ...SendOption) error {
	return h.hangUp(protocol.ToAll, nil, code, reason, opts)
}

func (h Hub) deliver(to protocol.Audience, names []string, data []byte, opts []SendOption) error {
	if h.l == nil {
		return ErrNoHost
	}
	return h.l.deliver(h.s, to, names, data, opts)
}

func (h Hub) hangUp(to protocol.Audience, names []string, code int, reason string, opts []SendOption) error {
	if h.l == nil {
		return ErrNoHost
	}
	return h.l.hangUp(h.s, to, names, code, reason, opts)
}

// Join puts a connection into groups.
func (h Hub) Join(id string, groups ...string) error { return h.join(id, nil, groups) }

// Subscribe puts a connection into groups whose history it is to have: see [Conn.Subscribe].
func (h Hub) Subscribe(id, since string, groups ...string) error { return h.join(id, &since, groups) }

func (h Hub) join(id string, since *string, groups []string) error {
	if err := h.l.checkGroups(groups); err != nil {
		return err
	}
	return h.change(id, func(stream uint32) protocol.Message {
		return &protocol.Join{Stream: stream, Connection: id, Groups: groups, Since: since}
	})
}

// Leave takes a connection out of groups.
func (h Hub) Leave(id string, groups ...string) error {
	if err := h.l.checkGroups(groups); err != nil {
		return err
	}
	return h.change(id, func(stream uint32) protocol.Message {
		return &protocol.Leave{Stream: stream, Connection: id, Groups: groups}
	})
}

// BindUser binds a connection to a user in place of the one that it had; "" unbinds.
func (h Hub) BindUser(id, uid string) error {
	if err := h.l.checkUID(uid); err != nil {
		return err
	}
	return h.change(id, func(stream uint32) protocol.Message {
		return &protocol.Bind{Stream: stream, Connection: id, UID: uid}
	})
}

func (h Hub) change(id string, act func(stream uint32) protocol.Message) error {
	switch {
	case h.l == nil:
		return ErrNoHost
	case id == "":
		return ErrDatagram
	}
	return h.l.ask(h.s, 0, func(stream uint32, _ protocol.Flags, _ bool) (protocol.Message, error) {
		return act(stream), nil
	})
}

// Count says how many connections there are in a group; "" stands for all.
func (h Hub) Count(group string) (n int, err error) {
	err = h.question("count", group, group == "", &n)
	return n, err
}

// IDs gives the ids of the connections in a group; "" stands for all.
func (h Hub) IDs(group string) (ids []string, err error) {
	err = h.question("ids", group, group == "", &ids)
	return ids, err
}

// Users gives the users that connections in a group are bound to, each once; "" stands for all connections.
func (h Hub) Users(group string) (uids []string, err error) {
	err = h.question("uids", group, group == "", &uids)
	return uids, err
}

// Members gives the users that are in a group with presence (SPEC.md §19.4), those included that have just left and
// may be back in a moment. Where nothing gives the group presence the [CallError] has [protocol.CallNotFound].
func (h Hub) Members(group string) (uids []string, err error) {
	err = h.question(protocol.CallMembers, group, false, &uids)
	return uids, err
}

// IsOnline says whether a user has a connection.
func (h Hub) IsOnline(uid string) (online bool, err error) {
	err = h.question("online", uid, false, &online)
	return online, err
}

// IDsOf gives the ids of the connections that are bound to a user.
func (h Hub) IDsOf(uid string) (ids []string, err error) {
	err = h.question("user", uid, false, &ids)
	return ids, err
}

// Groups gives the groups whose names begin with prefix, and how many connections are in each; "" stands for all
// groups. One that nobody is in does not exist.
func (h Hub) Groups(prefix string) (members map[string]int, err error) {
	v, err := h.call("groups", prefix, prefix == "")
	if err != nil {
		return nil, err
	}
	if members, err = protocol.ParseGroups(v); err != nil {
		return nil, fmt.Errorf("sdk: the host's answer to groups: %w", err)
	}
	return members, nil
}

// Get gives a connection as it is now, or [ErrNoConnection], or the error of [Worker].OnUpgrade.
func (h Hub) Get(id string) (*Conn, error) {
	v, err := h.call("connection", id, false)
	if err != nil {
		return nil, err
	}
	if len(v) == 0 {
		return nil, ErrNoConnection
	}
	m, err := protocol.ParseConnection(v)
	if err != nil {
		return nil, fmt.Errorf("sdk: %w", err)
	}
	c := newConn(h.l, nil, &m, 1)
	c.asker = h.s
	return c, c.session.upgrade(h.ctx)
}

// Session gives a connection's session as it is now, to be read, or [ErrNoConnection].
func (h Hub) Session(id string) (*Session, error) {
	_, s, err := h.session(id)
	return s, err
}

func (h Hub) session(id string) (version int64, s *Session, err error) {
	v, err := h.call("session", id, false)
	if err != nil {
		return 0, nil, err
	}
	if len(v) == 0 {
		return 0, nil, ErrNoConnection
	}
	version, entries, err := protocol.ParseSession(v)
	if err != nil {
		return 0, nil, fmt.Errorf("sdk: %w", err)
	}
	c := newConn(h.l, nil, &protocol.Connection{ID: id, Session: entries}, 1)
	return version, c.Session(), c.session.upgrade(h.ctx)
}

// UpdateSession changes a connection's session at once, and safely: update gets it as it is and sets or deletes keys;
// if somebody else has changed it meanwhile, update gets the newer one. If update fails, nothing is changed, and its
// error is returned.
func (h Hub) UpdateSession(id string, update func(s *Session) error) error {
	for range maxSwaps {
		version, s, err := h.session(id)
		if err != nil {
			return err
		}
		s.open = true
		if err := update(s); err != nil {
			return err
		}
		mu := s.c.lock()
		s.open = false
		set, unset := s.changedLocked()
		mu.Unlock()
		if len(set)+len(unset) == 0 {
			return nil
		}
		v, err := h.l.call(h.ctx, func(stream uint32) protocol.Message {
			return &protocol.Swap{Stream: stream, Connection: id, Version: version, Set: set, Unset: unset}
		})
		if err != nil {
			return err
		}
		swapped := false
		if err := v.DecodeInto(&swapped); err != nil {
			return fmt.Errorf("sdk: SWAP: %w", err)
		}
		if swapped {
			return nil
		}
	}
	return fmt.Errorf("sdk: the session of %s was changed by others %d times in a row", id, maxSwaps)
}

// question asks with one argument, or none, and decodes the answer.
func (h Hub) question(method, argument string, none bool, into any) error {
	v, err := h.call(method, argument, none)
	if err != nil {
		return err
	}
	return answered(method, v, into)
}

// answered decodes the answer to a question.
func answered(method string, v protocol.Value, into any) error {
	if err := v.DecodeInto(into); err != nil {
		return fmt.Errorf("sdk: the host's answer to %s: %w", method, err)
	}
	return nil
}

func (h Hub) call(method, argument string, none bool) (protocol.Value, error) {
	var arguments []protocol.Value
	if !none {
		v, err := protocol.NewValue(argument)
		if err != nil {
			return nil, err
		}
		arguments = []protocol.Value{v}
	}
	return h.callWith(method, arguments)
}

func (h Hub) callWith(method string, arguments []protocol.Value) (protocol.Value, error) {
	if h.l == nil {
		return nil, ErrNoHost
	}
	return h.l.call(h.ctx, func(stream uint32) protocol.Message {
		return &protocol.Call{Stream: stream, Method: method, Arguments: arguments, Timeout: timeLeft(h.ctx)}
	})
}
