// Sockets that listen already: from the host before this one, or from whoever has started it.

package listen

import (
	"fmt"
	"net"
	"os"
)

// Bound are sockets that listen already at an address. Whatever waits in them is served by whoever accepts next, so a
// listener that takes them over loses no client of the one before.
type Bound struct {
	Socket  *os.File // of TCP or a unix socket
	Packets *os.File // of UDP: a listener's own, or beside Socket that of HTTP/3
	// Passed says that Socket came from the service manager, which may go on to listen: a unix socket's file stays.
	Passed bool
	// Alone, if not nil, is closed when nobody else reads Packets of HTTP/3 any more. Two that read would have each
	// other's clients, so until then those that come are served over TCP.
	Alone <-chan struct{}
}

// Close closes the files that are there.
func (b *Bound) Close() {
	for _, f := range []**os.File{&b.Socket, &b.Packets} {
		if *f != nil {
			(*f).Close()
			*f = nil
		}
	}
}

// socket makes a listener of the descriptor, which it closes.
func (b *Bound) socket() (net.Listener, error) {
	l, err := net.FileListener(b.Socket)
	b.Socket.Close()
	b.Socket = nil
	if err != nil {
		return nil, fmt.Errorf("the socket that was handed over can't be listened at: %w", err)
	}
	if own, ok := l.(*net.UnixListener); ok {
		own.SetUnlinkOnClose(!b.Passed) // else the file is this listener's now
	}
	return l, nil
}

// packets makes a socket of UDP of the descriptor, which it closes.
func (b *Bound) packets() (*net.UDPConn, error) {
	c, err := net.FilePacketConn(b.Packets)
	b.Packets.Close()
	b.Packets = nil
	if err != nil {
		return nil, fmt.Errorf("the socket for datagrams that was handed over can't be read: %w", err)
	}
	if own, ok := c.(*net.UDPConn); ok {
		return own, nil
	}
	c.Close()
	return nil, fmt.Errorf("the socket for datagrams that was handed over is of %s, and not of UDP",
		c.LocalAddr().Network())
}

// Bound duplicates what the listener is bound to, for another one in its place. This one goes on. The port of HTTP/3
// is among it as long as it is there, though it may let nobody in any more.
func (s *Server) Bound() (b Bound, err error) {
	if s.packets != nil {
		b.Packets, err = s.packets.File()
		return b, err
	}
	socket, ok := s.socket.(interface{ File() (*os.File, error) })
	if !ok {
		return b, fmt.Errorf("listener %s is not bound yet", s.options.Address)
	}
	if b.Socket, err = socket.File(); err != nil {
		return b, err
	}
	if p := s.quic.Load(); p != nil {
		if b.Packets, err = p.socket.File(); err != nil && s.quicNow() == nil {
			return b, nil // it was given back just now
		} else if err != nil {
			b.Close()
		}
	}
	return b, err
}

// KeepFile leaves the file of a unix socket where it is when the listener ends, since somebody else has the socket,
// too. It is for a listener that is bound.
func (s *Server) KeepFile() {
	if own, ok := s.socket.(*net.UnixListener); ok {
		own.SetUnlinkOnClose(false)
	}
}

// LetGo stops accepting, and leaves the sockets to the listener that has taken them over: what waits in them is its to
// serve, and the file of a unix socket stays. Those that are connected go on to be served until Shutdown or Close, and
// those of HTTP/3 until then have the packets that come.
func (s *Server) LetGo() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.left = true
	s.KeepFile()
	if s.socket != nil {
		s.socket.Close()
	}
	if s.packets != nil {
		s.packets.End()
	}
	if p := s.quic.Load(); p != nil {
		p.end()
	}
}
