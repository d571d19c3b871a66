// The limits of long-lived connections, whatever they speak.

package peer

import (
	"time"

	"github.com/workerhost/workerhost/host/internal/hub"
)

// SocketLimits are what a listener allows its long-lived connections. They change at a reload, for the connections
// that are open, too. Sizes are in bytes; 0 is without a limit, or never, unless it says otherwise.
type SocketLimits struct {
	// MaxMessage is the largest message that a client may send, when inflated; beyond it the connection closes with
	// 1009. 0 is 1 MiB.
	MaxMessage int64
	// MessageRate is how many messages a second a client may send in the long run, a WebSocket's pings included, and
	// MessageBurst how many at once (0: as many as in a second); beyond it the connection closes with 1008.
	MessageRate, MessageBurst int
	// HandshakeTimeout is how long the workers may take to accept a connection.
	HandshakeTimeout time.Duration
	// IdleTimeout is how long a connection may be without a message, either way.
	IdleTimeout time.Duration
	// PingInterval is how long a client may be silent before it is asked whether it is still there, and PongTimeout
	// how long it may take to answer.
	PingInterval, PongTimeout time.Duration
	// WriteTimeout is how long a client may take nothing of what is sent to it.
	WriteTimeout time.Duration
	// SendBuffer is how much may wait to be sent to a client, and SlowClient what happens beyond it. 0 is 1 MiB.
	SendBuffer int64
	SlowClient hub.SlowClient
	// SessionLimit is how large a session may become, encoded. 0 is 64 KiB.
	SessionLimit int
	// AllowedOrigins are the origins whose pages may connect, such as https://example.org or https://*.example.org;
	// "*" is all of them. None is that of the page's own host. Clients that are no browsers name no origin and may
	// always connect.
	AllowedOrigins []string
	// Compression has permessage-deflate used with clients that offer it.
	Compression bool
	// MaxPerAddress is how many connections a client address may have.
	MaxPerAddress int
	// ShutdownSpread is the time over which the connections are closed when the listener ends, so that clients do not
	// all come back at once.
	ShutdownSpread time.Duration
}

// DefaultSocketLimits are those of a host without a configuration file.
func DefaultSocketLimits() SocketLimits {
	return SocketLimits{
		MaxMessage: 1 << 20, HandshakeTimeout: 10 * time.Second, PingInterval: 30 * time.Second,
		PongTimeout:  10 * time.Second,
		WriteTimeout: 30 * time.Second, SendBuffer: 1 << 20, SessionLimit: 64 << 10,
	}
}

// hubTerms are what the hub holds connections on.
func (l *SocketLimits) hubTerms(b hub.Backend) *hub.Terms {
	return &hub.Terms{Backend: b, SendBuffer: l.SendBuffer, SlowClient: l.SlowClient, SessionLimit: l.SessionLimit}
}

func (l *SocketLimits) maxMessage() int64 {
	if l.MaxMessage > 0 {
		return l.MaxMessage
	}
	return 1 << 20
}
