// Connections to a FastCGI server. Those over which only requests without a body went may be kept: whoever is
// behind one is then waiting for the next request of ours alone.

package fastcgi

import (
	"context"
	"net"
	"strings"
	"sync"
	"time"

	"github.com/workerhost/workerhost/protocol"
)

// Address is where a FastCGI server listens.
type Address struct{ Network, Name string }

// AddressOf reads "unix:/path" or "host:port".
func AddressOf(s string) Address {
	if path, ok := strings.CutPrefix(s, "unix:"); ok {
		return Address{"unix", path}
	}
	return Address{"tcp", s}
}

// String writes the address as AddressOf reads it.
func (a Address) String() string {
	if a.Network == "unix" {
		return "unix:" + a.Name
	}
	return a.Name
}

// client has the connections to one server. Its methods are safe for concurrent use.
type client struct {
	address Address

	mu     sync.Mutex
	kept   []*conn // those nobody uses, the latest last; guarded by mu
	closed bool    // guarded by mu
}

// conn is a connection that one request has at a time.
type conn struct {
	net.Conn
	pipe    protocol.Pipe // the same, to be read and written
	records *records
	out     []byte // memory for requests
}

// Write implements [io.Writer].
func (c *conn) Write(b []byte) (n int, err error) {
	if n, err = c.pipe.TryWrite(b); err == nil && n < len(b) {
		more := 0
		more, err = c.Conn.Write(b[n:])
		n += more
	}
	return n, err
}

const dialTimeout = 5 * time.Second

// get gives a kept connection that still stands, or with fresh, or where there is none, a new one. The server may have
// a process for each connection: so where a new one is made, one that is kept gives way.
func (c *client) get(ctx context.Context, fresh bool) (got *conn, kept bool, err error) {
	for {
		c.mu.Lock()
		last := len(c.kept) - 1
		if last < 0 {
			c.mu.Unlock()
			break
		}
		got = c.kept[last]
		c.kept = c.kept[:last]
		c.mu.Unlock()
		if !fresh && got.pipe.Silent() { // where that can't be known, none is used twice
			return got, true, nil
		}
		if got.Close(); fresh {
			break
		}
	}
	made, err := (&net.Dialer{Timeout: dialTimeout}).DialContext(ctx, c.address.Network, c.address.Name)
	if err != nil {
		return nil, false, err
	}
	pipe := protocol.Pipe{File: made.(protocol.File)}
	return &conn{Conn: made, pipe: pipe, records: newRecords(pipe), out: make([]byte, 0, 1<<10)}, false, nil
}

// put keeps a connection for the next request.
func (c *client) put(used *conn) {
	if cap(used.out) > maxContent {
		used.out = nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		used.Close()
		return
	}
	c.kept = append(c.kept, used)
}

// close ends the kept connections, now and later.
func (c *client) close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closed = true
	for _, k := range c.kept {
		k.Close()
	}
	c.kept = nil
}
