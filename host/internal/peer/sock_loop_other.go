//go:build !linux

// There are no event loops here: a goroutine waits for each socket.

package peer

import (
	"net"
	"os"

	"github.com/workerhost/workerhost/host/internal/loop"
)

// Polled is none here.
type Polled struct {
	net.Conn
	Sock
}

// PollFile takes nothing.
func PollFile(*loop.Set, *os.File) (*Polled, bool) { return nil, false }

// Poll takes nothing.
func Poll(*loop.Set, net.Conn) (*Polled, bool) { return nil, false }
