//go:build unix

// A client that has sent its FIN and still waits is told from one that is gone.

package listen

import (
	"io"
	"syscall"

	"golang.org/x/sys/unix"
)

// awaitReset waits, after a client's FIN, until the socket is reset or closed, or until its read deadline, and returns
// that as an error.
func (c *client) awaitReset() error {
	socket, ok := c.Conn.(syscall.Conn)
	if !ok {
		return io.EOF
	}
	raw, err := socket.SyscallConn()
	if err != nil {
		return err
	}
	why := 0
	err = raw.Read(func(fd uintptr) bool { // is asked again whenever something has happened to the socket
		why, _ = unix.GetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_ERROR)
		return why != 0
	})
	if err == nil {
		err = syscall.Errno(why)
	}
	return err
}
