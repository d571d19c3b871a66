// Processes that a worker has of its own: only it can tell what each of them does.

package workers

import (
	"context"
	"time"

	"github.com/workerhost/workerhost/workers/internal/process"
)

// Child is a process to which a worker gives its requests.
type Child struct {
	PID      int
	Busy     bool
	Requests uint64 // that it has had
	Uptime   time.Duration
	Memory   int64 // resident, in bytes; 0 where it can't be known
	Peak     int64 // what its last request took, in bytes; 0 if that is not told

	Request string        // that it is at work for, without its query: "GET /path"; "" if it is idle
	Running time.Duration // for how long
}

// Parent is a [Process] that has such.
type Parent interface {
	// Children asks it, until ctx is done: nil is that it did not tell. It is called by several at a time.
	Children(ctx context.Context) []Child
}

// Children asks the worker for its processes, until ctx is done; nil if it has none, or did not tell. It may be called
// by several at a time.
func (w WorkerStatus) Children(ctx context.Context) []Child {
	parent, ok := w.process.(Parent)
	if !ok || ctx.Err() != nil {
		return nil
	}
	children := parent.Children(ctx)
	for i, c := range children {
		children[i].Request, children[i].Memory = printable(c.Request), process.ResidentMemory(c.PID)
	}
	return children
}
