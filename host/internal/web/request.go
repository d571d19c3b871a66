// From net/http's request to REQUEST (SPEC.md §5.1).

package web

import (
	"crypto/tls"
	"fmt"
	"maps"
	"net"
	"net/http"
	"net/textproto"
	"slices"
	"strconv"
	"strings"

	"github.com/workerhost/workerhost/host/internal/http1"
	"github.com/workerhost/workerhost/protocol"
)

// describe fills in everything but the body.
func (x *exchange) describe(v *visit) {
	m, r := &x.request, v.r
	m.ID = v.id
	m.Method, m.Target, m.Host = r.Method, v.target, r.Host
	m.Version = version(r)
	m.Scheme = "http"
	m.Length = -1
	m.Remote = remote(r)
	if r.TLS != nil {
		m.Scheme = "https"
		x.tls = protocol.TLS{
			Version:    tls.VersionName(r.TLS.Version),
			Cipher:     tls.CipherSuiteName(r.TLS.CipherSuite),
			ServerName: r.TLS.ServerName,
			ALPN:       r.TLS.NegotiatedProtocol,
			Client:     clientCertificate(r.TLS),
		}
		m.TLS = &x.tls
	}
	if v.scheme != "" {
		m.Scheme = v.scheme
	}
	fields := v.listed
	if fields == nil {
		x.fields = appendFields(x.fields[:0], r.Header)
		fields = x.fields
	}
	m.Headers = appendForwarded(m.Headers, fields)
	if len(r.Trailer) > 0 { // net/http has taken the field away
		m.Headers = append(m.Headers, "Trailer", strings.Join(slices.Sorted(maps.Keys(r.Trailer)), ", "))
	}
}

// clientCertificate is the one that the client has shown, and that was verified; nil without.
func clientCertificate(state *tls.ConnectionState) *protocol.ClientCertificate {
	if len(state.VerifiedChains) == 0 {
		return nil
	}
	c := state.PeerCertificates[0]
	told := &protocol.ClientCertificate{Subject: c.Subject.String(), Issuer: c.Issuer.String(),
		Serial: fmt.Sprintf("%X", c.SerialNumber)}
	if len(c.Raw) <= protocol.MaxCertificate {
		told.DER = c.Raw
	}
	return told
}

// remote is the client's address; "" for a client of a unix socket, which Go calls "@".
func remote(r *http.Request) string {
	if r.RemoteAddr == "@" {
		return ""
	}
	return r.RemoteAddr
}

// local is the address that the client has come to; "" on a unix socket.
func local(r *http.Request) string {
	switch a := r.Context().Value(http.LocalAddrContextKey).(type) {
	case *net.TCPAddr:
		return a.String()
	case *net.UDPAddr: // HTTP/3
		return a.String()
	}
	return ""
}

func version(r *http.Request) string {
	switch {
	case r.ProtoMajor == 3:
		return "3"
	case r.ProtoMajor == 2:
		return "2"
	case r.ProtoMinor == 0:
		return "1.0"
	}
	return "1.1"
}

// hopByHop says whether a field, named in its canonical form, is about one connection only (RFC 9110 §7.6.1).
func hopByHop(name string) bool {
	switch name {
	case "Connection", "Keep-Alive", "Proxy-Connection", "Transfer-Encoding", "Te", "Trailer", "Upgrade":
		return true
	case "X-Worker-Fetch": // a worker's word to the host, which nobody else gives and nobody hears
		return true
	}
	return false
}

// dropNamed takes out the fields that a client's Connection names (RFC 9110 §7.6.1), before anybody goes by them and
// before those of the host come in their place: what is the host's own word no client takes away.
func (v *visit) dropNamed() {
	var space [2]string
	var named map[string]bool // in one go, since there may be thousands of either
	for _, list := range v.appendValues(space[:0], "Connection") {
		if list == "keep-alive" { // what most clients say
			continue
		}
		for token := range strings.SplitSeq(list, ",") {
			name, _, _ := strings.Cut(token, ";")
			name = textproto.CanonicalMIMEHeaderKey(strings.Trim(name, " \t"))
			if name == "Close" || hopByHop(name) || name == v.terms.RequestID {
				continue // Upgrade and the like are for us, and go no further
			}
			if named == nil {
				named = map[string]bool{}
			}
			named[name] = true
		}
	}
	if named != nil {
		v.remove(func(name string) bool { return named[name] })
	}
}

// hasToken says whether one of the comma-separated lists names token.
func hasToken(lists []string, token string) bool {
	for _, list := range lists {
		for list != "" {
			item := list
			if i := strings.IndexByte(list, ','); i >= 0 {
				item, list = list[:i], list[i+1:]
			} else {
				list = ""
			}
			item, _, _ = strings.Cut(item, ";")
			if strings.EqualFold(strings.Trim(item, " \t"), token) {
				return true
			}
		}
	}
	return false
}

// saneID takes what fits into a log line.
func saneID(id string) bool {
	for i := 0; i < len(id); i++ {
		if c := id[i]; !http1.TokenByte[c] && c != ':' && c != '/' && c != '=' && c != '@' {
			return false
		}
	}
	return id != "" && len(id) <= 128
}

// trailerPairs flattens a request's trailers; those that must not be trailers (RFC 9110 §6.5.1), and malformed ones,
// are left out.
func trailerPairs(h http.Header) []string {
	var pairs []string
	for _, f := range appendFields(nil, h) {
		if pair := []string{f.name, f.value}; !noTrailer(f.name) && protocol.CheckHeaders(pair) == nil {
			pairs = append(pairs, pair...)
		}
	}
	return pairs
}

// noTrailer says whether a field, named in its canonical form, must not be a trailer: who merged it with the headers
// could frame, route, cache, authenticate or read the message otherwise (RFC 9110 §6.5.1).
func noTrailer(name string) bool {
	switch name {
	case "Content-Length", "Content-Encoding", "Content-Type", "Content-Range", // what the body is; also hopByHop
		"Host", "Cache-Control", "Expect", "Max-Forwards", "Pragma", "Range", "Proxy",
		"Authorization", "Proxy-Authorization", "Proxy-Authenticate", "Www-Authenticate", "Cookie", "Set-Cookie",
		"Age", "Date", "Expires", "Location", "Retry-After", "Vary":
		return true
	}
	return hopByHop(name) || strings.HasPrefix(name, "If-")
}

// safe says whether a method only asks (RFC 9110 §9.2.1), so that a request may be sent again.
func safe(method string) bool {
	return method == http.MethodGet || method == http.MethodHead || method == http.MethodOptions
}

// repeatable says which kind of request, if any, may be tried once more, for [protocol.Exchange].
func (v *visit) repeatable(policy protocol.Retry) (safely, keyed bool) {
	switch {
	case policy == protocol.RetryNever:
		return false, false
	case safe(v.r.Method):
		return true, false
	}
	return false, policy == protocol.RetryKeyed && v.value("Idempotency-Key") != ""
}

// contentLength reads a Content-Length of ours: digits alone.
func contentLength(s string) (int64, bool) {
	if s == "" || len(s) > 18 || strings.Trim(s, "0123456789") != "" {
		return 0, false
	}
	n, err := strconv.ParseInt(s, 10, 64)
	return n, err == nil
}
