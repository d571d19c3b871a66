//go:build !linux

// There is no lane on systems without epoll.

package lane

import (
	"errors"
	"net"

	"github.com/workerhost/workerhost/host/internal/web"
)

// Lane is none here: connections are net/http's.
type Lane struct{}

// Conn is none, likewise.
type Conn struct{ net.Conn }

// New fails: there are no event loops for this system.
func New(*web.Handler) (*Lane, error) { return nil, errors.ErrUnsupported }

// Close does nothing.
func (*Lane) Close() {}

// Take takes nothing.
func (*Lane) Take(net.Conn) (*Conn, bool) { return nil, false }

// Serve is never called.
func (*Conn) Serve(Owner) {}
