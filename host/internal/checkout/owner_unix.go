//go:build unix

// Who owns a file.

package checkout

import (
	"os"
	"syscall"
)

// nonblocking keeps an open from waiting for the other end of a named pipe.
const nonblocking = syscall.O_NONBLOCK

func ownerOf(info os.FileInfo) int {
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		return int(st.Uid)
	}
	return -1
}
