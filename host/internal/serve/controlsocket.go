// controlsocket.go translates what the file says of who may steer the host, and keeps its socket.

package serve

import (
	"github.com/workerhost/workerhost/host/internal/config"
	"github.com/workerhost/workerhost/host/internal/control"
)

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
