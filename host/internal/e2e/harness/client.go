// A client that retries nothing and hides nothing: net/http's would send a request again when a kept connection
// breaks.

package harness

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

// Client is one connection. Its methods are for one goroutine; those that return errors may be used outside the test's
// own.
type Client struct {
	net.Conn
	T      *testing.T
	Reader *bufio.Reader
}

// Answer is a whole response.
type Answer struct {
	*http.Response
	Text string
}

// NewClient wraps a connection, and gives the whole of it 90 seconds.
func NewClient(t *testing.T, conn net.Conn) *Client {
	conn.SetDeadline(time.Now().Add(90 * time.Second))
	return &Client{conn, t, bufio.NewReader(conn)}
}

// TryDial connects to the host's first listener.
func (h *Host) TryDial() (*Client, error) {
	conn, err := net.DialTimeout("tcp", h.Addr, 10*time.Second)
	if err != nil {
		return nil, err
	}
	return NewClient(h.T, conn), nil
}

// Dial is TryDial that must succeed; the connection is closed at the test's end.
func (h *Host) Dial() *Client {
	h.T.Helper()
	c, err := h.TryDial()
	if err != nil {
		h.T.Fatal(err)
	}
	h.T.Cleanup(func() { c.Close() })
	return c
}

// Sendf sends formatted text.
func (c *Client) Sendf(format string, args ...any) {
	c.T.Helper()
	c.Send(fmt.Sprintf(format, args...))
}

// Send writes text to the host, which must take it.
func (c *Client) Send(text string) {
	c.T.Helper()
	if _, err := io.WriteString(c, text); err != nil {
		c.T.Fatal(err)
	}
}

// Try reads one response to a request of that method, without looking at its status.
func (c *Client) Try(method string) (Answer, error) {
	resp, err := http.ReadResponse(c.Reader, &http.Request{Method: method})
	if err != nil {
		return Answer{}, err
	}
	body, err := io.ReadAll(resp.Body)
	return Answer{resp, string(body)}, err
}

// Answer is Try that must succeed.
func (c *Client) Answer(method string) Answer {
	c.T.Helper()
	a, err := c.Try(method)
	if err != nil {
		c.T.Fatalf("%s: %v", method, err)
	}
	return a
}

// Ask sends a GET and expects 200.
func (c *Client) Ask(target string) (string, error) {
	if _, err := fmt.Fprintf(c, "GET %s HTTP/1.1\r\nHost: here\r\n\r\n", target); err != nil {
		return "", err
	}
	return c.OK("GET")
}

// OK reads one response to a request of that method and expects 200; it returns the body.
func (c *Client) OK(method string) (string, error) {
	a, err := c.Try(method)
	if err == nil && a.StatusCode != 200 {
		err = fmt.Errorf("%s: %s", a.Status, a.Text)
	}
	return a.Text, err
}

// Closed says whether the host closes the connection, rather than leaving it open. It throws away what still comes.
func (c *Client) Closed() bool {
	c.SetReadDeadline(time.Now().Add(5 * time.Second))
	_, err := io.Copy(io.Discard, c.Reader)
	var timeout net.Error
	return !(errors.As(err, &timeout) && timeout.Timeout())
}

// Body is n bytes that look like nothing else, and their SHA-256.
func Body(n int) (text, sum string) {
	var b strings.Builder
	for i := 0; b.Len() < n; i++ {
		fmt.Fprintf(&b, "%08x.", i*2654435761)
	}
	text = b.String()[:n]
	return text, fmt.Sprintf("%x", sha256.Sum256([]byte(text)))
}

// Chunked writes text as chunks of the size.
func Chunked(w io.Writer, text string, size int) error {
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

// Begin sends a request that the worker begins, and returns the connection and the worker's pid, which it leaves in a
// file.
func Begin(h *Host, dir, file, request string) (*Client, int) {
	h.T.Helper()
	c := h.Dial()
	c.Send(request)
	return c, AwaitPID(h.T, dir, file)
}
