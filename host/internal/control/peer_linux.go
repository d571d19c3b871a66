// Who calls the control socket, as Linux's kernel says.

package control

import (
	"errors"
	"net"
	"os"
	"strconv"
	"strings"
	"unsafe"

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
		var credentials *unix.Ucred
		if credentials, failed = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED); failed != nil {
			return
		}
		p = peer{uid: int(credentials.Uid), pid: int(credentials.Pid), groups: []int{int(credentials.Gid)},
			known: true}
		p.groups = append(p.groups, peerGroups(fd)...)
	})
	return p, errors.Join(err, failed)
}

// peerGroups are the supplementary groups; none where the kernel is older than 4.13.
func peerGroups(fd uintptr) (groups []int) {
	buffer := make([]uint32, 64)
	for {
		size := uint32(4 * len(buffer))
		_, _, errno := unix.Syscall6(unix.SYS_GETSOCKOPT, fd, unix.SOL_SOCKET, unix.SO_PEERGROUPS,
			uintptr(unsafe.Pointer(&buffer[0])), uintptr(unsafe.Pointer(&size)), 0)
		switch {
		case errno == unix.ERANGE && int(size) > 4*len(buffer):
			buffer = make([]uint32, size/4)
			continue
		case errno != 0:
			return nil
		}
		for _, g := range buffer[:size/4] {
			groups = append(groups, int(g))
		}
		return groups
	}
}

// loginOf is the user who logged in to what became the process, which no sudo changes; -1 if there is none.
func loginOf(pid int) int {
	data, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/loginuid")
	if err != nil {
		return -1
	}
	uid, err := strconv.ParseUint(strings.TrimSpace(string(data)), 10, 32)
	if err != nil || uid == 1<<32-1 {
		return -1
	}
	return int(uid)
}
