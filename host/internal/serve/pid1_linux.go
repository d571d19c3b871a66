// The host as process 1 of a container: a parent that adopts orphans and passes signals on.

package serve

import (
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"syscall"

	"github.com/workerhost/workerhost/host/internal/activation"
	"github.com/workerhost/workerhost/host/internal/cli"
	"golang.org/x/sys/unix"
)

// passedOn are the signals that mean something to the host.
var passedOn = []os.Signal{unix.SIGTERM, unix.SIGINT, unix.SIGHUP, unix.SIGQUIT, unix.SIGUSR1, unix.SIGUSR2}

// refusePassed says that sockets were passed, as by podman: they are for this process, not for the host below it.
func refusePassed(passed *activation.Sockets, err error) error {
	if n := len(passed.Passed()); n > 0 && err == nil {
		err = fmt.Errorf("LISTEN_FDS: %s came to process 1, which runs the host below itself, and that one can't "+
			"have what was passed: have the host listen at an address, and publish its port", cli.Counted(n, "socket"))
	}
	return err
}

// runBelow runs this program with args, passes signals on to it, takes every exit, and returns when the program has
// ended, with its status, or that of the host which took its place.
func runBelow(args []string) (status int, err error) {
	if err := refusePassed(activation.Inherit()); err != nil {
		return 0, err
	}
	runtime.LockOSThread() // the parent-death signal follows the thread that forked
	defer runtime.UnlockOSThread()
	self, err := os.Executable()
	if err != nil {
		return 0, err
	}
	incoming := make(chan os.Signal, 16)
	signal.Notify(incoming, passedOn...)
	k, err := newKeeper()
	if err != nil {
		return 0, err
	}
	p, err := os.StartProcess(self, append([]string{os.Args[0]}, args...), &os.ProcAttr{
		Files: []*os.File{os.Stdin, os.Stdout, os.Stderr, k.theirs}, Env: append(os.Environ(), keeperVariable+"=3"),
		// A group of its own, so that a terminal's Ctrl-C comes once, by way of us: the second one means "at once".
		Sys: &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM},
	})
	if err != nil {
		return 0, fmt.Errorf("the host can't be started: %w", err)
	}
	k.closeTheirs()
	if err := k.adopt(); err != nil {
		return 0, err
	}
	pid := p.Pid
	p.Release() // the exits are taken below, all of them
	return k.keep(pid, incoming)
}
