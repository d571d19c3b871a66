// System calls that newer architectures do not have.

package process

import "golang.org/x/sys/unix"

// Calls that newer architectures do not have.
func init() {
	for number, call := range map[uintptr]systemCall{
		unix.SYS_OPEN: {"open", false}, unix.SYS_POLL: {"poll", false}, unix.SYS_SELECT: {"select", false},
		unix.SYS_EPOLL_WAIT: {"epoll_wait", true},
		unix.SYS_ACCEPT:     {"accept", true},
	} {
		calls[number] = call
	}
}
