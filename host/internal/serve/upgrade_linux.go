// The processes of an upgrade, and who may have put a program where it is.

package serve

import (
	"fmt"
	"io/fs"
	"os"
	"os/signal"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/workerhost/workerhost/host/internal/handover"
	"golang.org/x/sys/unix"
)

// upgradable says why this system has no upgrades.
func upgradable() error { return nil }

// startHost starts the program as this one was started, with its end of the link, and of the keeper's socket if there
// is one. ended is closed when the process has ended; it is reaped by whoever gives it up.
func startHost(binary string, environ []string, link *os.File, above *keeper) (pid int, ended <-chan struct{},
	err error) {
	attr := &os.ProcAttr{
		Files: []*os.File{os.Stdin, os.Stdout, os.Stderr, link}, Env: append(environ, handover.Variable+"=3"),
		// A group of its own: a terminal's signals come by way of the process that was started there.
		Sys: &syscall.SysProcAttr{Setpgid: true},
	}
	if above != nil {
		attr.Files, attr.Env = append(attr.Files, above.theirs), append(attr.Env, keeperVariable+"=4")
	}
	p, err := os.StartProcess(binary, append([]string{os.Args[0]}, os.Args[1:]...), attr)
	if err != nil {
		return 0, nil, err
	}
	pid = p.Pid
	p.Release()
	gone := make(chan struct{})
	go func() { // ends with the process, or with this program
		defer close(gone)
		for unix.Waitid(unix.P_PID, pid, nil, unix.WEXITED|unix.WNOWAIT, nil) == unix.EINTR {
		}
	}()
	return pid, gone, nil
}

// discardTime is what a host that is given up gets to end its workers.
const discardTime = 10 * time.Second

// discard ends a host that has not taken over, and waits for that.
func (n *next) discard() {
	n.link.Close()
	unix.Kill(n.pid, unix.SIGTERM)
	select {
	case <-n.ended:
	case <-time.After(discardTime):
		unix.Kill(n.pid, unix.SIGKILL) // its reaper ends its workers
		<-n.ended
	}
	for {
		if _, err := unix.Wait4(n.pid, nil, 0, nil); err != unix.EINTR {
			break
		}
	}
	<-n.closed
	n.keeper.close()
}

// passSignals has the host that serves get the signals that come to this one, from now on.
func (n *next) passSignals() {
	incoming := make(chan os.Signal, 16)
	signal.Notify(incoming, passedOn...)
	quit, done := make(chan struct{}), make(chan struct{})
	n.signals = sync.OnceValue(func() <-chan os.Signal {
		close(quit)
		<-done
		return incoming
	})
	go func() { // ends when somebody else wants them, or with the program
		defer close(done)
		for {
			select {
			case s := <-incoming:
				unix.Kill(n.keeper.serving(n.pid), s.(syscall.Signal))
			case <-quit:
				return
			}
		}
	}()
}

func (n *next) signalStop() { unix.Kill(n.pid, unix.SIGTERM) }

// rootsAlone says why somebody else than root can change what is at the path: a program, or a folder on the way to it.
func rootsAlone(path string, info fs.FileInfo) error {
	st := info.Sys().(*syscall.Stat_t)
	sticky := info.IsDir() && info.Mode()&fs.ModeSticky != 0 // what is in it can't be replaced by others
	switch {
	case !info.IsDir() && !info.Mode().IsRegular():
		return fmt.Errorf("--binary: %s is no file", path)
	case st.Uid != 0:
		return fmt.Errorf("--binary: %s does not belong to root, but to user %d, who could have it do anything; "+
			"without --binary a host is replaced by its own program as it is on disk now", path, st.Uid)
	case info.Mode().Perm()&0o022 != 0 && !sticky:
		return fmt.Errorf("--binary: others than root can write to %s: chmod go-w it", path)
	}
	return nil
}

