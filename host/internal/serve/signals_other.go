//go:build !unix

// The signals of other systems.

package serve

import (
	"os"
	"syscall"
)

// signals says what each signal asks for: Ctrl-C and Ctrl-Break are an interrupt; the end of the console, of the
// session and of the system is SIGTERM. Reload goes through the control socket or listener here.
func signals() map[os.Signal]request {
	return map[os.Signal]request{os.Interrupt: stopRequest, syscall.SIGTERM: stopRequest}
}
