// A request's body: what DATA brought and the handler has not read yet, at most a window of it (SPEC.md §5.5, §6).

package sdk

import (
	"bytes"
	"fmt"
	"io"
	"net/http"

	"github.com/workerhost/workerhost/protocol"
)

// requestBody is the handler's io.ReadCloser. The stream's mu guards all of it but empty and request.
type requestBody struct {
	s       *stream
	empty   bool          // there is no body at all
	request *http.Request // gets the trailers; set before the handler runs, used by its reads

	buf       bytes.Buffer
	uncounted int // bytes of buf that came in REQUEST, outside the window
	allowance protocol.Allowance
	ended     bool
	trailers  []string
	closed    bool
	readBy    deadline
}

// open takes what REQUEST holds of the body.
func (b *requestBody) open(s *stream, m *protocol.Request) {
	b.s = s
	b.ended = m.Flags&protocol.FlagEnd != 0
	b.empty = b.ended && len(m.Body) == 0
	b.uncounted = len(m.Body)
	if len(m.Body) > 0 {
		b.buf.Write(m.Body)
	}
	b.allowance = protocol.NewAllowance(protocol.DefaultWindow)
}

// reopen has DATA come after the end of the body: what the client says over a hijacked connection.
func (b *requestBody) reopen() {
	b.s.mu.Lock()
	defer b.s.mu.Unlock()
	b.ended = false
}

// receive takes a DATA. It is called by the reader; an error is a link error.
func (b *requestBody) receive(m *protocol.Data) error {
	b.s.mu.Lock()
	defer b.s.mu.Unlock()
	if b.ended {
		want := fmt.Sprintf("no DATA after END on stream %d", m.Stream)
		return &protocol.LinkError{Expected: want, Got: "more of it", Section: "4.6"}
	}
	if err := b.allowance.Receive(m.Stream, len(m.Bytes)); err != nil {
		return err
	}
	b.ended = m.Flags&protocol.FlagEnd != 0
	b.trailers = m.Trailers
	if !b.closed && b.s.err == nil {
		b.buf.Write(m.Bytes)
	}
	b.s.changed.Broadcast()
	return nil
}

// Read waits for the client. It fails with the cause of the context's end, at the read deadline, and after Close.
func (b *requestBody) Read(p []byte) (int, error) {
	n, grant, trailers, err := b.take(p)
	if grant > 0 {
		// a broken pipe ends the link, and with it this stream
		_ = b.s.link.send(&protocol.Window{Stream: b.s.id, Bytes: grant})
	}
	if trailers != nil {
		have := &b.request.Trailer
		if *have == nil {
			*have = make(http.Header)
		}
		for name, values := range header(trailers) {
			(*have)[name] = values
		}
	}
	return n, err
}

// take is Read under the lock: what is left to do without it is to grant and to hand out trailers.
func (b *requestBody) take(p []byte) (n, grant int, trailers []string, err error) {
	b.s.mu.Lock()
	defer b.s.mu.Unlock()
	for {
		switch err := b.readBy.exceeded(b.s.err); {
		case b.closed:
			return 0, 0, nil, http.ErrBodyReadAfterClose
		case err != nil:
			return 0, 0, nil, err
		case len(p) == 0:
			return 0, 0, nil, nil
		case b.buf.Len() > 0:
			n, _ = b.buf.Read(p)
			free := min(n, b.uncounted)
			b.uncounted -= free
			if !b.ended {
				grant = b.allowance.Release(n - free)
			}
			return n, grant, nil, nil
		case b.ended:
			trailers, b.trailers = b.trailers, nil
			return 0, 0, trailers, io.EOF
		case b.s.deaf:
			return 0, 0, nil, ErrHostGone
		}
		b.s.changed.Wait()
	}
}

// Close gives up the rest of the body; the host sends no more than the window that it has.
func (b *requestBody) Close() error {
	b.s.mu.Lock()
	defer b.s.mu.Unlock()
	b.closed = true
	b.buf = bytes.Buffer{}
	b.s.changed.Broadcast()
	return nil
}

// shut is Close when the handler has returned.
func (b *requestBody) shut() {
	_ = b.Close() // it can't fail
	b.s.mu.Lock()
	defer b.s.mu.Unlock()
	b.readBy.stop()
}
