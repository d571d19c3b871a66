// descriptors_linux.go keeps what the host inherited from whoever started it away from the workers.

package serve

import "golang.org/x/sys/unix"

// closeOnExec marks every open descriptor past stderr, so that no worker has it, who may run as another user: a shell,
// a deploy script or a supervisor often leaves some open. What a child is meant to have is passed to it by name. On a
// kernel before 5.11 nothing happens.
func closeOnExec() {
	_ = unix.CloseRange(3, 1<<31-1, unix.CLOSE_RANGE_CLOEXEC)
}
