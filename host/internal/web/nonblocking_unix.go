//go:build unix

// A named pipe among the files must not keep an open waiting.

package web

import "syscall"

// nonblocking keeps an open from waiting for the other end of a named pipe.
const nonblocking = syscall.O_NONBLOCK
