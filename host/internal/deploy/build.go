// build.go runs commands in a release.

package deploy

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/workerhost/workerhost/host/internal/gate"
	"github.com/workerhost/workerhost/workers"
)

// Builder says how commands are run.
type Builder struct {
	// Launcher comes before the program, and makes the process whom it is to be; none runs it as it stands
	Launcher func(folder string) (before, environ []string, err error)
	Environ  []string
	Timeout  time.Duration // for each command
}

// stopTimeout is what a command has to end when it is asked to.
const stopTimeout = 5 * time.Second

// Run runs a command in a folder, to its end. said gets what it prints, a line at a time.
func (b *Builder) Run(ctx context.Context, folder string, command []string, said func(string)) error {
	program, err := workers.FindProgram(command[0], folder)
	if err != nil {
		return fmt.Errorf("%s can't be run: %w", command[0], err)
	}
	launch := workers.Launch{Command: append([]string{program}, command[1:]...), Directory: folder,
		Env: append(slices.Clone(b.Environ), "PWD="+folder)}
	if b.Launcher != nil {
		before, environ, err := b.Launcher(folder)
		if err != nil {
			return err
		}
		launch.Command, launch.Env = append(before, launch.Command...), append(launch.Env, environ...)
	}
	return gate.Command{Launch: launch, Timeout: b.Timeout, StopTimeout: stopTimeout, Said: said}.Run(ctx)
}

// Room fails if the disk has no room for so many bytes, and some to spare.
func (p Place) Room(bytes int64) error {
	free, known := Free(p.Releases())
	if need := uint64(max(0, bytes)) + spare; known && free < need {
		return fmt.Errorf("the disk has %d MiB free, and the release needs about %d MiB: make room, or lower keep in "+
			"[deploy]", free>>20, need>>20)
	}
	return nil
}

// spare is what stays free beside a release, in bytes.
const spare = 64 << 20

// IsFolder says whether what is to be deployed is written as a folder is: /srv/new, ./build.
func IsFolder(what string) bool {
	return what == "." || what == ".." || strings.HasPrefix(what, "/") || strings.HasPrefix(what, "./") ||
		strings.HasPrefix(what, "../") || os.PathSeparator != '/' && strings.ContainsRune(what, os.PathSeparator)
}
