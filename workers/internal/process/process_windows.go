// On Windows a worker and all that it starts are a job, which ends with us, whatever we die of. It can only be killed.

package process

import (
	"os"
	"syscall"
	"unsafe"

	"golang.org/x/sys/windows"
)

// processGroup keeps the console's Ctrl-C away from workers. They begin once they are in their job: what one had
// started before would be outside of it.
func processGroup() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{CreationFlags: windows.CREATE_NEW_PROCESS_GROUP | windows.CREATE_SUSPENDED}
}

// group is the only handle of a worker's job. The system kills what is in the job when that is closed, and it closes
// it if we die.
type group struct{ job windows.Handle }

// resume is NtResumeProcess: os.StartProcess keeps no handle of the thread that CREATE_SUSPENDED holds.
var resume = windows.NewLazySystemDLL("ntdll.dll").NewProc("NtResumeProcess")

// enclose puts a process that processGroup has held into a job, and lets it begin.
func enclose(p *os.Process) (g group, err error) {
	if g.job, err = windows.CreateJobObject(nil, nil); err != nil {
		return g, os.NewSyscallError("CreateJobObject", err)
	}
	defer func() {
		if err != nil {
			windows.CloseHandle(g.job)
		}
	}()
	limits := windows.JOBOBJECT_EXTENDED_LIMIT_INFORMATION{}
	limits.BasicLimitInformation.LimitFlags = windows.JOB_OBJECT_LIMIT_KILL_ON_JOB_CLOSE
	if _, err = windows.SetInformationJobObject(g.job, windows.JobObjectExtendedLimitInformation,
		uintptr(unsafe.Pointer(&limits)), uint32(unsafe.Sizeof(limits))); err != nil {
		return g, os.NewSyscallError("SetInformationJobObject", err)
	}
	var failed error
	err = p.WithHandle(func(process uintptr) {
		if err := windows.AssignProcessToJobObject(g.job, windows.Handle(process)); err != nil {
			failed = os.NewSyscallError("AssignProcessToJobObject", err)
		} else if status, _, _ := resume.Call(process); status != 0 {
			failed = os.NewSyscallError("NtResumeProcess", windows.NTStatus(status))
		}
	})
	if err == nil {
		err = failed
	}
	return g, err
}

func (g group) kill() { windows.TerminateJobObject(g.job, 1) } // an error means that nobody is left

// end is kill, for the last time.
func (g group) end() { windows.CloseHandle(g.job) }

func awaitExit(*os.Process) bool { return false }

func terminateGroup(p *os.Process) { p.Kill() } // there is no TERM; DRAIN and the end of input came before

func signalGroup(int, syscall.Signal) {}

func killGroup(int) {} // only a reaper knows groups by a number

func pipeUnread(*os.File) int { return -1 }
