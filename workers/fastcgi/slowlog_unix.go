//go:build unix

// The named pipe of a slow log.

package fastcgi

import (
	"os"
	"syscall"
)

// makePipe makes a named pipe that its owner alone may use, and opens both of its ends.
func makePipe(path string) (*os.File, error) {
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		return nil, &os.PathError{Op: "mkfifo", Path: path, Err: err}
	}
	return os.OpenFile(path, os.O_RDWR|syscall.O_NONBLOCK, 0)
}
