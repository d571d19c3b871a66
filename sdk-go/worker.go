// Worker: what a program does for requests, and for connections that the host keeps (SPEC.md §9).

package sdk

import (
	"context"
	"io"
	"net/http"

	"github.com/workerhost/workerhost/protocol"
)

// Worker is a program that handles connections, beside requests: WebSockets, TCP and UDP, and held responses ([Hold]).
// The host keeps each of them with its session, its groups and its user; what happens on one comes as an event to any
// worker of the pool. A field that is nil is an event that the worker does without; a pool that handles none of them
// has no connections.
//
// Events of different connections run concurrently, up to [WithConcurrency]; those of one connection come one at a
// time and in order. What a handler sends, joins, sets and closes takes effect when it returns nil, all together. If
// it returns an error or panics, none of it does: the error is logged, and the connection stays open. The context ends
// as a request's does, and knows [Attempt], [Self] and [Trace].
type Worker struct {
	// Handler answers requests; nil means [http.DefaultServeMux].
	Handler http.Handler
	// OnOpen takes a connection, before its client hears of it. r is the upgrade request of a WebSocket, and nil for
	// TCP, and where the host has dialed ([Hub.Dial]). [Refuse] is the error that turns the client away with an
	// answer; any other is logged, and a WebSocket's client gets 502.
	OnOpen func(ctx context.Context, c *Conn, r *http.Request) error
	// OnMessage takes a message of a client, or of a server that the host has dialed.
	OnMessage func(ctx context.Context, c *Conn, m Message) error
	// OnClose takes leave: it comes once for each connection that opened, and last.
	OnClose func(ctx context.Context, c *Conn, end Closing) error
	// OnBuffer says that the client takes what is sent to it too slowly (full: more than half of send_buffer waits),
	// or that it has caught up. waiting is in bytes.
	OnBuffer func(ctx context.Context, c *Conn, full bool, waiting int64) error
	// OnFetched learns how a request ended that the host has made for [Fetch]: in any worker of the pool, whichever
	// asked for it. It comes at least once for each as long as the host lives, a second time, with Attempt 2, if the
	// worker died with it: what is billed or stored goes by its ID. What it sends, joins and closes takes effect when
	// it returns nil; an error is logged, and it is not called again. SPEC.md §15.3.
	OnFetched func(ctx context.Context, f *Fetched) error
	// OnFetchFailed answers a client, in the Handler's stead, whose fetch has failed before anything of the answer
	// came; without it that is a plain 502 or 504. r is the client's request without its body, why is for a person to
	// read. It can't fetch again. What the other end answers, an error too, is no failure. SPEC.md §15.5.
	OnFetchFailed func(w http.ResponseWriter, r *http.Request, why string)
	// OnTask has handlers of tasks by the names of their queues, [queue.NAME] in host.toml: each gets what [Tasks] has
	// pushed, in whichever worker of the queue's pool is free, up to [WithConcurrency] at once. What it pushes and
	// sends takes effect when it returns nil, and the task is done then. An error or a panic is a failed attempt:
	// nothing of it takes effect, and the task comes again, after a pause that grows, until it has had as many
	// attempts as its queue gives it. SPEC.md §18.
	OnTask map[string]func(ctx context.Context, t *Task) error
	// SessionVersion is of what this code's sessions hold: raise it whenever that changes. 0 is none.
	SessionVersion int
	// OnUpgrade makes a session that older code has written one of SessionVersion, before the first event that new
	// code handles of its connection: it changes s, which is kept with what the handler does. from is the version of
	// the code that wrote it, 0 where that declared none. It may run again, since nothing is kept if the handler
	// fails, and for copies ([Hub.Session] and its like), so it should do nothing else. If it fails, so does the
	// event, as if its handler had: the connection stays, and its session as it was. Sessions that are empty, and
	// those of this version or a newer one, are left alone. SPEC.md §9.9.
	OnUpgrade func(ctx context.Context, s *Session, from int) error
}

// Message is what a client sent, or a server that the host has dialed. Data belongs to the handler.
type Message struct {
	Data   []byte
	Binary bool   // bytes; otherwise UTF-8 text. What comes over TCP and UDP is bytes.
	Event  string // of a server-sent event: its type; "" is "message"
	ID     string // of a server-sent event: the last event id; "" is none
}

// Closing says how a connection ended.
type Closing struct {
	// as in RFC 6455 §7.4, for all protocols: 1000 in good order, 1001 the host stops, 1006 it broke off, 1008 it was
	// too slow or broke a limit …
	Code   int
	Reason string // what the end that closed it said
	Clean  bool   // both ends took leave of each other
}

// Serve is [Serve] for a worker that handles connections, too.
func (w *Worker) Serve(opts ...Option) error {
	return Serve(w.Handler, append([]Option{w.option()}, opts...)...)
}

// ServeLink is [ServeLink] for a worker that handles connections, too.
func (w *Worker) ServeLink(from io.ReadCloser, to io.WriteCloser, opts ...Option) error {
	return ServeLink(from, to, w.Handler, append([]Option{w.option()}, opts...)...)
}

func (w *Worker) option() Option { return func(o *options) { o.events = *w } }

// features is what READY offers (SPEC.md §3.5).
func (w *Worker) features() (offered []string) {
	for _, f := range []struct {
		name string
		has  bool
	}{{"open", w.OnOpen != nil}, {"message", w.OnMessage != nil}, {"close", w.OnClose != nil},
		{"buffer", w.OnBuffer != nil}, {protocol.FeatureFetched, w.OnFetched != nil},
		{protocol.FeatureFetchFailed, w.OnFetchFailed != nil}} {
		if f.has {
			offered = append(offered, f.name)
		}
	}
	if w.OnUpgrade != nil {
		offered = append(offered, protocol.FeatureUpgrade)
	}
	return offered
}
