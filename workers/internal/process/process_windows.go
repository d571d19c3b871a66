// On Windows a worker can only be killed, and alone: what it has started goes on.

package process

import (
	"os"
	"syscall"
)

func processGroup() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{CreationFlags: syscall.CREATE_NEW_PROCESS_GROUP}
}

func awaitExit(*os.Process) bool { return false }

func terminateGroup(p *os.Process) { p.Kill() } // there is no TERM; DRAIN and the end of input came before

func killGroup(int) {}

func pipeUnread(*os.File) int { return -1 }
