// In which system call a process waits, as /proc says.

package process

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// KernelState tells what /proc says of the process, as "state S (sleeping), in read of descriptor 5 (pipe:[123])"; ""
// if it says nothing.
func (p *osProcess) KernelState() string { return kernelState(p.process.Pid) }

func kernelState(pid int) string {
	dir := "/proc/" + strconv.Itoa(pid)
	status, err := os.ReadFile(dir + "/status")
	if err != nil {
		return ""
	}
	text := "state unknown"
	for line := range bytes.Lines(status) {
		if state, ok := bytes.CutPrefix(line, []byte("State:")); ok {
			text = "state " + string(bytes.TrimSpace(state))
		}
	}
	if call := callAtHand(dir); call != "" {
		text += ", in " + call
	}
	if wchan, err := os.ReadFile(dir + "/wchan"); err == nil && len(wchan) > 1 { // "0" says nothing
		text += ", kernel function " + string(wchan)
	}
	return text
}

// callAtHand names the system call that the process waits in, and the descriptor where there is one. The file needs
// the right to trace the process.
func callAtHand(dir string) string {
	line, err := os.ReadFile(dir + "/syscall")
	if err != nil {
		return ""
	}
	fields := strings.Fields(string(line))
	if len(fields) < 2 {
		return "" // "running"
	}
	number, err := strconv.Atoi(fields[0])
	if err != nil || number < 0 {
		return "" // it is stopped, or handles a fault
	}
	call, known := calls[uintptr(number)]
	if !known {
		return fmt.Sprintf("system call %d", number)
	}
	if !call.ofDescriptor {
		return call.name
	}
	fd, err := strconv.ParseUint(strings.TrimPrefix(fields[1], "0x"), 16, 32)
	if err != nil {
		return call.name
	}
	target, err := os.Readlink(fmt.Sprintf("%s/fd/%d", dir, fd))
	if err != nil {
		target = "closed"
	}
	return fmt.Sprintf("%s of descriptor %d (%s)", call.name, fd, target)
}

type systemCall struct {
	name         string
	ofDescriptor bool // its first argument is one
}

// calls are those that a program can wait in for long.
var calls = map[uintptr]systemCall{
	unix.SYS_READ: {"read", true}, unix.SYS_READV: {"readv", true}, unix.SYS_PREAD64: {"pread64", true},
	unix.SYS_WRITE: {"write", true}, unix.SYS_WRITEV: {"writev", true}, unix.SYS_PWRITE64: {"pwrite64", true},
	unix.SYS_RECVFROM: {"recvfrom", true}, unix.SYS_RECVMSG: {"recvmsg", true}, unix.SYS_SENDTO: {"sendto", true},
	unix.SYS_SENDMSG: {"sendmsg", true},
	unix.SYS_CONNECT: {"connect", true}, unix.SYS_ACCEPT4: {"accept4", true}, unix.SYS_FLOCK: {"flock", true},
	unix.SYS_FCNTL: {"fcntl", true},
	unix.SYS_FSYNC: {"fsync", true}, unix.SYS_FDATASYNC: {"fdatasync", true}, unix.SYS_IOCTL: {"ioctl", true},
	unix.SYS_EPOLL_PWAIT: {"epoll_pwait", true}, unix.SYS_OPENAT: {"openat", false}, unix.SYS_PPOLL: {"ppoll", false},
	unix.SYS_PSELECT6: {"pselect6", false},
	unix.SYS_FUTEX:    {"futex", false}, unix.SYS_NANOSLEEP: {"nanosleep", false},
	unix.SYS_CLOCK_NANOSLEEP: {"clock_nanosleep", false},
	unix.SYS_WAIT4:           {"wait4", false}, unix.SYS_WAITID: {"waitid", false},
}
