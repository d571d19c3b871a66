// handshake.go has what listeners ask: for the certificate of a handshake, and for the answer to a challenge.

package acme

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/caddyserver/certmagic"
)

// ChallengeProtocol is what an authority asks for in a handshake that is a challenge (RFC 8737).
const ChallengeProtocol = "acme-tls/1"

// GetCertificate gives the certificate for a handshake. One that is made for it (Settings.Ask) is waited for until the
// handshake's context ends, and is there for the next one then.
func (m *Manager) GetCertificate(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	s := m.now.Load()
	if s == nil {
		return nil, errors.New("there are no certificates of the host's own getting")
	}
	name := strings.ToLower(strings.TrimSuffix(hello.ServerName, "."))
	if s.demand == nil || name == "" || s.manages(name) || slices.Contains(hello.SupportedProtos, ChallengeProtocol) {
		return s.named.GetCertificate(hello)
	}
	return m.asking.get(s, hello)
}

// manages says whether one of Names is for a name.
func (s *managed) manages(name string) bool {
	_, parent, _ := strings.Cut(name, ".")
	return s.names[name] || s.names["*."+parent]
}

// Challenge gives the answer to a challenge of http-01 (RFC 8555 §8.3): to GET of a path that begins with
// /.well-known/acme-challenge/. ok is false where none such is pending. It may have to look into the folder.
func (m *Manager) Challenge(ctx context.Context, host, path string) (answer string, ok bool) {
	s := m.now.Load()
	if s == nil || !s.HTTP || s.DNS != nil {
		return "", false
	}
	name := strings.ToLower(host)
	if h, _, err := net.SplitHostPort(name); err == nil {
		name = h
	}
	if s.demand == nil && !s.manages(strings.TrimSuffix(name, ".")) {
		return "", false // nobody asks for it
	}
	r := (&http.Request{Method: http.MethodGet, URL: &url.URL{Path: path}, Host: host}).WithContext(ctx)
	w := &kept{header: http.Header{}}
	for _, c := range []*certmagic.Config{s.named, s.demand} {
		if c != nil && c.Issuers[0].(*certmagic.ACMEIssuer).HandleHTTPChallenge(w, r) {
			return w.text.String(), true
		}
	}
	return "", false
}

// kept implements http.ResponseWriter.
type kept struct {
	header http.Header
	text   strings.Builder
}

func (k *kept) Header() http.Header         { return k.header }
func (k *kept) Write(p []byte) (int, error) { return k.text.Write(p) }
func (k *kept) WriteHeader(int)             {}

// askers bound what strangers cause who make up names.
type askers struct {
	places chan struct{} // one for each handshake that waits for a certificate to be made
	mu     *sync.Mutex
	denied map[string]time.Time // names that were refused, and until when that counts; guarded by mu
}

const (
	mostAskers = 64
	mostDenied = 4096
	denialTime = time.Minute
)

func newAskers() askers {
	return askers{make(chan struct{}, mostAskers), new(sync.Mutex), map[string]time.Time{}}
}

var errTooMany = errors.New("too many clients wait for certificates that are being made")

// get has a certificate made, unless there is one.
func (a *askers) get(s *managed, hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	type result struct {
		pair *tls.Certificate
		err  error
	}
	select {
	case a.places <- struct{}{}:
	default:
		return nil, errTooMany
	}
	made := make(chan result, 1)
	go func() { // ends with the settings, or within the library's three minutes
		defer func() { <-a.places }()
		pair, err := s.demand.GetCertificateWithContext(s.wanted, hello)
		made <- result{pair, err}
	}()
	select {
	case r := <-made:
		return r.pair, r.err
	case <-hello.Context().Done():
		return nil, hello.Context().Err()
	}
}

// ask asks about a name, unless it was refused just now.
func (a *askers) ask(ctx context.Context, name string, who func(context.Context, string) error) error {
	a.mu.Lock()
	until := a.denied[name]
	a.mu.Unlock()
	if time.Now().Before(until) {
		return fmt.Errorf("%s was refused within the last minute", name)
	}
	err := who(ctx, name)
	if err != nil && ctx.Err() == nil {
		a.mu.Lock()
		if len(a.denied) >= mostDenied {
			clear(a.denied)
		}
		a.denied[name] = time.Now().Add(denialTime)
		a.mu.Unlock()
	}
	return err
}
