//go:build unix && !linux

// Process groups and exits on Unix systems other than Linux.

package process

import (
	"os"
	"syscall"
)

func processGroup() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }

// awaitExit can't look without reaping here: the group is killed right after the reaping instead.
func awaitExit(*os.Process) bool { return false }

func pipeUnread(*os.File) int { return -1 }
