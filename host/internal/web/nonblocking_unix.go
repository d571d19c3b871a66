//go:build unix

package web

import "syscall"

// nonblocking keeps an open from waiting for the other end of a named pipe.
const nonblocking = syscall.O_NONBLOCK
