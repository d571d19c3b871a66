// talk.go: what the control API does to connections.

package serve

import (
	"github.com/workerhost/workerhost/host/internal/control"
	"github.com/workerhost/workerhost/protocol"
)

// Connections implements [control.Host].
func (h *host) Connections() []control.Connection {
	list := h.hub.List()
	all := make([]control.Connection, len(list))
	for i, c := range list {
		all[i] = control.Connection(c)
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

func (h *host) act(a *control.Audience, act protocol.Act) (done control.Reached, err error) {
	for _, id := range a.IDs {
		if h.hub.Get(id) == nil {
			done.Missing = append(done.Missing, id)
		}
	}
	to, names := audience(a)
	done.Connections = h.hub.Reach(to, names, a.Except) // before it closes them
	return done, h.hub.Apply(nil, []protocol.Act{act})
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
