// Package activation has the sockets that a service manager passes to a program that it starts (sd_listen_fds(3)):
// those of its socket units, which are the manager's for good, and those of its descriptor store, which an earlier
// process of the program had it keep (sd_pid_notify_with_fds(3)). It knows which of them a listener's address means,
// and whether all that was passed is served; it neither binds nor accepts.
//
// doc.go has what was passed and how it is found, name.go the names of what is stored, inherit_unix.go how it comes.
package activation

import (
	"cmp"
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"strings"
	"sync"
)

// Prefix marks the address of a listener that takes the socket of a name, whatever its address is: fd:NAME.
const Prefix = "fd:"

// Sockets are those that were passed. The nil one has none. It is safe for concurrent use.
type Sockets struct {
	mu      sync.Mutex
	all     []*Socket // guarded by mu, as is useless
	useless []string  // names of what was stored and is none
}

// Of are sockets that another process had, which takes care of what was stored by itself.
func Of(all ...*Socket) *Sockets { return &Sockets{all: all} }

// Socket is one that was passed. It listens already, or has packets to be read.
type Socket struct {
	Name    string // FileDescriptorName= of its unit; what it was stored as
	Packets bool   // it is for datagrams
	Stored  bool   // by an earlier process of this program
	Local   net.Addr
	file    *os.File
	taken   bool // guarded by Sockets.mu
}

// Wanted is what a listener needs at its address: host:port, :port, unix:/path or fd:NAME.
type Wanted struct {
	Address         string
	Stream, Packets bool
}

// String tells which one it is, in the words of its unit.
func (s *Socket) String() string {
	kind := "ListenStream"
	if s.Packets {
		kind = "ListenDatagram"
	}
	return fmt.Sprintf("%q (%s=%s)", s.Name, kind, addressOf(s.Local))
}

// Duplicate is another descriptor of the socket, which is closed by whoever calls.
func (s *Socket) Duplicate() (*os.File, error) {
	f, err := duplicate(s.file)
	if err != nil {
		return nil, fmt.Errorf("the socket %s that was passed can't be taken: %w", s, err)
	}
	return f, nil
}

// addressOf is how a listener's configuration has an address.
func addressOf(a net.Addr) string {
	if a.Network() == "unix" {
		return "unix:" + a.String()
	}
	return a.String()
}

// Passed are those of socket units, which stay the manager's whether somebody serves them or not.
func (s *Sockets) Passed() (all []*Socket) {
	if s == nil {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(s.all), func(one *Socket) bool { return one.Stored })
}

