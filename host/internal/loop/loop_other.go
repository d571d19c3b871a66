//go:build !linux

// There are no loops on systems without epoll.

package loop

import (
	"errors"
	"net"
	"os"
)

// Set is none here.
type Set struct{ Refused func(error) }

// Registration is none here.
type Registration struct{}

// New fails: there are no loops for this system.
func New() (*Set, error) { return nil, errors.ErrUnsupported }

// Close does nothing.
func (*Set) Close() {}

// Add fails.
func (*Set) Add(int, Handler) (Registration, error) { return Registration{}, errors.ErrUnsupported }

// Take takes nothing.
func Take(net.Conn) (fd int, ok bool) { return -1, false }

// TakeFile takes nothing.
func TakeFile(*os.File) (fd int, ok bool) { return -1, false }

// Remove does nothing.
func (Registration) Remove() {}
