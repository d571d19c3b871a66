//go:build !linux && !darwin

// Where it is not known what a socket takes at once, the standard library waits for it.

package peer

import (
	"errors"
	"net"
	"os"
	"syscall"
)

// rawConn is nil: sockets are read and written as the standard library does.
func rawConn(net.Conn) syscall.RawConn { return nil }

func (s *attended) tryRead(uintptr) bool { return true }

func (w *writeAttempt) try(uintptr) bool { return true }

func duplicateFile(syscall.Conn) (*os.File, error) { return nil, errors.ErrUnsupported }
