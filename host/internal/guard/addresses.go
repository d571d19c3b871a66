// Who may come, by their addresses.

package guard

import (
	"fmt"
	"net/netip"
)

// Peers are addresses that are named together.
type Peers struct {
	Networks []netip.Prefix
	Unix     bool // whoever connects to a unix socket, and has no address
}

// ParsePeers reads a list as it is written: networks, addresses, and "unix". The error names what is none of them.
func ParsePeers(list []string) (*Peers, error) {
	p := &Peers{}
	for _, text := range list {
		n, err := ParseNetwork(text)
		switch {
		case err == nil:
			p.Networks = append(p.Networks, n)
		case text == "unix":
			p.Unix = true
		default:
			return nil, fmt.Errorf("expected a network such as \"10.0.0.0/8\", an address, or \"unix\" for whoever "+
				"uses a unix socket, found %q", text)
		}
	}
	return p, nil
}

// ParseNetwork reads a network, or an address as the network of it alone.
func ParseNetwork(s string) (netip.Prefix, error) {
	if a, err := netip.ParseAddr(s); err == nil {
		a = a.Unmap()
		return a.Prefix(a.BitLen())
	}
	return netip.ParsePrefix(s)
}

// Include says whether a peer, as net/http names it, is one of them. An address that can't be read is none.
func (p *Peers) Include(remote string) bool {
	if remote == "@" || remote == "" {
		return p.Unix
	}
	a, err := netip.ParseAddrPort(remote)
	return err == nil && p.contains(a.Addr())
}

func (p *Peers) contains(a netip.Addr) bool {
	a = a.Unmap().WithZone("")
	for _, n := range p.Networks {
		if n.Contains(a) {
			return true
		}
	}
	return false
}

// Addresses say who may come. They never change, and are safe for concurrent use.
type Addresses struct {
	Allow *Peers // nil: all
	Deny  *Peers // of those, but these; nil: none
}

// Let says whether a client, as net/http names it, may come. Who can't be told is let in by no list, and kept out by
// none.
func (a *Addresses) Let(remote string) bool {
	return (a.Allow == nil || a.Allow.Include(remote)) && (a.Deny == nil || !a.Deny.Include(remote))
}
