// Proxies in front of the host, and whom they speak for. What a client says of itself counts only if it came through
// one of them.

package guard

import (
	"errors"
	"net/http"
	"net/netip"
	"strings"

	"github.com/workerhost/workerhost/host/internal/http1"
)

// Proxies are the peers that are believed about their clients.
type Proxies struct{ Peers }

// Trusts says whether a peer, as net/http names it, is one of them.
func (p *Proxies) Trusts(remote string) bool { return p.Include(remote) }

var (
	errConflict    = errors.New("Forwarded and X-Forwarded-For name different clients")
	errInvalidHost = errors.New("Forwarded or X-Forwarded-Host names an invalid host")
)

// OfProxies says whether a field, by its canonical name, is for proxies to tell of their clients. From all peers that
// are not trusted it has to be taken away, so that the workers can't be fooled either.
func OfProxies(name string) bool {
	return name == "Forwarded" || name == "X-Real-Ip" || strings.HasPrefix(name, "X-Forwarded-") ||
		OfCertificates(name)
}

// OfCertificates says whether it is for proxies to tell whose certificate a client has shown to them.
func OfCertificates(name string) bool {
	return name == "Client-Cert" || name == "Client-Cert-Chain" || // RFC 9440
		name == "X-Forwarded-Client-Cert"
}

// Believe replaces the remote address and the host of a request that came from a trusted proxy by what such proxies
// say, and returns the scheme that they saw, or "". An error means that r can't be from one client.
func (p *Proxies) Believe(r *http.Request) (scheme string, err error) {
	h := r.Header
	path := items(h["X-Forwarded-For"])
	client, at, found := p.client(path, r.RemoteAddr)
	back := len(path) - 1 - at // how many proxies have added to the lists after the one that saw the client
	elements := items(h["Forwarded"])
	if len(elements) > 0 {
		hops := make([]string, len(elements))
		for i, e := range elements {
			hops[i] = parameter(e, "for")
		}
		named, at, ok := p.client(hops, r.RemoteAddr)
		if found && (!ok || named.Addr() != client.Addr()) {
			return "", errConflict // a proxy that sets one of them passes the other on as the client made it up
		}
		if client, found = named, ok; at < len(elements) { // what the outermost trusted proxy was asked for
			scheme = parameter(elements[at], "proto")
			if host := parameter(elements[at], "host"); host != "" {
				r.Host = host
			}
		}
	}
	if found {
		r.RemoteAddr = client.String()
	}
	if given, ok := entry(h["X-Forwarded-Proto"], back); ok {
		scheme = given
	}
	if given, ok := entry(h["X-Forwarded-Host"], back); ok {
		r.Host = given
	}
	if !http1.ValidHost(r.Host) {
		return "", errInvalidHost
	}
	switch scheme = strings.ToLower(scheme); scheme {
	case "http", "https":
	case "wss":
		scheme = "https"
	default:
		scheme = ""
	}
	return scheme, nil
}

// client goes back along the hops, the nearest last, to the first one that is no trusted proxy. One that can't be read
// ends the search: what lies behind it is hearsay. at is the place of the one that was found.
func (p *Proxies) client(hops []string, peer string) (client netip.AddrPort, at int, found bool) {
	at = len(hops)
	for i := len(hops) - 1; i >= 0; i-- {
		hop, ok := parseHop(hops[i])
		if !ok {
			break
		}
		client, at, found = hop, i, true
		if !p.contains(hop.Addr()) {
			break
		}
	}
	return client, at, found
}

// entry is what stands in lists so many places before their end. A shorter list is one that not every proxy adds to,
// so its first entry is the one of the proxy that is farthest away.
func entry(lists []string, back int) (value string, ok bool) {
	all := items(lists)
	if len(all) == 0 {
		return "", false
	}
	return all[len(all)-1-min(max(back, 0), len(all)-1)], true
}

// parseHop reads an address with or without a port, which is 0 then.
func parseHop(s string) (netip.AddrPort, bool) {
	if a, err := netip.ParseAddr(strings.TrimSuffix(strings.TrimPrefix(s, "["), "]")); err == nil {
		return netip.AddrPortFrom(a.Unmap().WithZone(""), 0), true
	}
	a, err := netip.ParseAddrPort(s)
	return netip.AddrPortFrom(a.Addr().Unmap().WithZone(""), a.Port()), err == nil
}

// items splits lists at their commas, but not in quotes. There are never more than a request's head can hold.
func items(lists []string) []string {
	var all []string
	for _, list := range lists {
		quoted, from := false, 0
		for i := 0; i <= len(list); i++ {
			switch {
			case i < len(list) && quoted && list[i] == '\\':
				i++
			case i < len(list) && list[i] == '"':
				quoted = !quoted
			case i >= len(list) || list[i] == ',' && !quoted:
				if item := strings.Trim(list[from:min(i, len(list))], " \t"); item != "" {
					all = append(all, item)
				}
				from = i + 1
			}
		}
	}
	return all
}

// parameter finds a name in an element of Forwarded (RFC 7239 §4), without its quotes.
func parameter(element, name string) string {
	for pair := range strings.SplitSeq(element, ";") {
		key, value, _ := strings.Cut(strings.Trim(pair, " \t"), "=")
		if strings.EqualFold(key, name) {
			return strings.Trim(value, `"`)
		}
	}
	return ""
}
