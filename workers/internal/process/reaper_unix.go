//go:build unix

// The reaper leads a session of its own.

package process

import "syscall"

// reaperNeeded: nobody else ends what workers have started.
const reaperNeeded = true

// reaperGroup keeps the terminal's Ctrl-C away from the reaper.
func reaperGroup() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setsid: true} }
