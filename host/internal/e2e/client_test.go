// A client that retries nothing and hides nothing: net/http's would send a request again when a kept connection breaks.

package e2e

import (
	"bufio"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

// client is one connection. Its methods are for one goroutine; those that return errors may be used outside the test's own.
type client struct {
	net.Conn
	t *testing.T
	r *bufio.Reader
}

// answer is a whole response.
type answer struct {
	*http.Response
	text string
}

func (h *host) tryDial() (*client, error) {
	conn, err := net.DialTimeout("tcp", h.addr, 10*time.Second)
	if err != nil {
		return nil, err
	}
	return &client{conn, h.t, newReader(conn)}, nil
}

func (h *host) dial() *client {
	h.t.Helper()
	c, err := h.tryDial()
	if err != nil {
		h.t.Fatal(err)
	}
	h.t.Cleanup(func() { c.Close() })
	return c
}

func (c *client) sendf(format string, args ...any) {
	c.t.Helper()
	c.send(fmt.Sprintf(format, args...))
}

func (c *client) send(text string) {
	c.t.Helper()
	if _, err := io.WriteString(c, text); err != nil {
		c.t.Fatal(err)
	}
}

// try reads one response to a request of that method, without looking at its status.
func (c *client) try(method string) (answer, error) {
	resp, err := http.ReadResponse(c.r, &http.Request{Method: method})
	if err != nil {
		return answer{}, err
	}
	body, err := io.ReadAll(resp.Body)
	return answer{resp, string(body)}, err
}

func (c *client) answer(method string) answer {
	c.t.Helper()
	a, err := c.try(method)
	if err != nil {
		c.t.Fatalf("%s: %v", method, err)
	}
	return a
}

// ask sends a GET and expects 200.
func (c *client) ask(target string) (string, error) {
	if _, err := fmt.Fprintf(c, "GET %s HTTP/1.1\r\nHost: here\r\n\r\n", target); err != nil {
		return "", err
	}
	return c.ok("GET")
}

func (c *client) ok(method string) (string, error) {
	a, err := c.try(method)
	if err == nil && a.StatusCode != 200 {
		err = fmt.Errorf("%s: %s", a.Status, a.text)
	}
	return a.text, err
}

// closed says whether the host closes the connection, rather than leaving it open. It throws away what still comes.
func (c *client) closed() bool {
	c.SetReadDeadline(time.Now().Add(5 * time.Second))
	_, err := io.Copy(io.Discard, c.r)
	var timeout net.Error
	return !(errors.As(err, &timeout) && timeout.Timeout())
}

// body is n bytes that look like nothing else, and their SHA-256.
func body(n int) (text, sum string) {
	var b strings.Builder
	for i := 0; b.Len() < n; i++ {
		fmt.Fprintf(&b, "%08x.", i*2654435761)
	}
	text = b.String()[:n]
	return text, fmt.Sprintf("%x", sha256.Sum256([]byte(text)))
}

// chunked writes text as chunks of the size.
func chunked(w io.Writer, text string, size int) error {
	for len(text) > 0 {
		n := min(size, len(text))
		if _, err := fmt.Fprintf(w, "%x\r\n%s\r\n", n, text[:n]); err != nil {
			return err
		}
		text = text[n:]
	}
	_, err := io.WriteString(w, "0\r\n\r\n")
	return err
}

func newReader(conn net.Conn) *bufio.Reader {
	conn.SetDeadline(time.Now().Add(90 * time.Second))
	return bufio.NewReader(conn)
}
