// What stands between quic-go and package web: a request as net/http would have made it.

package listen

import (
	"errors"
	"io"
	"net/http"
	"runtime"
	"time"

	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/http3"
)

// ServeHTTP implements http.Handler, for all requests of the connection.
func (c *quicConn) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	stream := r.Body.(interface{ StreamID() quic.StreamID }).StreamID()
	c.handles(stream)
	defer c.leaves(stream)
	defer c.breaks()
	r.Proto = "HTTP/3.0" // quic-go has another one for an extended CONNECT
	c.read(w, r)
	c.port.server.web.Serve(w, r, c)
	if r.Method == http.MethodHead {
		http.NewResponseController(w).Flush() // else quic-go adds a Content-Length of 0
	}
}

// breaks tells of a handler that has broken down, and has quic-go reset its stream.
func (c *quicConn) breaks() {
	p := recover()
	if p == nil {
		return
	}
	if p != http.ErrAbortHandler {
		trace := make([]byte, 64<<10)
		trace = trace[:runtime.Stack(trace, false)]
		c.port.server.log.Error("a request's handler broke down: this is a mistake in the host", "error", p,
			"trace", string(trace))
	}
	panic(http.ErrAbortHandler)
}

// read makes the body what net/http would have made it. Whether there is one is only known when its first byte or its
// end has come, so of a request that needs none that is waited for.
func (c *quicConn) read(w http.ResponseWriter, r *http.Request) {
	b := &quicBody{ReadCloser: r.Body}
	r.Body = b
	if r.Header.Get("Expect") != "" && r.ContentLength != 0 {
		w.WriteHeader(http.StatusContinue) // quic-go leaves that to us
	}
	if r.ContentLength >= 0 || !needsNoBody(r.Method) {
		return
	}
	control := http.NewResponseController(w)
	if limit := c.port.server.web.Terms().Limits.ReadTimeout; limit > 0 {
		control.SetReadDeadline(time.Now().Add(limit))
	}
	var first [1]byte
	n, err := b.Read(first[:])
	control.SetReadDeadline(time.Time{})
	if n == 0 && err == io.EOF && len(r.Trailer) == 0 {
		r.Body, r.ContentLength = http.NoBody, 0
		return
	}
	b.first, b.err = first[:n], err
}

func needsNoBody(method string) bool {
	switch method {
	case http.MethodGet, http.MethodHead, http.MethodOptions, http.MethodTrace, http.MethodDelete:
		return true
	}
	return false
}

// quicBody says of a stream that has ended early what net/http says.
type quicBody struct {
	io.ReadCloser
	first []byte // what has been read already
	err   error  // what came with it, or behind it
}

// Read implements io.Reader. Frames without a byte are no sign of life.
func (b *quicBody) Read(p []byte) (n int, err error) {
	if len(b.first) > 0 {
		n = copy(p, b.first)
		b.first = b.first[n:]
		return n, nil
	}
	if b.err != nil {
		return 0, b.err
	}
	for n == 0 && err == nil && len(p) > 0 {
		n, err = b.ReadCloser.Read(p)
	}
	if broken(err) {
		err = io.ErrUnexpectedEOF
	}
	return n, err
}

// broken says whether the stream or its connection has ended, rather than that the client has misspelled its body.
func broken(err error) bool {
	var stream *http3.Error
	var system interface{ Timeout() bool }
	return errors.As(err, &stream) || errors.As(err, &system) && !system.Timeout()
}
