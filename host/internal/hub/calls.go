// Calls: what workers ask the hub (SPEC.md §10.4).

package hub

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"strings"

	"github.com/workerhost/workerhost/protocol"
)

// Call implements [protocol.Hub]. It answers before it returns, save while another host takes over, or has.
func (h *Hub) Call(m *protocol.Call, to protocol.Caller) {
	if !h.gate.pass() {
		h.ask(func() { h.Call(m, to) }, func(heir Heir) { heir.Call(m, to) })
		return
	}
	defer h.gate.leave()
	method, ok := methods[m.Method]
	if !ok {
		protocol.UnknownMethod(m, to)
		return
	}
	value, err := method(h, arguments{m.Method, m.Arguments})
	if err != nil {
		to.Fail(protocol.CallInvalidArgument, "%v", err)
		return
	}
	to.Reply(&protocol.Result{Value: value})
}

// Swap implements [protocol.Hub], and answers as Call does.
func (h *Hub) Swap(m *protocol.Swap, to protocol.Caller) {
	if !h.gate.pass() {
		h.ask(func() { h.Swap(m, to) }, func(heir Heir) { heir.Swap(m, to) })
		return
	}
	defer h.gate.leave()
	if m.Connection == "" {
		to.Fail(protocol.CallInvalidArgument, "SWAP names no connection: it belongs to no event, so it needs the id")
		return
	}
	h.mu.Lock()
	c := h.byID[m.Connection]
	swapped := false
	var err error
	if c != nil {
		if st := c.state.Load(); st.version == m.Version {
			next := set(st, m.Set, m.Unset)
			if err = checkSession(st, next, c.Terms().sessionLimit()); err == nil {
				c.state.Store(next)
				h.changed(c)
				swapped = true
			}
		}
	}
	h.mu.Unlock()
	if err != nil {
		to.Fail(protocol.CallTooLarge, "SWAP, connection %s: %v", m.Connection, err)
		return
	}
	value, err := protocol.NewValue(swapped)
	if err != nil {
		to.Fail(protocol.CallInternal, "SWAP: %v", err)
		return
	}
	to.Reply(&protocol.Result{Value: value})
}

// list32 is MessagePack's type of a list with a count of 32 bits.
const list32 = 0xdd

var methods = map[string]func(*Hub, arguments) (protocol.Value, error){
	"count": func(h *Hub, a arguments) (protocol.Value, error) {
		group, all, err := a.group()
		if err != nil {
			return nil, err
		}
		return protocol.NewValue(h.Count(group, all))
	},
	"ids": func(h *Hub, a arguments) (protocol.Value, error) {
		list, err := h.asked(a)
		if err != nil {
			return nil, err
		}
		ids := make([]string, len(list))
		for i, c := range list {
			ids[i] = c.id
		}
		return protocol.NewValue(ids)
	},
	"uids": func(h *Hub, a arguments) (protocol.Value, error) {
		list, err := h.asked(a)
		if err != nil {
			return nil, err
		}
		uids, seen := []string{}, map[string]struct{}{}
		for _, c := range list {
			uid := c.state.Load().uid
			if _, ok := seen[uid]; !ok && uid != "" {
				seen[uid] = struct{}{}
				uids = append(uids, uid)
			}
		}
		return protocol.NewValue(uids)
	},
	"online": func(h *Hub, a arguments) (protocol.Value, error) {
		uid, err := a.name("uid")
		if err != nil {
			return nil, err
		}
		h.mu.Lock()
		online := h.users[uid] != nil
		h.mu.Unlock()
		return protocol.NewValue(online)
	},
	"groups": func(h *Hub, a arguments) (protocol.Value, error) {
		prefix, _, err := a.group()
		if err != nil {
			return nil, err
		}
		return h.census(prefix)
	},
	"user": func(h *Hub, a arguments) (protocol.Value, error) {
		uid, err := a.name("uid")
		if err != nil {
			return nil, err
		}
		h.mu.Lock()
		ids := []string{}
		if g := h.users[uid]; g != nil {
			for _, c := range g.members {
				ids = append(ids, c.id)
			}
		}
		h.mu.Unlock()
		return protocol.NewValue(ids)
	},
	"connection": func(h *Hub, a arguments) (protocol.Value, error) {
		id, err := a.name("id")
		if err != nil {
			return nil, err
		}
		c := h.Get(id)
		if c == nil {
			return nil, nil
		}
		view := c.view()
		return view.Value(), nil
	},
	"connections": func(h *Hub, a arguments) (protocol.Value, error) {
		list, err := h.asked(a)
		if err != nil {
			return nil, err
		}
		views := binary.BigEndian.AppendUint32([]byte{list32}, uint32(len(list)))
		for _, c := range list {
			view := c.view()
			views = append(views, view.Value()...)
		}
		return views, nil
	},
	"session": func(h *Hub, a arguments) (protocol.Value, error) {
		id, err := a.name("id")
		if err != nil {
			return nil, err
		}
		c := h.Get(id)
		if c == nil {
			return nil, nil
		}
		st := c.state.Load()
		version, err := protocol.NewValue(st.version)
		if err != nil {
			return nil, err
		}
		const listOfTwo = 0x92
		return protocol.AppendEntries(append([]byte{listOfTwo}, version...), st.session), nil
	},
}

