// Servers under measurement end with the bench.

package main

import "syscall"

// diesWithUs has the kernel end a child process when this one is killed, so that no server outlives a bench.
func diesWithUs() *syscall.SysProcAttr { return &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM} }
