//go:build !unix

// Systems without systemd.

package serve

import (
	"errors"
	"net"
	"os"
)

// sendWith is not for this system, which has no systemd.
func sendWith(*net.UnixConn, string, []*os.File) error { return errors.ErrUnsupported }
