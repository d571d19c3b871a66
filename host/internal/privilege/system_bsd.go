//go:build unix && !linux

// The system calls of [Become] on Unix systems other than Linux.

package privilege

import "syscall"

func setUID(id int) error { return syscall.Setuid(id) } // as root it sets all three

func setGID(id int) error { return syscall.Setgid(id) }

// dieWithParent has nothing to ask for here: the reaper sees to it.
func dieWithParent() error { return nil }

func setLimit(resource int, value int64) error {
	var both syscall.Rlimit
	set(&both.Cur, value) // some systems count in signed numbers
	set(&both.Max, value)
	return syscall.Setrlimit(resource, &both)
}

func set[T int64 | uint64](field *T, value int64) { *field = T(value) }
