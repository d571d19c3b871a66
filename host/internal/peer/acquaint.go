// What a front does not know yet: while no worker of a pool has ever been ready, nobody can tell whether its workers
// handle connections.

package peer

import "context"

// Handshake bounds all that a connection waits for before it is open: handshake_timeout counts once, whatever it is
// that takes long.
func (p *Peers) Handshake(client context.Context) (context.Context, context.CancelFunc) {
	if limit := p.limits().HandshakeTimeout; limit > 0 {
		return context.WithTimeout(client, limit)
	}
	return context.WithCancel(client)
}

// Acquainted waits until it is known which events the pool's workers handle, and then says whether there are any. now
// gives the terms of the moment.
// known is false if the handshake or the listener ends before. Normally it is known, and nothing waits.
func (p *Peers) Acquainted(handshake context.Context, now func() *Terms) (handles, known bool) {
	for {
		traits := now().hub.Backend.Traits()
		if traits.Awaited == nil {
			return traits.Events.Any(), true
		}
		select {
		case <-traits.Awaited: // or another pool has taken its place
		case <-handshake.Done():
			return false, false
		case <-p.ending:
			return false, false
		}
	}
}
