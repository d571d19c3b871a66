// Hanging up where it can be seen when the server has, too.

package fastcgi

import (
	"net"
	"time"

	"golang.org/x/sys/unix"
)

// lookAgain is how often it is looked whether a child that was told to give up has done so.
const lookAgain = 20 * time.Millisecond

// hangUp refuses what the server still says on a connection, which ends PHP's script at its next output unless it
// wishes otherwise, and returns when the server is done with the request, or when given up. asked is that the whole
// request was sent; if not, the server is told that no more comes. Then, and where the system can't tell when the
// server is done, it returns at once.
//
// PHP whose output was refused does not close the connection: it waits until we do, and reads meanwhile. So a second
// end of the body is sent, which nobody reads before that.
func hangUp(c net.Conn, asked bool, givenUp <-chan struct{}) {
	local, ok := c.(*net.UnixConn)
	if !ok || local.CloseRead() != nil || !asked {
		return
	}
	raw, err := local.SyscallConn()
	if err != nil {
		return
	}
	raw.Control(func(fd uintptr) { unix.Write(int(fd), appendEnd(nil, typeStdin)) }) // its buffer is full, or it fits
	tick := time.NewTicker(lookAgain)
	defer tick.Stop()
	for {
		over := false
		err := raw.Control(func(fd uintptr) {
			fds := []unix.PollFd{{Fd: int32(fd)}}
			_, e := unix.Poll(fds, 0)
			over = e != nil && e != unix.EINTR || fds[0].Revents&(unix.POLLHUP|unix.POLLERR|unix.POLLNVAL) != 0
			unread, e := unix.IoctlGetInt(int(fd), unix.SIOCOUTQ)
			over = over || e != nil || unread == 0
		})
		if over || err != nil {
			return
		}
		select {
		case <-tick.C:
		case <-givenUp:
			return
		}
	}
}
