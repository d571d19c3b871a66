//go:build !unix

// The signals of other systems.

package serve

import "os"

// signals says what each signal asks for. Reload goes through the control socket here.
func signals() map[os.Signal]request { return map[os.Signal]request{os.Interrupt: stopRequest} }
