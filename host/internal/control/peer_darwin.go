package control

import (
	"net"

	"golang.org/x/sys/unix"
)

// peerUser is who opened the other end of a unix socket. known is false where the system can't tell.
func peerUser(c *net.UnixConn) (uid int, known bool, err error) {
	raw, err := c.SyscallConn()
	if err != nil {
		return 0, true, err
	}
	var credentials *unix.Xucred
	var failed error
	err = raw.Control(func(fd uintptr) {
		credentials, failed = unix.GetsockoptXucred(int(fd), unix.SOL_LOCAL, unix.LOCAL_PEERCRED)
	})
	if err == nil {
		err = failed
	}
	if err != nil {
		return 0, true, err
	}
	return int(credentials.Uid), true, nil
}
