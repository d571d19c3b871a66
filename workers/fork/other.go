//go:build !linux

// On other systems no process can adopt another one's child.

package fork

import (
	"errors"

	"github.com/hashicorp/go-hclog"
	"github.com/workerhost/workerhost/workers"
)

// Supported says whether workers can be forked on this system.
const Supported = false

// Launcher can't launch anything here.
type Launcher struct {
	Folder func() (string, error)
	Logger hclog.Logger
}

// Template is a template at one moment.
type Template struct {
	PID        int
	Generation uint64
	Memory     int64
	Booting    bool
	Workers    int
}

// Launch fails.
func (l *Launcher) Launch(workers.Launch) (workers.Process, error) {
	return nil, errors.New("workers can be forked on Linux alone")
}

// Templates are none.
func (l *Launcher) Templates() []Template { return nil }

// Close does nothing.
func (l *Launcher) Close() {}
