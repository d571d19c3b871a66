// One request over one connection: parameters and body go out, a head and a body come back.

package fastcgi

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"

	sdk "github.com/workerhost/workerhost/sdk-go"
)

// What becomes of a call.
var (
	errNoServer   = errors.New("the FastCGI server can't be reached")           // nothing was asked of it
	errOverloaded = errors.New("the FastCGI server says that it is overloaded") // likewise
	errMute       = errors.New("the FastCGI server ended the request without a word")
	errCut        = errors.New("the FastCGI server broke off its response")
)

// call is a request under way. It belongs to the goroutine of its handler.
type call struct {
	a       *adapter
	w       http.ResponseWriter
	r       *http.Request
	conn    *conn
	said    messages
	pending []byte // of a head that is not whole
	status  int    // 0 until it is
	bare    bool   // the response has no body that could be written
	length  int64  // what its Content-Length leaves of it; -1: it has none
	surplus bool   // it said more than that
}

// do makes the call. fresh is that it takes no kept connection and keeps none. The error is one of those above, a
// [brokenError], or that of the request's context.
func (c *call) do(found answer, fresh bool) error {
	ctx := c.r.Context()
	got, _, err := c.a.client.get(ctx, fresh)
	if err != nil {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		return fmt.Errorf("%w: %w", errNoServer, err)
	}
	c.conn, c.said = got, messages{log: c.a.log, ctx: ctx, said: c.a.said}
	defer c.said.tell()
	left := context.AfterFunc(ctx, func() { got.SetDeadline(time.Unix(1, 0)) }) // wakes whoever waits for it
	body := c.r.ContentLength > 0
	out, err := c.a.site.appendParams(appendRequest(got.out[:0], !fresh), c.r, found, c.a.software)
	if err != nil {
		left()
		got.Close()
		return err
	}
	if !body {
		out = appendEnd(out, typeStdin)
	}
	got.out = out
	_, written := got.Write(out) // what the server makes of the failure is read below
	whole := written == nil      // the request was sent to its end
	var sent chan bool           // says that of one with a body; nil: it has said so, or there is none
	if body && whole {
		whole, sent = false, make(chan bool, 1)
		// ends with the body, or with the connection and the body, which are closed below
		go func() { sent <- sendBody(got, c.r.Body) }()
	}
	err = c.receive()
	if stayed := left(); err == nil && stayed && !fresh && written == nil && !got.records.more() {
		c.a.client.put(got)
		return nil
	}
	if ctx.Err() != nil {
		select {
		case whole = <-sent:
			sent = nil
		default:
		}
		hangUp(got.Conn, whole, c.a.over)
		err = context.Cause(ctx)
	}
	got.Close()
	c.r.Body.Close()
	if sent != nil {
		<-sent
	}
	return err
}

// sendBody sends a request's body as it comes, and says whether all of it was sent. What fails shows in the answer.
func sendBody(to io.Writer, body io.Reader) bool {
	b := make([]byte, headerSize+32<<10)
	for {
		n, err := body.Read(b[headerSize:])
		if n > 0 {
			appendHeader(b[:0], typeStdin, n)
			if _, e := to.Write(b[:headerSize+n]); e != nil {
				return false
			}
		}
		if err == io.EOF {
			_, e := to.Write(appendEnd(nil, typeStdin))
			return e == nil
		}
		if err != nil {
			return false
		}
	}
}

// receive reads records until the request is over, and hands on what they have for the client.
func (c *call) receive() error {
	for {
		kind, content, err := c.conn.records.next()
		var broken *brokenError
		switch {
		case errors.As(err, &broken):
			return err
		case err != nil && c.status == 0:
			return fmt.Errorf("%w: %w", errMute, err)
		case err != nil:
			return fmt.Errorf("%w: %w", errCut, err)
		}
		switch kind {
		case typeStdout:
			if err := c.take(content); err != nil {
				return err
			}
		case typeStderr:
			c.said.write(content)
		case typeEnd:
			return c.end(content)
		}
	}
}

// take hands a piece of the response on.
func (c *call) take(content []byte) error {
	if c.status == 0 {
		before := len(c.pending)
		if before+len(content) > maxHead+maxContent {
			return &brokenError{fmt.Sprintf("the head of its response is longer than %d bytes", maxHead)}
		}
		c.pending = append(c.pending, content...)
		i := endOfHead(c.pending, before)
		if i < 0 {
			return nil
		}
		var err error
		if c.status, err = parseHead(c.pending[:i], c.w.Header()); err != nil {
			return &brokenError{err.Error()}
		}
		content = c.pending[i:]
		c.takeHead(c.w.Header())
	}
	if c.length >= 0 && int64(len(content)) > c.length && !c.bare {
		if !c.surplus {
			c.a.log.WarnContext(c.r.Context(), "PHP said more than its Content-Length: the rest is dropped")
		}
		c.surplus, content = true, content[:c.length]
	}
	if len(content) > 0 && !c.bare {
		c.length -= int64(len(content)) // or is below zero, and stays there
		if _, err := c.w.Write(content); err != nil {
			return fmt.Errorf("%w: %w", errCut, err)
		}
	}
	if !c.conn.records.more() {
		return http.NewResponseController(c.w).Flush() // it waits for more, perhaps for long: the client need not
	}
	return nil
}

// takeHead gives the client the head of its response, or has the host send a file in place of the body.
func (c *call) takeHead(header http.Header) {
	c.length = -1
	if values := header["Content-Length"]; len(values) == 1 {
		if n, err := strconv.ParseUint(values[0], 10, 63); err == nil {
			c.length = int64(n)
		}
	}
	file := c.a.site.fileToSend(header)
	c.bare = file != "" || c.status == http.StatusNoContent || c.status == http.StatusNotModified
	c.w.WriteHeader(c.status)
	if file != "" {
		sdk.ServeFile(c.w, c.r, file)
	}
}

// end is the server's word that it is done.
func (c *call) end(content []byte) error {
	if len(content) < 8 {
		return &brokenError{"its END_REQUEST is too short"}
	}
	switch status := content[4]; {
	case status == 2 && c.status == 0 && len(c.pending) == 0:
		return errOverloaded
	case status != 0:
		return &brokenError{fmt.Sprintf("it refused the request with protocol status %d", status)}
	case c.status == 0 && len(c.pending) == 0:
		return &brokenError{"it ended the request without a response"}
	case c.status == 0:
		return &brokenError{fmt.Sprintf("it ended the request within the head of its response: %.200q", c.pending)}
	}
	return nil
}
