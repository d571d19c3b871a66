//go:build !linux

// There is no lane on systems without epoll.

package lane

import (
	"net"

	"github.com/workerhost/workerhost/host/internal/loop"
	"github.com/workerhost/workerhost/host/internal/web"
)

// Lane is none here: connections are net/http's.
type Lane struct{}

// Conn is none, likewise.
type Conn struct{ net.Conn }

// New makes one that takes nothing.
func New(*web.Handler, *loop.Set) *Lane { return &Lane{} }

// Take takes nothing.
func (*Lane) Take(net.Conn) (*Conn, bool) { return nil, false }

// Vacate does nothing.
func (*Lane) Vacate() {}

// Vacate does nothing.
func (*Conn) Vacate() {}

// Serve is never called.
func (*Conn) Serve(Owner, Past) {}

// MostRead is how much the lane goes on with.
const MostRead = 0
