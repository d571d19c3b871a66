//go:build unix

package process

import "syscall"

// reaperGroup keeps the terminal's Ctrl-C away from the reaper.
func reaperGroup() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setsid: true} }
