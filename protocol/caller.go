// How the host answers what a worker asks: perhaps later, from any goroutine, so that no reader of frames waits
// for it.

package protocol

import (
	"context"
	"fmt"
	"strings"
)

// Answerer answers CALLs (SPEC.md §10.4).
type Answerer interface {
	// Call has m answered by to.Reply, once, before it returns or later. It is called by the goroutine that reads
	// the worker's frames, and must not wait: what takes long goes on in a goroutine of its own, until to.Context
	// ends at the latest. m is the pool's again when Call returns, what it points to is the method's.
	Call(m *Call, to Caller)
}

// Caller is a worker that waits for the answer to a CALL or a SWAP. Its methods are safe for concurrent use.
type Caller struct {
	desk   Desk
	stream uint32
}

// Desk is where answers are handed in: a worker's link.
type Desk interface {
	// Reply sends the answer to a stream's call, unless it has been answered or nobody is there any more.
	Reply(stream uint32, r *Result)
	// Waiting is the Context of a stream's call.
	Waiting(stream uint32) context.Context
}

// NewCaller is the caller on a stream of a worker's.
func NewCaller(desk Desk, stream uint32) Caller { return Caller{desk, stream} }

// Reply answers. It never waits. r and its value are the pool's from then on, which sets its stream and cuts what
// is too large for a frame. Only the first answer counts, and none if the worker has gone.
func (c Caller) Reply(r *Result) { c.desk.Reply(c.stream, r) }

// Fail answers with an error of a code.
func (c Caller) Fail(code CallCode, format string, a ...any) {
	c.Reply(&Result{Code: code, Error: fmt.Sprintf(format, a...)})
}

// Context ends when nobody waits for the answer any more: the worker has given it up or died, or the call's time
// is up. An answer is nevertheless owed: the worker has had its own, but until then the method counts as running.
func (c Caller) Context() context.Context { return c.desk.Waiting(c.stream) }

// Asker is who asks: a worker of a generation. The zero Asker is nobody who is known.
type Asker struct {
	Generation uint64
	Terms      any    // of that generation, which whoever runs the pool has given it
	Events     Events // that the worker handles, whatever its pool's do
}

// Asker tells who asks.
func (c Caller) Asker() Asker {
	if desk, ok := c.desk.(interface{ Asker() Asker }); ok {
		return desk.Asker()
	}
	return Asker{}
}

// Worker ends when the worker has gone, so that nobody has any more what it was given. It is never done where that is
// not known.
func (c Caller) Worker() context.Context {
	if desk, ok := c.desk.(interface{ Life() context.Context }); ok {
		return desk.Life()
	}
	return context.Background()
}

// Router is a Hub whose methods come from several rooms: what stands before a method's first dot says whose it is.
// Those without a dot are the Hub's, as acts and SWAPs are. It must not change once it is in use.
type Router struct {
	Hub
	Rooms map[string]Answerer // by prefix, without the dot
}

// Call implements [Hub].
func (r *Router) Call(m *Call, to Caller) {
	prefix, _, dotted := strings.Cut(m.Method, ".")
	if !dotted {
		r.Hub.Call(m, to)
	} else if room, ok := r.Rooms[prefix]; ok {
		room.Call(m, to)
	} else {
		UnknownMethod(m, to)
	}
}

// UnknownMethod answers a call whose method the answerer does not have.
func UnknownMethod(m *Call, to Caller) {
	to.Fail(CallUnimplemented, "there is no method %q: see SPEC.md §10.4 for those there are", m.Method)
}
