// Addresses: host:port, :port and unix:/path, and what to do when one can't be had.

package listen

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"strings"
	"syscall"
	"time"

	"github.com/workerhost/workerhost/host/internal/filekind"
)

const unixPrefix = "unix:"

// Bind listens on an address as [Options] has it. The error says what to do about it.
func Bind(address string) (net.Listener, error) { return bind(address) }

// bind listens on an address as [Options] has it.
func bind(address string) (net.Listener, error) {
	if path, ok := strings.CutPrefix(address, unixPrefix); ok {
		return bindUnix(path)
	}
	if _, _, err := net.SplitHostPort(address); err != nil {
		return nil, fmt.Errorf("listen on %q: write host:port, :port or unix:/path; an IPv6 address stands in "+
			"brackets, as in [::1]:8080", address)
	}
	l, err := net.Listen("tcp", address)
	if err != nil {
		return nil, fmt.Errorf("listen on %s: %w%s", address, err, remedy(err))
	}
	return l, nil
}

// bindSocket is bind, unless there is a socket to take over.
func (s *Server) bindSocket() (net.Listener, error) {
	if b := &s.options.Bound; b.Socket != nil {
		return b.socket()
	}
	return bind(s.options.Address)
}

// bindPackets is bindUDP, likewise.
func (s *Server) bindPackets(address string) (*net.UDPConn, error) {
	if b := &s.options.Bound; b.Packets != nil {
		return b.packets()
	}
	if s.options.Packets != nil {
		if f, err := s.options.Packets(); err != nil {
			return nil, err
		} else if f != nil {
			return (&Bound{Packets: f}).packets()
		}
	}
	return bindUDP(address)
}

// bindUDP is bind for datagrams.
func bindUDP(address string) (*net.UDPConn, error) {
	if _, _, err := net.SplitHostPort(address); err != nil {
		return nil, fmt.Errorf(
			"listen on %q: UDP needs host:port or :port; an IPv6 address stands in brackets, as in [::1]:8080",
			address)
	}
	c, err := net.ListenPacket("udp", address)
	if err != nil {
		return nil, fmt.Errorf("listen on %s: %w%s", address, err, remedy(err))
	}
	return c.(*net.UDPConn), nil
}

func remedy(err error) string {
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return "; another process listens there: stop it, or choose another address"
	case errors.Is(err, fs.ErrPermission):
		return "; ports below 1024 need a privilege: choose a higher port, or grant CAP_NET_BIND_SERVICE"
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		return "; this machine has no such address: 0.0.0.0 or :port means all of them"
	}
	return ""
}

// bindUnix replaces the socket of a host that is gone, and nothing else.
func bindUnix(path string) (net.Listener, error) {
	if path == "" {
		return nil, fmt.Errorf("listen on unix: a path is missing, as in unix:/run/workerhost/http.sock")
	}
	if info, err := os.Lstat(path); err == nil {
		if info.Mode().Type() != fs.ModeSocket {
			return nil, fmt.Errorf("listen on unix:%s: %s stands there, and no socket; remove it, or choose "+
				"another path", path, filekind.Name(path))
		}
		c, err := net.DialTimeout("unix", path, time.Second)
		if err == nil {
			c.Close()
			return nil, fmt.Errorf("listen on unix:%s: another process listens there: stop it, or choose another path",
				path)
		}
		if !errors.Is(err, syscall.ECONNREFUSED) {
			return nil, fmt.Errorf(
				"listen on unix:%s: a socket stands there, and whether it is in use can't be told: %w", path, err)
		}
		if err := os.Remove(path); err != nil {
			return nil, fmt.Errorf("listen on unix:%s: the socket of a dead process can't be removed: %w", path, err)
		}
	}
	l, err := net.Listen("unix", path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("listen on unix:%s: its folder does not exist, or is a symlink to what does not: "+
			"create it first", path)
	case errors.Is(err, fs.ErrPermission):
		return nil, fmt.Errorf("listen on unix:%s: no permission to create a file there: let the host's user write "+
			"to the folder, or choose another path", path)
	case errors.Is(err, syscall.EROFS):
		return nil, fmt.Errorf("listen on unix:%s: %w: choose another path", path, err)
	case errors.Is(err, syscall.EINVAL):
		return nil, fmt.Errorf("listen on unix:%s: %w; a socket's path has at most 107 bytes, this one has %d", path,
			err, len(path))
	case err != nil:
		return nil, fmt.Errorf("listen on unix:%s: %w", path, err)
	}
	return l, nil
}
