//go:build !unix

// There are no signals here.

package service

import "syscall"

// Signals are those that services may be sent, by their names: none, and a process is ended without being asked.
var Signals map[string]syscall.Signal
