// Responses that are written while they come, by a goroutine of their request's that waits for the client.

package lane

import (
	"errors"
	"os"
	"runtime"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/workerhost/workerhost/host/internal/loop"
)

// slice is how much of a file is sent at once: whoever has the disk, or a client that takes all, lets others have
// their turn after it.
const slice = 256 << 10

// readers is how many files may be read at once. A disk that is slow holds a thread for each.
const readers = 64

var errLeft = errors.New("the client has left")

// room is for a goroutine that waits until the client has taken something. It is guarded by the connection's lock.
type room struct {
	sync.Cond      // over that lock
	some      bool // there is some, as far as is known
	lent      bool // the descriptor is in use without the lock, and closed by its user if the connection is
}

// opened has the goroutine look again.
func (r *room) opened() {
	if r != nil {
		r.some = true
		r.Broadcast()
	}
}

// Send implements web.Seat.
func (c *Conn) Send(parts ...[]byte) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.send(parts, 0)
}

func (c *Conn) send(parts [][]byte, flags int) error {
	for c.enter() {
		for len(parts) > 0 && len(parts[0]) == 0 {
			parts = parts[1:]
		}
		if len(parts) == 0 {
			return nil
		}
		n, err := 0, error(nil)
		if len(parts) == 1 && flags == 0 {
			n, err = loop.Write(c.fd, parts[0])
		} else {
			n, err = unix.SendmsgBuffers(c.fd, parts, nil, nil, flags)
		}
		if err != nil && !c.wait(err) {
			return err
		}
		c.took(n)
		for i := range parts {
			k := min(max(n, 0), len(parts[i]))
			parts[i], n = parts[i][k:], n-k
		}
	}
	return errLeft
}

// SendFile implements web.Seat. A file's slices are sent without the lock, since the disk may keep them waiting.
func (c *Conn) SendFile(head []byte, file *os.File, n int64) (sent int64, err error) {
	raw, err := file.SyscallConn()
	if err != nil {
		return 0, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.send([][]byte{head}, unix.MSG_MORE); err != nil {
		return 0, err
	}
	for sent < n {
		if !c.enter() {
			return sent, errLeft
		}
		fd, k := c.fd, 0
		c.room.lent = true
		c.mu.Unlock()
		c.lane.readers <- struct{}{}
		raw.Control(func(from uintptr) {
			k, err = unix.Sendfile(fd, int(from), nil, int(min(n-sent, slice)))
		})
		<-c.lane.readers
		runtime.Gosched()
		c.mu.Lock()
		c.room.lent = false
		if c.phase == gone {
			c.shut(fd)
			return sent, errLeft
		}
		switch {
		case err != nil && sent == 0 && (errors.Is(err, unix.EINVAL) || errors.Is(err, unix.ENOSYS)):
			return 0, errors.ErrUnsupported
		case err != nil && !c.wait(err):
			return sent, err
		case err == nil && k == 0:
			return sent, nil
		}
		c.took(k)
		sent += int64(max(k, 0))
	}
	return sent, nil
}

// enter says whether the client is still there, to be written to. What the loop tells from now on counts.
func (c *Conn) enter() bool {
	if c.pending == nil {
		return false
	}
	if c.room == nil {
		c.room = new(room)
		c.room.L = &c.mu
	}
	c.room.some = false
	return true
}

// wait waits after an error that says that there is no room, until there is, or the client has left. It says false if
// the error is another.
func (c *Conn) wait(err error) bool {
	if errors.Is(err, unix.EINTR) {
		return true
	}
	if !errors.Is(err, unix.EAGAIN) {
		return false
	}
	c.watch()
	for !c.room.some && c.phase != gone {
		c.room.Wait()
	}
	c.deadline = time.Time{}
	return true
}
