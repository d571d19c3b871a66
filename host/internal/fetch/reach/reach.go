// Package reach dials servers that workers have named: addresses that everybody can reach, and those that the
// configuration has besides. A name is looked up by the dialer alone, and what it came to is checked right before the
// connection is made: no other lookup can come between.
package reach

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"syscall"
	"time"
)

// special are networks, besides those that package netip knows, where nothing lies that everybody can reach.
var special = prefixes("0.0.0.0/8", "100.64.0.0/10", "192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24",
	"198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "240.0.0.0/4", "::/96", "64:ff9b:1::/48", "100::/64",
	"2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20", "5f00::/16", "fec0::/10")

// translated is where IPv4 lies behind a translator (RFC 6052).
var translated = netip.MustParsePrefix("64:ff9b::/96")

func prefixes(all ...string) (made []netip.Prefix) {
	for _, text := range all {
		made = append(made, netip.MustParsePrefix(text))
	}
	return made
}

// isPublic says whether an address is one that everybody can reach: no loopback, private, link-local or other special
// one.
func isPublic(a netip.Addr) bool {
	a = a.WithZone("").Unmap()
	if translated.Contains(a) {
		b := a.As16()
		a = netip.AddrFrom4([4]byte(b[12:]))
	}
	return a.IsGlobalUnicast() && !a.IsPrivate() && !within(special, a)
}

func within(networks []netip.Prefix, a netip.Addr) bool {
	return slices.ContainsFunc(networks, func(p netip.Prefix) bool { return p.Contains(a) })
}

// ErrForbidden is the error of an address that must not be dialed.
var ErrForbidden = errors.New("is no public address: name its network in `networks`, if it is meant")

// Dialer dials public addresses, those in networks, and those that an address names itself, which somebody has allowed
// by that. A connection has to be made within the timeout. What it returns is safe for concurrent use.
func Dialer(networks []netip.Prefix, timeout time.Duration) func(ctx context.Context, network, address string) (
	net.Conn, error) {
	plain := &net.Dialer{Timeout: timeout, KeepAlive: 30 * time.Second}
	guarded := *plain
	guarded.ControlContext = func(_ context.Context, _, address string, _ syscall.RawConn) error {
		at, err := netip.ParseAddrPort(address)
		if err != nil {
			return fmt.Errorf("%s %w", address, ErrForbidden)
		}
		if a := at.Addr().WithZone("").Unmap(); !isPublic(a) && !within(networks, a) {
			return fmt.Errorf("%s %w", a, ErrForbidden)
		}
		return nil
	}
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		host, _, err := net.SplitHostPort(address)
		if err != nil {
			return nil, err
		}
		if _, err := netip.ParseAddr(host); err == nil { // which a place names, or it would not be asked
			return plain.DialContext(ctx, network, address)
		}
		return guarded.DialContext(ctx, network, address)
	}
}
