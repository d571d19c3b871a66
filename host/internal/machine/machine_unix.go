//go:build unix

// How many files a Unix process may have open.

package machine

import "syscall"

// FileLimit is the number of open files that the user may have. Go has raised the soft limit to the hard one.
func FileLimit() (uint64, bool) {
	var limit syscall.Rlimit
	err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit)
	return uint64(limit.Cur), err == nil
}