// census is the value of the call "groups": those whose names begin so, and how many members each has, by turns.
func (h *Hub) census(prefix string) (protocol.Value, error) {
	list := []any{}
	h.mu.Lock()
	for name, g := range h.groups {
		if strings.HasPrefix(name, prefix) {
			list = append(list, name, len(g.members))
		}
	}
	h.mu.Unlock()
	return protocol.NewValue(list)
}

// Sample gives the value of the call "connections" for some of those of a backend whose sessions hold something: at
// most so many of them, drawn by lot, with at most so many bytes of sessions in all. live is how many there are.
func (h *Hub) Sample(of Backend, most, bytes int) (views protocol.Value, taken, live int) {
	h.mu.Lock()
	list := h.pickAll(h.all, true)
	h.mu.Unlock()
	rand.Shuffle(len(list), func(i, j int) { list[i], list[j] = list[j], list[i] })
	for _, c := range list {
		st := c.state.Load()
		if len(st.session) == 0 || c.Terms().Backend != of {
			continue
		}
		if live++; taken < most && st.size <= bytes {
			view := c.view()
			views, taken, bytes = append(views, view.Value()...), taken+1, bytes-st.size
		}
	}
	return append(binary.BigEndian.AppendUint32([]byte{list32}, uint32(taken)), views...), taken, live
}

// Count is how many connections are in a group; with all, how many there are.
func (h *Hub) Count(group string, all bool) int {
	h.mu.Lock()
	defer h.mu.Unlock()
	if all {
		return len(h.all)
	}
	if g := h.groups[group]; g != nil {
		return len(g.members)
	}
	return 0
}

// asked lists the connections that a call is about.
func (h *Hub) asked(a arguments) ([]*Connection, error) {
	group, all, err := a.group()
	if err != nil {
		return nil, err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if all {
		return h.pickAll(h.all, true), nil
	}
	if g := h.groups[group]; g != nil {
		return h.pickAll(g.members, true), nil
	}
	return nil, nil
}

// arguments are a call's.
type arguments struct {
	method string
	values []protocol.Value
}

// group is the optional group's name; all says that there is none.
func (a arguments) group() (group string, all bool, err error) {
	v, err := a.only("a group's name, or nothing")
	if err != nil || v == nil {
		return "", true, err
	}
	group, ok := v.(string)
	if !ok {
		return "", false, fmt.Errorf("%s takes a group's name, which is text, or nothing; got %T", a.method, v)
	}
	return group, false, nil
}

// name is the one argument, which has to be there.
func (a arguments) name(what string) (string, error) {
	v, err := a.only("one argument, the " + what)
	if err != nil {
		return "", err
	}
	name, ok := v.(string)
	if !ok {
		return "", fmt.Errorf("%s takes one argument, the %s, which is text; got %T", a.method, what, v)
	}
	return name, nil
}

// only is the one argument, decoded; nil if there is none.
func (a arguments) only(what string) (any, error) {
	switch len(a.values) {
	case 0:
		return nil, nil
	case 1:
		return a.values[0].Decode()
	}
	return nil, fmt.Errorf("%s takes %s; got %d arguments", a.method, what, len(a.values))
}
