// An app: what a route leads to, and what one of its clients or servers may ask.

package pusher

import (
	"sync/atomic"
	"time"

	"github.com/workerhost/workerhost/protocol"
)

// Settings are what the configuration has for an app. They must not be changed once in use.
type Settings struct {
	ID     string // in the paths of its HTTP API
	Key    string // in the path of its WebSockets
	Secret string // that channels and requests of the API are signed with
	// ClientEvents says whether clients may send events to those in the same private channel.
	ClientEvents bool
	// Activity is what clients are told: after so long a silence they ask whether the host is there.
	Activity time.Duration
	// MaxMembers is how many users a channel with presence may have.
	MaxMembers int
	// MaxEvent is how many bytes the data of an event may have.
	MaxEvent int
}

// App is a backend (as the hub has it) that speaks Pusher's protocol. Its methods are safe for concurrent use.
type App struct {
	name     string
	hub      protocol.Hub
	settings atomic.Pointer[Settings]
	desk     desk
	// told is whom the others know to be there, by channel and user. It is the desk's own. What is so is the hub's to
	// say; this is what was said of it.
	told map[string]map[string]struct{}
}

// New makes an app of that name whose clients are connections of in.
func New(name string, in protocol.Hub, s *Settings) *App {
	a := &App{name: name, hub: in, told: map[string]map[string]struct{}{}}
	a.settings.Store(s)
	return a
}

// Retune puts other settings in the place of those it has. Clients that are there stay.
func (a *App) Retune(s *Settings) { a.settings.Store(s) }

// Traits are what fronts have to know of it.
func (a *App) Traits() protocol.Traits {
	return protocol.Traits{Pool: "pusher:" + a.name, WholeBody: true, Retry: protocol.RetryNever,
		Events: protocol.Events{Open: true, Message: true, Close: true}}
}

// Submit takes a request of the HTTP API, or an event of a client.
func (a *App) Submit(x *protocol.Exchange) protocol.Ticket {
	switch m := x.Request.(type) {
	case *protocol.Request:
		return a.serve(x, m)
	case *protocol.Open:
		a.open(x, m)
	case *protocol.Incoming:
		a.heard(x, m)
	case *protocol.Close:
		a.left(x, m)
	default: // there is no use for it
		x.Sink.Finished()
	}
	return nil
}

// End closes the connections of all clients, with one of Pusher's codes: below 4100 they don't come again, from 4200
// on they do so at once. It returns at once.
func (a *App) End(code int, reason string) {
	all := &protocol.Hangup{To: protocol.ToGroups, Names: []string{a.root()}, Code: code, Reason: reason}
	a.hub.Commit(nil, []protocol.Act{all}, func(error) {})
}
