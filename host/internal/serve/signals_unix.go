//go:build unix

// The signals of Unix.

package serve

import (
	"os"
	"syscall"

	"github.com/workerhost/workerhost/host/internal/cli"
)

// signals says what each signal asks for. SIGQUIT keeps Go's stack dump.
func signals() map[os.Signal]request {
	hangup := reloadRequest
	if cli.IsTerminal(os.Stdin) {
		hangup = stopRequest // the terminal has gone
	}
	return map[os.Signal]request{
		syscall.SIGTERM: stopRequest,
		syscall.SIGINT:  stopRequest,
		syscall.SIGUSR1: reloadRequest,
		syscall.SIGUSR2: reopenRequest,
		syscall.SIGHUP:  hangup,
		syscall.SIGPIPE: noRequest, // whoever read the log has gone; that is no reason to drop clients
	}
}
