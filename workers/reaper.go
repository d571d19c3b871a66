// The reaper as programs that embed the pool use it; what it does is in internal/process.

package workers

import (
	"io"

	"github.com/hashicorp/go-hclog"
	"github.com/workerhost/workerhost/workers/internal/process"
)

// Reaper is our end of the reaper process, which kills what workers leave behind when this program dies: a
// parent-death signal reaches a worker, but not what the worker started. If the process dies, or takes nothing any
// more, another one comes in its place. Its methods are safe for concurrent use, and a nil Reaper does nothing.
type Reaper = process.Reaper

// StartReaper runs command, which has to call [RunReaper] with its standard input; a program usually gives itself
// with a hidden argument. log, which may be nil, is told if the process has to be replaced. The caller closes the
// Reaper once its pools have stopped.
func StartReaper(command []string, log hclog.Logger) (*Reaper, error) {
	return process.StartReaper(command, log)
}

// RunReaper is the reaper's whole program: it notes the process groups that are named on in, and at the end of in
// kills those that are left. It ignores the signals that end its parent.
func RunReaper(in io.Reader) { process.RunReaper(in) }
