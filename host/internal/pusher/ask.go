// What the app asks of the hub, by the ways that are there for workers.

package pusher

import (
	"context"
	"errors"

	"github.com/workerhost/workerhost/protocol"
)

// answer is a desk that gets the answer to one call.
type answer chan *protocol.Result

// Reply implements [protocol.Desk].
func (a answer) Reply(_ uint32, r *protocol.Result) {
	select {
	case a <- r:
	default: // only the first one counts
	}
}

// Waiting implements [protocol.Desk].
func (a answer) Waiting(uint32) context.Context { return context.Background() }

// ask has the hub answer a call with one argument. It waits, while another host takes over for as long as that takes.
func (a *App) ask(method, argument string) (protocol.Value, error) {
	value, err := protocol.NewValue(argument)
	if err != nil {
		return nil, err
	}
	got := make(answer, 1)
	a.hub.Call(&protocol.Call{Method: method, Arguments: []protocol.Value{value}}, protocol.NewCaller(got, 0))
	r := <-got
	if r.Error != "" || r.Code != 0 {
		return nil, errors.New(method + ": " + r.Error)
	}
	return r.Value, nil
}

// count is how many are in a group.
func (a *App) count(group string) (n int, err error) {
	v, err := a.ask("count", group)
	if err == nil {
		err = v.DecodeInto(&n)
	}
	return n, err
}

// census are the groups whose names begin so, and how many are in each.
func (a *App) census(prefix string) (map[string]int, error) {
	v, err := a.ask("groups", prefix)
	if err != nil {
		return nil, err
	}
	return protocol.ParseGroups(v)
}

// members are the users in a channel with presence, as their sessions have them.
func (a *App) members(channel string) (map[string]member, error) {
	group := a.group(channel)
	v, err := a.ask("connections", group)
	if err != nil {
		return nil, err
	}
	connections, err := protocol.ParseConnections(v)
	if err != nil {
		return nil, err
	}
	all := make(map[string]member, len(connections))
	for i := range connections {
		for _, e := range connections[i].Session {
			var text string
			if e.Key != group || e.Value.DecodeInto(&text) != nil {
				continue
			}
			if m, err := parseMember(text); err == nil {
				all[m.ID] = m
			}
		}
	}
	return all, nil
}

// commit has acts carried out, and waits for that.
func (a *App) commit(of protocol.Subject, acts ...protocol.Act) error {
	done := make(chan error, 1)
	a.hub.Commit(of, acts, func(err error) { done <- err })
	return <-done
}
