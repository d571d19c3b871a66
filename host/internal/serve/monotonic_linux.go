// The clock that systemd compares messages by.

package serve

import "golang.org/x/sys/unix"

// monotonicMicroseconds is CLOCK_MONOTONIC, by which systemd tells an old message from a new one.
func monotonicMicroseconds() int64 {
	var t unix.Timespec
	if unix.ClockGettime(unix.CLOCK_MONOTONIC, &t) != nil {
		return 0
	}
	return t.Nano() / 1000
}
