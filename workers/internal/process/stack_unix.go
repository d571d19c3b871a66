//go:build unix

// How a worker is asked where its code stands (SPEC.md §8.4).

package process

import "syscall"

// AskBacktrace sends SIGUSR2 to the process that READY named, if that is the worker's own process or one of its group:
// in a container the number may be that of somebody else.
func (p *osProcess) AskBacktrace(pid int) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.ended || pid < 2 {
		return false
	}
	if group, err := syscall.Getpgid(pid); err != nil || group != p.process.Pid {
		return false
	}
	return syscall.Kill(pid, syscall.SIGUSR2) == nil
}
