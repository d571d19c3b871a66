// Adopting: long-lived connections that the host before has accepted.

package listen

import (
	"net"
	"net/netip"
	"os"

	"github.com/workerhost/workerhost/host/internal/hub"
	"github.com/workerhost/workerhost/host/internal/peer"
)

// Peers are the listener's long-lived connections.
func (s *Server) Peers() *peer.Peers { return s.peers }

// TermsFor are those that a connection of the host before goes on under; see [web.Handler.TermsFor].
func (s *Server) TermsFor(in *hub.Hub, route, pool string) *peer.Terms {
	return s.web.TermsFor(in, route, pool)
}

// AdoptSocket makes a client's socket of f, which came from the host before, and which it closes. who is the address
// that it was counted for there; it is counted here whatever the limits. "" is none.
func (s *Server) AdoptSocket(f *os.File, who string) (peer.Socket, peer.Sock, error) {
	address, _ := netip.ParseAddr(who)
	if on, ok := peer.PollFile(s.clients.loops, f); ok {
		s.crowd.Readmit(address)
		return s.clients.add(on, s.crowd, address, s.socketWriteTimeout), on, nil
	}
	c, err := net.FileConn(f)
	f.Close()
	if err != nil {
		return nil, nil, err
	}
	s.crowd.Readmit(address)
	n := s.clients.add(c, s.crowd, address, s.socketWriteTimeout)
	return n, peer.NewSock(n, c), nil
}
