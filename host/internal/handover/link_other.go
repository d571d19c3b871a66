//go:build !unix

// Without sockets that carry descriptors, no host can take over from another one.

package handover

import (
	"errors"
	"fmt"
	"net"
	"os"
)

// Link is one end of the way between two hosts, of which there is none on this system.
type Link struct{}

var errCannot = fmt.Errorf("on this system a host can't hand its sockets to another one: %w", errors.ErrUnsupported)

// Pair says that there is no link on this system.
func Pair() (link *Link, theirs *os.File, err error) { return nil, nil, errCannot }

// Sockets says that there are none on this system.
func Sockets() (ours net.Conn, theirs *os.File, err error) { return nil, nil, errCannot }

// Inherit returns nil: no host is started to take over.
func Inherit() (*Link, error) { return nil, nil }

// Open says that there is no link on this system.
func Open(end *os.File) (*Link, error) {
	end.Close()
	return nil, errCannot
}

// Send closes the files, and sends nothing.
func (l *Link) Send(_ string, _ any, files ...*os.File) error {
	closeAll(files)
	return errCannot
}

// Receive returns an error at once.
func (l *Link) Receive() (Message, error) { return Message{}, errCannot }

// Run returns an error at once.
func (l *Link) Run(Handlers) error { return errCannot }

// Close does nothing.
func (l *Link) Close() {}
