// From REQUEST to http.Request (SPEC.md §5.1).

package sdk

import (
	"crypto/tls"
	"crypto/x509"
	"net/http"
	"net/textproto"
	"net/url"
	"strings"
	"sync"

	"github.com/workerhost/workerhost/protocol"
)

// newRequest builds what net/http's server would have built. It fails on a target that is none.
func newRequest(s *stream, m *protocol.Request) (*http.Request, error) {
	target, err := parseTarget(m.Method, m.Target)
	if err != nil {
		return nil, err
	}
	r := http.Request{
		Method:        m.Method,
		URL:           target,
		Header:        header(m.Headers),
		ContentLength: m.Length,
		Host:          m.Host,
		RemoteAddr:    m.Remote,
		RequestURI:    m.Target,
		Body:          http.NoBody,
		TLS:           tlsState(m),
	}
	if r.Host == "" {
		r.Host = target.Host
	}
	if m.Tunnel != "" { // which the host takes out (RFC 9110 §7.6.1), and tells apart
		r.Header["Connection"], r.Header["Upgrade"] = []string{"Upgrade"}, []string{m.Tunnel}
	}
	r.Proto, r.ProtoMajor, r.ProtoMinor = proto(m.Version)
	if s.body.empty {
		r.ContentLength = 0
	} else {
		r.Body = &s.body
		if m.Length < 0 && r.ProtoMajor == 1 {
			r.TransferEncoding = []string{"chunked"}
		}
	}
	if announced, ok := r.Header["Trailer"]; ok {
		delete(r.Header, "Trailer")
		r.Trailer = make(http.Header)
		for _, list := range announced {
			for name := range strings.SplitSeq(list, ",") {
				r.Trailer[http.CanonicalHeaderKey(strings.TrimSpace(name))] = nil
			}
		}
	}
	if parent := r.Header["Traceparent"]; len(parent) == 1 {
		s.ctx.trace = []string{"traceparent", parent[0]}
		if states := r.Header["Tracestate"]; len(states) > 0 {
			s.ctx.trace = append(s.ctx.trace, "tracestate", strings.Join(states, ","))
		}
	}
	request := r.WithContext(&s.ctx)
	s.body.request = request
	return request, nil
}

// parseTarget takes the four forms of RFC 9112 §3.2.
func parseTarget(method, target string) (*url.URL, error) {
	if method == http.MethodConnect && !strings.HasPrefix(target, "/") {
		u, err := url.ParseRequestURI("http://" + target)
		if err == nil {
			u.Scheme = ""
		}
		return u, err
	}
	return url.ParseRequestURI(target)
}

func proto(version string) (name string, major, minor int) {
	switch version {
	case "1.1":
		return "HTTP/1.1", 1, 1
	case "2":
		return "HTTP/2.0", 2, 0
	case "1.0":
		return "HTTP/1.0", 1, 0
	case "3":
		return "HTTP/3.0", 3, 0
	}
	name = "HTTP/" + version
	major, minor, _ = http.ParseHTTPVersion(name)
	return name, major, minor
}

// header makes a map of names and values. One array backs all values, as in net/textproto.
func header(pairs []string) http.Header {
	h := make(http.Header, len(pairs)/2)
	values := make([]string, len(pairs)/2)
	for i := 0; i+1 < len(pairs); i += 2 {
		name := textproto.CanonicalMIMEHeaderKey(pairs[i])
		if have := h[name]; have != nil {
			h[name] = append(have, pairs[i+1])
			continue
		}
		values[0] = pairs[i+1]
		h[name], values = values[:1:1], values[1:]
	}
	return h
}

var tlsNumbers = sync.OnceValue(func() map[string]uint16 {
	numbers := make(map[string]uint16)
	for v := tls.VersionTLS10; v <= tls.VersionTLS13; v++ {
		numbers[tls.VersionName(uint16(v))] = uint16(v)
	}
	for _, suites := range [][]*tls.CipherSuite{tls.CipherSuites(), tls.InsecureCipherSuites()} {
		for _, suite := range suites {
			numbers[suite.Name] = suite.ID
		}
	}
	return numbers
})

// tlsState tells of the client's connection; like net/http, nil stands for plain HTTP. Where the host knows no more
// than the scheme, the rest stays zero.
func tlsState(m *protocol.Request) *tls.ConnectionState {
	if m.TLS == nil && m.Scheme != "https" {
		return nil
	}
	state := &tls.ConnectionState{HandshakeComplete: true}
	if t := m.TLS; t != nil {
		state.Version = tlsNumbers()[t.Version]
		state.CipherSuite = tlsNumbers()[t.Cipher]
		state.ServerName = t.ServerName
		state.NegotiatedProtocol = t.ALPN
		if t.Client != nil {
			if c, err := x509.ParseCertificate(t.Client.DER); err == nil {
				state.PeerCertificates = []*x509.Certificate{c}
				state.VerifiedChains = [][]*x509.Certificate{{c}}
			}
		}
	}
	return state
}
