// Who calls the control socket, as Darwin's kernel says.

package control

import (
	"errors"
	"net"

	"golang.org/x/sys/unix"
)

// peerOf is who opened the other end of a unix socket, as the kernel noted at that time.
func peerOf(c *net.UnixConn) (p peer, err error) {
	raw, err := c.SyscallConn()
	if err != nil {
		return p, err
	}
	var failed error
	err = raw.Control(func(fd uintptr) {
		var credentials *unix.Xucred
		if credentials, failed = unix.GetsockoptXucred(int(fd), unix.SOL_LOCAL, unix.LOCAL_PEERCRED); failed != nil {
			return
		}
		p = peer{uid: int(credentials.Uid), known: true}
		for _, g := range credentials.Groups[:min(int(credentials.Ngroups), len(credentials.Groups))] {
			p.groups = append(p.groups, int(g))
		}
		p.pid, _ = unix.GetsockoptInt(int(fd), unix.SOL_LOCAL, unix.LOCAL_PEERPID) // 0 if it can't be known
	})
	return p, errors.Join(err, failed)
}

// loginOf is not known here.
func loginOf(int) int { return -1 }
