// What is read along of HTTP/3 above quic-go, which tells its recorder of each frame: how many ask for nothing, and
// which requests it refuses by itself, since no handler could tell of those. quic-go holds requests to RFC 9114 §4.2
// and §4.3, but for the scheme, and to max_header. Streams that are reset before their head are not seen here:
// idle_timeout ends a connection of nothing else.

package listen

import (
	"cmp"
	"fmt"
	"net/http"
	"time"

	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/http3"
	"github.com/quic-go/quic-go/http3/qlog"
	"github.com/quic-go/quic-go/qlogwriter"
	"github.com/workerhost/workerhost/host/internal/accesslog"
)

// quicRequest is a request whose head has come.
type quicRequest struct {
	method, target string
	wrong          string // what is known to be wrong with it
	came           time.Time
	handled        bool // a handler has it
}

// AddProducer implements qlogwriter.Trace. First QUIC itself asks, whose packets nobody here cares for, and then
// HTTP/3 does.
func (c *quicConn) AddProducer() qlogwriter.Recorder {
	if c.asked++; c.asked == 1 {
		return nil
	}
	return quicRecorder{c}
}

type quicRecorder struct{ conn *quicConn }

// Close implements qlogwriter.Recorder.
func (quicRecorder) Close() error { return nil }

// RecordEvent implements qlogwriter.Recorder. The goroutine that has read or is about to write the frame calls it.
func (r quicRecorder) RecordEvent(e qlogwriter.Event) {
	c := r.conn
	switch e := e.(type) {
	case qlog.FrameCreated:
		c.answered(0) // windows are QUIC's
		if head, ok := e.Frame.Frame.(qlog.HeadersFrame); ok {
			c.heads(e.StreamID, head.HeaderFields)
		}
		return
	case qlog.FrameParsed:
		switch frame := e.Frame.Frame.(type) {
		case qlog.DataFrame:
			if e.Raw.PayloadLength > 0 {
				return
			}
		case qlog.HeadersFrame:
			c.asks(e.StreamID, frame.HeaderFields)
		}
	}
	if !c.allowed() && c.quic.Context().Err() == nil {
		c.noteRefusal(&quicRequest{}, http.StatusBadRequest, tooManyFrames)
		c.close(http3.ErrCodeExcessiveLoad, tooManyFrames)
	}
}

// asks takes note of a head that has come, or of trailers.
func (c *quicConn) asks(stream quic.StreamID, fields []qlog.HeaderField) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.requests[stream] != nil {
		return
	}
	q := &quicRequest{came: time.Now()}
	for _, f := range fields {
		switch {
		case f.InvalidName:
			q.wrong = fmt.Sprintf("a header that HTTP/3 does not have: %.40q", f.Name)
		case f.InvalidValue:
			q.wrong = fmt.Sprintf("a control character in the header %.40q", f.Name)
		case f.Name == ":method":
			q.method = f.Value
		case f.Name == ":path":
			q.target = f.Value[:min(len(f.Value), accesslog.LongestTarget)]
		}
	}
	c.requests[stream] = q
	if len(c.requests) > c.begun+1 {
		c.sweep(q.came.Add(-refusalTime))
	}
}

// refusalTime is how long it takes at most from a head to its handler. A request without one was refused.
const refusalTime = time.Second

// sweep notes the requests from before a time that have had no handler; all of them if it is zero. The caller holds
// mu.
func (c *quicConn) sweep(before time.Time) {
	for stream, q := range c.requests {
		if !q.handled && (before.IsZero() || q.came.Before(before)) {
			delete(c.requests, stream)
			c.noteRefusal(q, http.StatusBadRequest, cmp.Or(q.wrong, "headers that break the rules of HTTP/3"))
		}
	}
}

// heads takes note of the head of an answer: without a handler it is quic-go that refuses.
func (c *quicConn) heads(stream quic.StreamID, fields []qlog.HeaderField) {
	c.mu.Lock()
	defer c.mu.Unlock()
	q := c.requests[stream]
	if q == nil || q.handled || len(fields) == 0 || fields[0].Value != "431" {
		return
	}
	delete(c.requests, stream)
	c.noteRefusal(q, http.StatusRequestHeaderFieldsTooLarge, largeHead)
}

// handles says that a handler has a request, until let go by forget.
func (c *quicConn) handles(stream quic.StreamID) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.begun++
	if q := c.requests[stream]; q != nil {
		q.handled = true
	}
}

func (c *quicConn) leaves(stream quic.StreamID) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.requests, stream)
	c.begun--
	c.rested = time.Now()
}

func (c *quicConn) noteRefusal(q *quicRequest, status int, reason string) {
	r := &http.Request{Method: cmp.Or(q.method, "-"), RequestURI: cmp.Or(q.target, "-"), Proto: "HTTP/3.0",
		RemoteAddr: c.quic.RemoteAddr().String()}
	c.port.server.web.NoteRefusal(r, status, 0, reason)
}
