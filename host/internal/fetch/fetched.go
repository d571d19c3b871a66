// fetched.go: how a worker learns that a fetch is over. It is an event like those of connections, of none of them.

package fetch

import (
	"crypto/rand"
	"encoding/hex"
	"time"

	"github.com/workerhost/workerhost/protocol"
)

// fetched is a FETCHED that the pool has. It implements [protocol.Sink].
type fetched struct {
	room    *Room
	message protocol.Fetched
	body    []byte // of the room's memory
	stream  protocol.Stream
	sent    int
	failure *protocol.Failure
}

// note has a worker told, if the pool's want to be.
func (x *exchange) note(done *result, took time.Duration) {
	r, f := x.room, x.fetch
	if !r.Backend.Traits().Events.Fetched {
		r.reserve(-int64(len(done.kept)))
		return
	}
	id := make([]byte, 16)
	rand.Read(id)
	e := &fetched{room: r, body: done.kept, message: protocol.Fetched{
		ID: hex.EncodeToString(id), URL: f.URL, Status: done.status, Headers: done.headers, Length: done.length,
		Took: took.Milliseconds(), End: done.end, Reason: done.reason, Request: f.request, Context: f.Context,
	}}
	e.message.Bytes = e.body[:min(len(e.body), protocol.MaxData)]
	if len(e.body) <= protocol.MaxData {
		e.message.Flags = protocol.FlagEnd
	}
	r.untold.Add(1)
	r.running.Add(1)
	r.Backend.Submit(&protocol.Exchange{Request: &e.message, Repeatable: true, Patient: true, Sink: e})
}

// Begin implements [protocol.Sink].
func (e *fetched) Begin(s protocol.Stream) {
	e.stream, e.sent = s, protocol.MaxData
	e.Writable()
}

// Writable implements [protocol.Sink].
func (e *fetched) Writable() {
	for e.sent < len(e.body) {
		n, more := e.stream.Send(e.body[e.sent:], true, nil)
		e.sent += n
		if !more || n == 0 {
			return
		}
	}
}

// Inform implements [protocol.Sink].
func (e *fetched) Inform(*protocol.Inform) {}

// Respond implements [protocol.Sink].
func (e *fetched) Respond(*protocol.Response) {}

// Data implements [protocol.Sink].
func (e *fetched) Data(m *protocol.Data) { e.stream.Consumed(len(m.Bytes)) }

// Fail implements [protocol.Sink].
func (e *fetched) Fail(err *protocol.Failure) {
	e.failure = &protocol.Failure{Kind: err.Kind, Detail: err.Detail}
}

// Finished implements [protocol.Sink].
func (e *fetched) Finished() {
	if e.failure != nil {
		m := &e.message
		args := []any{"fetch", m.ID, "request_id", m.Request, "url", shown(m.URL), "status", m.Status,
			"bytes", m.Length, "end", m.End, "error", e.failure.Error()}
		if e.failure.Kind == protocol.FailedReset { // it was delivered, as CLOSE is
			e.room.log.Warn("the handler of a FETCHED failed: what it asked for is dropped, and it is not called "+
				"again", args...)
		} else {
			e.room.log.Error("a FETCHED could not be delivered: no worker knows how this fetch ended", args...)
		}
	}
	e.room.reserve(-int64(len(e.body)))
	e.room.untold.Add(-1)
	e.room.running.Done()
}
