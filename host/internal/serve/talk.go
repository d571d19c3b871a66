// talk.go: what the control API does to connections.

package serve

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/workerhost/workerhost/host/internal/control"
	"github.com/workerhost/workerhost/protocol"
)

// Connections implements [control.Host].
func (h *host) Connections() []control.Connection {
	all, now := []control.Connection{}, h.setup.Load()
	for name, r := range now.realms {
		for _, c := range r.hub.List() {
			c.Realm = now.shown(name)
			all = append(all, control.Connection(c))
		}
	}
	return all
}

// Send implements [control.Host].
func (h *host) Send(m control.Message) (control.Reached, error) {
	to, names := audience(&m.Audience)
	act := &protocol.Send{To: to, Names: names, Except: m.Except, Bytes: m.Bytes}
	if m.Binary {
		act.Flags = protocol.FlagBinary
	}
	return h.act(&m.Audience, act)
}

// Hangup implements [control.Host].
func (h *host) Hangup(c control.Closing) (control.Reached, error) {
	to, names := audience(&c.Audience)
	if c.Code == 0 {
		c.Code = protocol.CloseNormal
	}
	return h.act(&c.Audience, &protocol.Hangup{To: to, Names: names, Except: c.Except, Code: c.Code, Reason: c.Reason})
}

// act has the act done in each realm, or in that of the audience. A group or a user is one of one realm: where several
// have one of that name, it has to be said whose is meant.
func (h *host) act(a *control.Audience, act protocol.Act) (done control.Reached, err error) {
	realms := h.setup.Load().realms
	if a.Realm != "" {
		r := realms[a.Realm]
		if r == nil {
			return done, fmt.Errorf("there is no realm %q: there are %s", a.Realm,
				strings.Join(slices.Sorted(maps.Keys(realms)), ", "))
		}
		realms = map[string]*realm{a.Realm: r}
	}
	for _, id := range a.IDs {
		has := func(r *realm) bool { return r.hub.Get(id) != nil }
		if !slices.ContainsFunc(slices.Collect(maps.Values(realms)), has) {
			done.Missing = append(done.Missing, id)
		}
	}
	to, names := audience(a)
	reached := map[string]int{}
	for name, r := range realms {
		if n := r.hub.Reach(to, names, a.Except); n > 0 { // before it closes them
			reached[name] = n
			done.Connections += n
		}
	}
	if len(reached) > 1 && (to == protocol.ToUsers || to == protocol.ToGroups) {
		return control.Reached{}, fmt.Errorf("%s is known in the realms %s, and another one in each: say which realm "+
			"is meant (--realm)", a, strings.Join(slices.Sorted(maps.Keys(reached)), ", "))
	}
	if len(realms) > 1 {
		done.Realms = reached
	}
	for _, r := range realms {
		if err := r.apply(act); err != nil {
			return done, err
		}
	}
	return done, nil
}

func audience(a *control.Audience) (to protocol.Audience, names []string) {
	switch {
	case a.All:
		return protocol.ToAll, nil
	case len(a.Groups) > 0:
		return protocol.ToGroups, a.Groups
	case len(a.UIDs) > 0:
		return protocol.ToUsers, a.UIDs
	}
	return protocol.ToConnections, a.IDs
}

// apply has an act done that belongs to no event.
func (r *realm) apply(act protocol.Act) error {
	done := make(chan error, 1)
	r.whole().Commit(nil, []protocol.Act{act}, func(err error) { done <- err })
	return <-done
}
