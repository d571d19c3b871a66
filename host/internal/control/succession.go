// succession.go: a control socket that goes from a host to the next one, with its lock, so that nobody else can have
// it between.

package control

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
)

// Duplicate is the socket and its lock, for another host. The caller closes both.
func (c *Claim) Duplicate() (socket, lock *os.File, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if lock, err = c.lock.duplicate(); err != nil {
		return nil, nil, err
	}
	if socket, err = c.socket.File(); err != nil {
		lock.Close()
		return nil, nil, err
	}
	return socket, lock, nil
}

// AdoptClaim is a claim that another host has: these are its duplicates, which are the claim's from now on. Both hosts
// have it until one leaves it.
func AdoptClaim(s Socket, socket, lock *os.File) (*Claim, error) {
	c := &Claim{Socket: s, shared: true}
	if c.Mode == 0 {
		c.Mode = 0o600
	}
	l, err := net.FileListener(socket)
	socket.Close()
	if err == nil {
		c.socket = l.(*net.UnixListener)
		c.socket.SetUnlinkOnClose(false)
		if c.lock, err = adopt(lock, s.Path+".lock"); err == nil {
			if c.file, err = c.admit(); err == nil {
				return c, nil
			}
		}
		l.Close()
	}
	lock.Close()
	return nil, fmt.Errorf("control socket %s: %w", s.Path, err)
}

// Sign says that nobody else has the claim any more.
func (c *Claim) Sign() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.shared = false
	c.lock.sign()
}

// Leave has nobody let in any more, and leaves the socket to another host that has it, too. Whoever has asked for
// something is answered, until Close, which has to follow; whoever is connected otherwise is to ask the other host.
func (s *Server) Leave() {
	s.closing.Store(true)
	s.left.Store(true)
	for _, d := range s.doors {
		if claim, ok := d.Listener.(*Claim); ok {
			claim.leave()
		} else {
			d.Close()
		}
		d.http.SetKeepAlivesEnabled(false) // which ends those that wait
	}
}

// errLeft is for those that were let in before, and ask since. Nothing has been done: whoever asks anew is let in by
// the other host, and nobody who asked this one to stop takes its end for that of the host.
var errLeft = errors.New("another host has taken over from this one just now: ask again")

// unlessLeft answers as h does until Leave.
func (s *Server) unlessLeft(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if s.left.Load() {
			refuse(w, http.StatusServiceUnavailable, errLeft)
			return
		}
		h.ServeHTTP(w, r)
	})
}

// leave gives the claim up to the host that has it, too.
func (c *Claim) leave() {
	c.mu.Lock()
	c.shared = true
	c.mu.Unlock()
	c.Release()
}