// keeperVariable has the number of a descriptor by which a host tells who serves from now on, to a process that waits
// for whoever does.
const keeperVariable = "WORKERHOST_KEEPER"

// keeper is a socket pair: by one end a process that must not change its pid, since somebody waits for it, learns
// which host serves; the hosts have the other one, and learn by it that this process has gone. nil is none.
type keeper struct {
	ours   *os.File // nil in the hosts
	theirs *os.File
	pid    int    // that was said last; 0: nothing was
	said   string // half a line
}

func newKeeper() (*keeper, error) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, os.NewSyscallError("socketpair", err)
	}
	k := &keeper{ours: os.NewFile(uintptr(fds[0]), "keeper"), theirs: os.NewFile(uintptr(fds[1]), "keeper")}
	return k, nil
}

// theKeeper is the one that the environment names; nil if there is none. Children don't get the variable.
func theKeeper() *keeper {
	var fd int
	_, err := fmt.Sscan(os.Getenv(keeperVariable), &fd)
	os.Unsetenv(keeperVariable)
	if err != nil || fd < 3 {
		return nil
	}
	unix.CloseOnExec(fd)
	return &keeper{theirs: os.NewFile(uintptr(fd), "keeper")}
}

// watch calls gone when the keeper has ended: what it keeps must not outlive it.
func (k *keeper) watch(gone func()) {
	if k == nil {
		return
	}
	go func() { // ends with the keeper, or with this program
		if n, _ := k.theirs.Read(make([]byte, 1)); n == 0 {
			gone()
		}
	}()
}

// serves tells it which host serves from now on.
func (k *keeper) serves(pid int) {
	if k != nil {
		fmt.Fprintf(k.theirs, "%d\n", pid)
	}
}

func (k *keeper) closeTheirs() {
	if k != nil && k.theirs != nil {
		k.theirs.Close()
	}
}

func (k *keeper) close() {
	if k != nil {
		k.closeTheirs()
		k.ours.Close()
	}
}

// serving is the pid of the host that serves: that of first, or of one after it. One goroutine at a time asks.
func (k *keeper) serving(first int) int {
	if k == nil {
		return first
	}
	if k.pid == 0 {
		k.pid = first
	}
	b := make([]byte, 256)
	for {
		n, _, err := unix.Recvfrom(int(k.ours.Fd()), b, unix.MSG_DONTWAIT)
		if err != nil || n <= 0 {
			return k.pid
		}
		k.said += string(b[:n])
		for line, rest, whole := strings.Cut(k.said, "\n"); whole; line, rest, whole = strings.Cut(k.said, "\n") {
			fmt.Sscan(line, &k.pid)
			k.said = rest
		}
	}
}

// adopt has this process be the parent of whatever those below it leave behind: a host that another one has replaced.
func (k *keeper) adopt() error {
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil { // process 1 is one anyway
		return fmt.Errorf("orphans can't be adopted: %w", err)
	}
	return nil
}

// keep waits for the host that serves, whichever it is, passes on to it the signals that come, and returns its status.
// It takes every exit of a child.
func (k *keeper) keep(pid int, incoming <-chan os.Signal) (status int, err error) {
	exits := make(chan os.Signal, 1)
	signal.Notify(exits, unix.SIGCHLD)
	exits <- unix.SIGCHLD // those from before
	for {
		select {
		case s := <-incoming:
			unix.Kill(k.serving(pid), s.(syscall.Signal))
			continue
		case <-exits:
		}
		for {
			var how unix.WaitStatus
			ended, err := unix.Wait4(-1, &how, unix.WNOHANG, nil)
			switch {
			case err == unix.EINTR:
				continue
			case err != nil: // ECHILD as well
				return 0, fmt.Errorf("the exit of the host that serves was lost: %w", err)
			}
			if ended == 0 {
				break
			}
			if ended == k.serving(pid) {
				if how.Signaled() {
					return 128 + int(how.Signal()), nil
				}
				return how.ExitStatus(), nil
			}
		}
	}
}