// Take duplicates the socket that a listener means, for whoever calls to close; a nil file is none.
func (s *Sockets) Take(address string, packets bool) (f *os.File, err error) {
	if s == nil {
		return nil, nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	one, err := s.find(address, packets)
	if one == nil || err != nil {
		return nil, err
	}
	f, err = one.Duplicate()
	one.taken = err == nil
	return f, err
}

// Drop closes the stored sockets that none of these listeners means, so that their addresses can be bound otherwise,
// and returns their names, with those of what was stored and is none: whoever keeps them is to forget them.
func (s *Sockets) Drop(listeners []Wanted) (useless []string) {
	if s == nil {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	meant := map[*Socket]bool{}
	for _, w := range listeners {
		if one, _ := s.find(w.Address, false); w.Stream {
			meant[one] = true
		}
		if one, _ := s.find(w.Address, true); w.Packets {
			meant[one] = true
		}
	}
	useless, s.useless = s.useless, nil
	s.all = slices.DeleteFunc(s.all, func(one *Socket) bool {
		if !one.Stored || meant[one] {
			return false
		}
		one.file.Close()
		useless = append(useless, one.Name)
		return true
	})
	return useless
}

// Settle forgets the stored sockets, and says by which names those go on to be used that were taken, and which are of
// no use any more. It is for when all listeners have what they need.
func (s *Sockets) Settle() (used, useless []string) {
	if s == nil {
		return nil, nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	useless, s.useless = s.useless, nil
	s.all = slices.DeleteFunc(s.all, func(one *Socket) bool {
		if !one.Stored {
			return false
		}
		if one.file.Close(); one.taken {
			used = append(used, one.Name)
		} else {
			useless = append(useless, one.Name)
		}
		return true
	})
	return used, useless
}

// Has says whether a socket unit has passed what a listener means.
func (s *Sockets) Has(address string, packets bool) bool {
	if s == nil {
		return false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	one, err := s.find(address, packets)
	return err == nil && one != nil && !one.Stored
}

// find is the socket that an address means; nil if none was passed. What a socket unit passes wins over what was
// stored before there was that unit.
func (s *Sockets) find(address string, packets bool) (*Socket, error) {
	var found []*Socket
	for _, one := range s.all {
		if one.Packets == packets && one.isAt(address) {
			found = append(found, one)
		}
	}
	slices.SortStableFunc(found, func(a, b *Socket) int { return cmp.Compare(a.rank(address), b.rank(address)) })
	switch {
	case len(found) == 0:
		return nil, nil
	case len(found) > 1 && strings.HasPrefix(address, Prefix):
		return nil, fmt.Errorf("listen on %s: %d sockets of that name were passed, %s and %s: give each a socket "+
			"unit with a FileDescriptorName of its own, or have the listener name the address", address, len(found),
			found[0], found[1])
	}
	return found[0], nil
}

// rank is the lower the more an address means this socket. That of 0.0.0.0 may be passed beside that of [::].
func (s *Socket) rank(address string) int {
	switch {
	case s.Stored:
		return 2
	case addressOf(s.Local) != address:
		return 1
	}
	return 0
}

// isAt says whether a listener with the address means this socket.
func (s *Socket) isAt(address string) bool {
	if name, ok := strings.CutPrefix(address, Prefix); ok {
		return !s.Stored && s.Name == name
	}
	if s.Stored && s.Name == StoreName(address, s.Packets) {
		return s.reachable()
	}
	if path, ok := strings.CutPrefix(address, "unix:"); ok {
		return s.Local.Network() == "unix" && s.Local.String() == path && s.reachable()
	}
	var ip net.IP
	port := 0
	switch a := s.Local.(type) {
	case *net.TCPAddr:
		ip, port = a.IP, a.Port
	case *net.UDPAddr:
		ip, port = a.IP, a.Port
	default:
		return false
	}
	wanted, err := net.ResolveTCPAddr("tcp", address) // of UDP as well: only address and port count
	if err != nil || wanted.Port != port {
		return false
	}
	// Go, as systemd, listens at all addresses of both families for any of :80, 0.0.0.0:80 and [::]:80.
	everywhere := wanted.IP == nil || wanted.IP.IsUnspecified()
	return everywhere && ip.IsUnspecified() || wanted.IP.Equal(ip)
}

// reachable says whether clients can find the socket. The file of one that was stored may have gone meanwhile, with
// its folder: systemd removes a RuntimeDirectory when the service ends.
func (s *Socket) reachable() bool {
	if !s.Stored || s.Local.Network() != "unix" {
		return true
	}
	info, err := os.Lstat(s.Local.String())
	return err == nil && info.Mode()&os.ModeSocket != 0
}

// Check says what is wrong between the listeners and what socket units have passed: a name that nobody has passed, one
// socket for two listeners, datagrams where a stream is wanted. unserved are those that no listener means: whoever
// connects to them waits for ever.
func (s *Sockets) Check(listeners []Wanted) (unserved []*Socket, err error) {
	var all []*Socket
	if s != nil {
		s.mu.Lock()
		defer s.mu.Unlock()
		all = s.all
	}
	var problems []error
	server := map[*Socket]string{}
	meant := func(w Wanted, packets bool) bool {
		one, err := s.find(w.Address, packets)
		switch {
		case err != nil:
			problems = append(problems, err)
		case one == nil:
			return false
		case server[one] != "" && !one.Stored:
			problems = append(problems, fmt.Errorf("listeners %s and %s both mean the socket %s that was passed: "+
				"remove one of them", server[one], w.Address, one))
		default:
			server[one] = w.Address
		}
		return true
	}
	var without []Wanted // a socket of their own
	for _, w := range listeners {
		stream := len(all) > 0 && w.Stream && meant(w, false)
		packets := len(all) > 0 && w.Packets && meant(w, true)
		if name, named := strings.CutPrefix(w.Address, Prefix); named && !(stream || packets && !w.Stream) {
			problems = append(problems, missing(name, all, w.Stream))
		} else if !named && !stream && !packets {
			without = append(without, w)
		}
	}
	for _, one := range all {
		if one.Stored || server[one] != "" {
			continue
		}
		unserved = append(unserved, one)
		for _, w := range without {
			if one.isAt(w.Address) {
				problems = append(problems, fmt.Errorf("the socket %s was passed, and listener %s %s", one, w.Address,
					otherKind(w.Stream)))
			}
		}
	}
	return unserved, errors.Join(problems...)
}

// otherKind says what a listener needs that was passed a socket of the other kind.
func otherKind(stream bool) string {
	if stream {
		return "needs a stream: write ListenStream= in its socket unit"
	}
	return "is of UDP: write ListenDatagram= in its socket unit"
}

// missing says why a listener does not get the socket of a name.
func missing(name string, all []*Socket, stream bool) error {
	var names []string
	for _, one := range all {
		switch {
		case one.Stored:
		case one.Name == name:
			return fmt.Errorf("the socket %s was passed, and listener %s%s %s", one, Prefix, name, otherKind(stream))
		default:
			names = append(names, one.String())
		}
	}
	there := "no socket was passed to this process"
	if len(names) > 0 {
		there = "those that were are " + strings.Join(names, ", ")
	}
	return fmt.Errorf("listen on %s%s: nobody has passed a socket of that name, and %s: the name is "+
		"FileDescriptorName= of a socket unit of systemd, which has to be started before the service (systemctl "+
		"start NAME.socket), and otherwise that of the unit itself", Prefix, name, there)
}
