// A client that closes its sending half after its request (shutdown, nc -N) still reads: TCP says so with a FIN, and
// so does it of a client that has gone. Only what is written to one that has gone tells, by a RST. So a FIN that comes
// with the request, or within halfCloseTime, says that no other request will follow, and the client gets its response;
// one that comes later is that of somebody who did not want to wait, whose request leaves the queue.

package listen

import (
	"io"
	"time"

	"github.com/workerhost/workerhost/host/internal/lane"
)

const halfCloseTime = lane.HalfCloseTime

// readHalf reads, but for net/http's watch of a client whose request is at hand: a FIN is not passed on to it as long
// as the response may be awaited, since net/http takes it for a client that has left.
func (c *strictConn) readHalf(p []byte) (int, error) {
	if !c.watched(p) {
		return c.readOn(p)
	}
	began := time.Now()
	n, err := c.readOn(p)
	if err == io.EOF && time.Since(began) < halfCloseTime {
		err = c.below().awaitReset()
	}
	return n, err
}

// watched says whether it is net/http's watch that reads to p: one byte, where it reads bodies and heads by the
// buffer. HTTP/2 is read otherwise.
func (c *strictConn) watched(p []byte) bool {
	return len(p) == 1 && c.serving.Load() && c.scan.prefaced == 0 && c.scan.frames == nil
}

// readOn reads. Over TLS an end may come together with the last bytes; it comes again, when those have been looked at.
func (c *strictConn) readOn(p []byte) (int, error) {
	if n := copy(p, c.replay); n > 0 {
		if c.replay = c.replay[n:]; len(c.replay) == 0 {
			c.replay = nil
		}
		return n, nil
	}
	for {
		if c.vacant() {
			c.vacates = true
			return 0, io.EOF
		}
		n, err := c.Conn.Read(p)
		if n > 0 {
			return n, nil
		}
		if !c.roused(err) {
			return 0, err
		}
	}
}
