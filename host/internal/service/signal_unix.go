//go:build unix

// Signals by their names.

package service

import "syscall"

// Signals are those that services may be sent, by their names; a name that is not here is none.
var Signals = map[string]syscall.Signal{"TERM": syscall.SIGTERM, "INT": syscall.SIGINT, "QUIT": syscall.SIGQUIT,
	"HUP": syscall.SIGHUP, "USR1": syscall.SIGUSR1, "USR2": syscall.SIGUSR2}
