//go:build unix

// inherit_unix.go takes what was passed, as sd_listen_fds(3) has it.

package activation

import (
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// variables are for this process alone. LISTEN_PIDFDID says LISTEN_PID once more, in systemd 259 and later.
var variables = []string{"LISTEN_PID", "LISTEN_PIDFDID", "LISTEN_FDS", "LISTEN_FDNAMES"}

const (
	firstDescriptor = 3
	// mostDescriptors is more than any limit on open files allows; beyond it the variable is not believed.
	mostDescriptors = 1 << 20
)

// Inherit is what was passed to this process, whose children get neither the descriptors nor the variables. It is
// called once, before anything else opens a file. Its errors say what a unit has to be like.
func Inherit() (*Sockets, error) {
	pid, count, names := os.Getenv("LISTEN_PID"), os.Getenv("LISTEN_FDS"), os.Getenv("LISTEN_FDNAMES")
	for _, name := range variables {
		os.Unsetenv(name)
	}
	if pid != strconv.Itoa(os.Getpid()) { // nothing was passed, or to the process before this one
		return nil, nil
	}
	n, err := strconv.ParseUint(count, 10, 31)
	if err != nil || n > mostDescriptors {
		return nil, fmt.Errorf("LISTEN_FDS=%q is no number of descriptors", count)
	}
	given := strings.Split(names, ":")
	s := &Sockets{}
	var problems []error
	for i := range int(n) {
		name := "unknown" // as sd_listen_fds_with_names(3) has it
		if names != "" && i < len(given) {
			name = given[i]
		}
		unix.CloseOnExec(firstDescriptor + i)
		one, err := Open(name, os.NewFile(uintptr(firstDescriptor+i), name))
		switch _, stored := isStored(name); {
		case err != nil && stored:
			s.useless = append(s.useless, name)
			continue
		case err != nil:
			problems = append(problems, err)
			continue
		}
		s.all = append(s.all, one)
	}
	return s, errors.Join(problems...)
}

// Open is the socket of a descriptor, which is its own from now on. An error says why nothing can listen there, and
// closes it.
func Open(name string, f *os.File) (*Socket, error) {
	s := &Socket{Name: name, file: f}
	_, s.Stored = isStored(name)
	var err error
	raw, rawErr := f.SyscallConn()
	if rawErr == nil {
		rawErr = raw.Control(func(fd uintptr) { err = s.look(int(fd)) })
	}
	if err = errors.Join(rawErr, err); err != nil {
		f.Close()
		return nil, fmt.Errorf("what was passed as %q can't be served: %w", name, err)
	}
	return s, nil
}

// look finds out what the descriptor is.
func (s *Socket) look(fd int) error {
	kind, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_TYPE)
	if errors.Is(err, unix.ENOTSOCK) {
		return errors.New("it is no socket: the socket unit needs ListenStream= or ListenDatagram=, and nothing else")
	} else if err != nil {
		return os.NewSyscallError("getsockopt", err)
	}
	at, err := unix.Getsockname(fd)
	if err != nil {
		return os.NewSyscallError("getsockname", err)
	}
	switch kind {
	case unix.SOCK_STREAM:
		if on, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_ACCEPTCONN); err == nil && on == 0 {
			return errors.New(
				"it is a connection, and no socket that listens: write Accept=no in its socket unit")
		}
	case unix.SOCK_DGRAM:
		s.Packets = true
	default:
		return fmt.Errorf("it is a socket of type %d, and neither of streams nor of datagrams: write ListenStream= "+
			"or ListenDatagram= in its socket unit", kind)
	}
	switch at := at.(type) {
	case *unix.SockaddrInet4:
		s.Local = s.inet(at.Addr[:], at.Port, "")
	case *unix.SockaddrInet6:
		zone := ""
		if at.ZoneId != 0 {
			if on, err := net.InterfaceByIndex(int(at.ZoneId)); err == nil {
				zone = on.Name
			}
		}
		s.Local = s.inet(at.Addr[:], at.Port, zone)
	case *unix.SockaddrUnix:
		if s.Packets {
			return errors.New("it is a unix socket for datagrams, which nothing here speaks: write ListenStream=")
		}
		s.Local = &net.UnixAddr{Name: at.Name, Net: "unix"}
	default:
		return errors.New(
			"its addresses are neither of IP nor paths: write a port, host:port or a path in its socket unit")
	}
	return nil
}

func (s *Socket) inet(ip net.IP, port int, zone string) net.Addr {
	if s.Packets {
		return &net.UDPAddr{IP: ip, Port: port, Zone: zone}
	}
	return &net.TCPAddr{IP: ip, Port: port, Zone: zone}
}

// duplicate is another descriptor of the same socket. It leaves alone whether the socket blocks, which all who have it
// share.
func duplicate(f *os.File) (other *os.File, err error) {
	raw, err := f.SyscallConn()
	if err != nil {
		return nil, err
	}
	controlErr := raw.Control(func(fd uintptr) {
		var own int
		if own, err = unix.FcntlInt(fd, unix.F_DUPFD_CLOEXEC, 0); err == nil {
			other = os.NewFile(uintptr(own), f.Name())
		}
	})
	return other, errors.Join(controlErr, os.NewSyscallError("fcntl", err))
}
