//go:build unix

package succession

import (
	"fmt"
	"syscall"
	"testing"
	"time"
)

// How long clients wait, with so many idle WebSockets, each in a group and with a session: from the moment that
// nothing happens any more until the next host has begun. Both hosts are in this process.
func BenchmarkTakeOver(b *testing.B) {
	for _, n := range []int{2000, 4000, 15000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			var limit syscall.Rlimit
			if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil || uint64(limit.Cur) < uint64(4*n) {
				b.Skipf("%d open files are too few", limit.Cur)
			}
			h := start(b, "h")
			for range n {
				c := h.webSocket("")
				c.expect("hello")
			}
			var paused, used time.Duration
			for i := range b.N {
				next := start(b, fmt.Sprint("h", i))
				before := cpu()
				s, pause := h.handTo(next)
				if s.Goes != n {
					b.Fatalf("%+v", s)
				}
				paused += pause
				used += cpu() - before
				h = next
			}
			b.ReportMetric(float64(paused.Microseconds())/1000/float64(b.N), "ms-paused/op")
			b.ReportMetric(float64(used.Microseconds())/1000/float64(b.N), "ms-cpu/op")
		})
	}
}

func cpu() time.Duration {
	var u syscall.Rusage
	syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
