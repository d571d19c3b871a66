// sockets.go translates what the file says of long-lived connections.

package serve

import (
	"github.com/workerhost/workerhost/host/internal/config"
	"github.com/workerhost/workerhost/host/internal/hub"
	"github.com/workerhost/workerhost/host/internal/peer"
)

var slowClients = map[string]hub.SlowClient{"close": hub.CloseSlow, "drop-oldest": hub.DropOldest,
	"drop-newest": hub.DropNewest}

func socketLimits(c *config.Sockets) peer.SocketLimits {
	return peer.SocketLimits{
		MaxMessage: int64(c.MaxMessage), MessageRate: c.MessageRate, MessageBurst: c.MessageBurst,
		HandshakeTimeout: c.HandshakeTimeout, IdleTimeout: c.IdleTimeout, PingInterval: c.PingInterval,
		PongTimeout: c.PongTimeout, WriteTimeout: c.WriteTimeout,
		SendBuffer: int64(c.SendBuffer), SlowClient: slowClients[c.SlowClient], SessionLimit: int(c.SessionLimit),
		AllowedOrigins: c.AllowedOrigins, Compression: c.Compression, MaxPerAddress: c.MaxPerAddress,
		ShutdownSpread: c.ShutdownSpread,
	}
}

var framings = map[string]peer.FramingKind{
	"raw": peer.FrameRaw, "line": peer.FrameLine, "length16": peer.FrameLength16, "length32": peer.FrameLength32,
}

func framing(c *config.Sockets) peer.Framing {
	if c.Delimiter != "" {
		return peer.Framing{Kind: peer.FrameDelimiter, Delimiter: c.Delimiter}
	}
	return peer.Framing{Kind: framings[c.Framing]}
}
