// address.go reads the addresses that a listener may have.

package config

import (
	"errors"
	"fmt"
	"net"
	"path/filepath"
	"strconv"
	"strings"
)

const (
	unixPrefix = "unix:" // before the path of a unix socket
	fdPrefix   = "fd:"   // before the name of a socket that the service manager passes
)

// longestSocketPath leaves room for the final NUL in the smallest sun_path, that of the BSDs and macOS.
const longestSocketPath = 103

// Network splits the address into the arguments of net.Listen and net.ListenPacket: "tcp" or "udp" and host:port, or
// "unix" and an absolute path. Of a socket that is passed it is "fd" and its name.
func (l *Listen) Network() (network, address string) {
	if path, ok := strings.CutPrefix(l.Address, unixPrefix); ok {
		return "unix", path
	}
	if l.Passed() {
		return "fd", strings.TrimPrefix(l.Address, fdPrefix)
	}
	if l.Protocol == "udp" {
		return "udp", l.Address
	}
	return "tcp", l.Address
}

// Passed says that the address is the name of a socket that the service manager passes.
func (l *Listen) Passed() bool { return strings.HasPrefix(l.Address, fdPrefix) }

// takes gives a key for each port or socket that the listener takes, so that no other can be opened there. Port 0 is
// always another one.
func (l *Listen) takes() (keys []string) {
	network, address := l.Network()
	switch network {
	case "unix":
		return []string{l.Address}
	case "fd":
		if l.Protocol == "udp" {
			return []string{"udp " + l.Address}
		}
		return []string{l.Address}
	}
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil // reported already
	}
	switch host = strings.ToLower(host); host {
	case "", "0.0.0.0", "::":
		host = ""
	}
	number, err := strconv.Atoi(port)
	if err != nil || number == 0 {
		return nil
	}
	keys = []string{fmt.Sprintf("%s %s:%d", network, host, number)}
	if l.HTTP3 && network != "udp" {
		keys = append(keys, fmt.Sprintf("udp %s:%d", host, number))
	}
	return keys
}

// parseAddress checks an address, and makes the path of a unix socket absolute.
func parseAddress(address, folder string) (string, error) {
	if path, ok := strings.CutPrefix(address, unixPrefix); ok {
		if path == "" {
			return "", errors.New(`expected a path after unix:, such as "unix:/run/app.sock"`)
		}
		path = absolute(folder, path)
		return unixPrefix + path, checkSocketPath(path)
	}
	if name, ok := strings.CutPrefix(address, fdPrefix); ok {
		if name == "" || len(name) > 255 || strings.ContainsFunc(name, func(c rune) bool {
			return c < ' ' || c > '~' || c == ':'
		}) {
			return "", fmt.Errorf("expected a name after %s, which is FileDescriptorName= of a socket unit of "+
				"systemd, and otherwise that of the unit, such as %q", fdPrefix, fdPrefix+"app.socket")
		}
		return address, nil
	}
	const expected = `expected "host:port", ":port" or "unix:/path", found %q`
	if _, rest, ok := strings.Cut(address, "://"); ok {
		return "", fmt.Errorf(expected+": write it without the scheme, and TLS as tls = { certificate, key }", rest)
	}
	if filepath.IsAbs(address) {
		return "", fmt.Errorf(expected+": write %q", address, unixPrefix+address)
	}
	if isPort(address) {
		return "", fmt.Errorf(expected+": write %q", address, ":"+address)
	}
	host, port, err := net.SplitHostPort(address)
	switch {
	case err != nil && strings.Count(address, ":") > 1:
		return "", fmt.Errorf(expected+": write IPv6 in brackets, such as \"[::1]:8080\"", address)
	case err != nil:
		return "", fmt.Errorf(expected+": write %q", address, net.JoinHostPort(strings.Trim(address, ":[]"), "8080"))
	case host == "*":
		return "", fmt.Errorf(expected+": write %q", address, ":"+port)
	case !isPort(port):
		return "", fmt.Errorf(expected+": a port is a number from 0 to 65535", address)
	}
	return address, nil
}

func isPort(s string) bool {
	n, err := strconv.ParseUint(s, 10, 16)
	return err == nil && strconv.FormatUint(n, 10) == s
}

func checkSocketPath(path string) error {
	if len(path) > longestSocketPath {
		return fmt.Errorf("%s has %d bytes, and the path of a unix socket can have %d: choose a shorter one", path,
			len(path), longestSocketPath)
	}
	return nil
}
