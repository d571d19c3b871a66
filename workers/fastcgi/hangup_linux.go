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
// wishes otherwise, and returns when the server has closed it, and so is done with the request, or when given up.
// Where the system can't tell that, it returns at once.
func hangUp(c net.Conn, givenUp <-chan struct{}) {
	local, ok := c.(*net.UnixConn)
	if !ok || local.CloseRead() != nil {
		return
	}
	raw, err := local.SyscallConn()
	if err != nil {
		return
	}
	tick := time.NewTicker(lookAgain)
	defer tick.Stop()
	for {
		over := false
		err := raw.Control(func(fd uintptr) {
			fds := []unix.PollFd{{Fd: int32(fd)}}
			_, e := unix.Poll(fds, 0)
			over = e != nil && e != unix.EINTR || fds[0].Revents&(unix.POLLHUP|unix.POLLERR|unix.POLLNVAL) != 0
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
