// controlsocket.go translates what the file says of who may steer the host, and keeps its socket.

package serve

import (
	"context"
	"fmt"

	"github.com/workerhost/workerhost/host/internal/config"
	"github.com/workerhost/workerhost/host/internal/control"
)

// openControl takes the control socket, unless it is off, and opens [control] listen. Nobody is answered before steer
// is called, until the socket is taken down; the file of the socket is kept until the context of steer ends.
func (h *host) openControl(down *teardown) (steer func(context.Context), err error) {
	var claim *control.Claim
	if h.config().Control != config.NoSocket {
		claim, err = h.upgrade.claimOf(h.controlSocket()) // first, so that two hosts never meet at a listener
		if err != nil {
			return nil, err
		}
	}
	server := control.NewServer(claim, h)
	h.upgrade.control = server
	down.add(server.Close) // last: by this, `host stop` learns that all the rest has gone
	down.add(h.audit.flush)
	down.add(func() { close(h.stopped) })
	remote := &h.config().Remote
	if text := remote.Unreachable(h.config().Control); text != "" {
		h.log.Warn(text)
	}
	if remote.Listen != "" {
		socket, err := h.upgrade.bind(remote.Listen)
		if err != nil {
			return nil, fmt.Errorf("[control] %w", err)
		}
		if err := server.Open(socket, tokens(remote)); err != nil {
			socket.Close()
			return nil, err
		}
		h.log.Info("to be steered over TCP, with a token", "address", socket.Addr().String())
	}
	return func(alive context.Context) {
		if claim != nil {
			go claim.Keep(alive, h.tellRenewed)
		}
		go func() { // ends with the control socket, which outlives all that the host waits for
			if err := server.Serve(); err != nil {
				h.end(fmt.Errorf("the control listener failed: %w", err))
			}
		}()
	}, nil
}

// controlSocket is where the host is steered, and by whom.
func (h *host) controlSocket() control.Socket {
	c := h.config()
	s := control.Socket{Path: c.Control, Prepare: func() error { return config.PrepareControl(c.Control) }}
	s.Mode, s.Group = c.Remote.Access()
	return s
}

// tokens are those that are good over TCP.
func tokens(c *config.Remote) (all []control.Token) {
	for _, s := range c.Secrets() {
		t := control.Token{Name: s.Name, Secret: s.Secret}
		for _, right := range s.Rights {
			t.Rights = append(t.Rights, control.Right(right))
		}
		all = append(all, t)
	}
	return all
}

// tellRenewed is about the file of the control socket, which something has removed.
func (h *host) tellRenewed(err error) {
	if err != nil {
		h.log.Error("the control socket has been removed, and can't be made anew yet: the commands don't find "+
			"this host, signals do", "error", err)
		return
	}
	h.log.Warn("the control socket had been removed, and was made anew: keep what cleans temporary folders away "+
		"from it, or name another place with control = \"PATH\"", "path", h.config().Control)
}
