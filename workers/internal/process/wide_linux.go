// The size of a link's pipes.

package process

import (
	"bytes"
	"math"
	"os"
	"strconv"
	"sync"
	"sync/atomic"

	"golang.org/x/sys/unix"

	"github.com/workerhost/workerhost/protocol"
)

// wide is how many bytes the pipe of a link is to hold: a window of a body. The 64 KiB that it has by itself are less
// than one frame of the longest, so that each would take its writer and its reader two turns.
const wide = protocol.DefaultWindow

var (
	widened atomic.Int64 // bytes

	// mostWidened leaves the other half of what the kernel lets the pipes of a user hold who is not privileged: from
	// there on each new pipe of theirs would get two pages.
	mostWidened = sync.OnceValue(func() int64 {
		text, _ := os.ReadFile("/proc/sys/fs/pipe-user-pages-soft")
		pages, err := strconv.ParseInt(string(bytes.TrimSpace(text)), 10, 64)
		if err == nil && pages == 0 { // no limit
			return math.MaxInt64
		}
		return pages * int64(os.Getpagesize()) / 2
	})
)

// widen makes room in a worker's pipes where that may be, and returns what narrow is to be told once they are closed.
func widen(pipes ...*os.File) (bytes int64) {
	for _, p := range pipes {
		if widened.Add(wide) > mostWidened() {
			widened.Add(-wide)
			continue
		}
		raw, err := p.SyscallConn()
		if err == nil {
			raw.Control(func(fd uintptr) { _, err = unix.FcntlInt(fd, unix.F_SETPIPE_SZ, wide) })
		}
		if err != nil { // it works as it is
			widened.Add(-wide)
			continue
		}
		bytes += wide
	}
	return bytes
}

func narrow(bytes int64) { widened.Add(-bytes) }
