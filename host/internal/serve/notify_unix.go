//go:build unix

// How a message to systemd carries descriptors.

package serve

import (
	"net"
	"os"

	"golang.org/x/sys/unix"
)

// sendWith sends a datagram with descriptors, which WriteMsgUnix does not do on a socket that is connected. They are
// not made blocking, as Fd would: that holds for whoever shares a socket.
func sendWith(conn *net.UnixConn, message string, files []*os.File) error {
	fds := make([]int, len(files))
	for i, f := range files {
		raw, err := f.SyscallConn()
		if err == nil {
			err = raw.Control(func(fd uintptr) { fds[i] = int(fd) })
		}
		if err != nil {
			return err
		}
	}
	raw, err := conn.SyscallConn()
	if err != nil {
		return err
	}
	waitErr := raw.Write(func(fd uintptr) bool {
		err = unix.Sendmsg(int(fd), []byte(message), unix.UnixRights(fds...), nil, 0)
		return err != unix.EAGAIN && err != unix.EINTR
	})
	if waitErr != nil {
		return waitErr
	}
	return os.NewSyscallError("sendmsg", err)
}
