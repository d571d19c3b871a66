//go:build !linux

// Only systemd asks for this clock, and it is Linux's.

package serve

// monotonicMicroseconds is for systemd, which is not here.
func monotonicMicroseconds() int64 { return 0 }
