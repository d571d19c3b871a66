// site.go: a stack that is asked by HTTP.

package rehearse

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"syscall"
	"time"
)

// Stack is one of the two that are asked. Ask is safe for concurrent use, and returns when the answer is whole, or
// when the context ends. An answer that there is none is one with a Failure.
type Stack interface {
	Name() string
	Ask(ctx context.Context, r *Request) *Answer
}

// SiteSettings say how a site is asked.
type SiteSettings struct {
	URL      string        // http://old.example, with a path that stands before each target, or without one
	Address  string        // where it is instead of there: HOST:PORT, or the path of a unix socket
	Host     string        // the name that is asked for, whatever a request says
	Fallback string        // the one where a request says none; "" is that of URL
	Headers  []string      // name, value, name, value, … in place of a request's own
	Timeout  time.Duration // for one answer
	Insecure bool          // its certificate is not looked at
	Agent    string        // User-Agent
	Parallel int           // requests at a time
}

// Site is a stack at a URL. Close has to follow.
type Site struct {
	settings  SiteSettings
	base      *url.URL
	transport *http.Transport
}

// NewSite makes one, without connecting.
func NewSite(s SiteSettings) (*Site, error) {
	base, err := url.Parse(s.URL)
	switch {
	case err != nil:
		return nil, err
	case base.Scheme != "http" && base.Scheme != "https" || base.Host == "":
		return nil, fmt.Errorf("expected http://HOST or https://HOST, found %q", s.URL)
	case base.RawQuery != "" || base.Fragment != "" || base.User != nil:
		return nil, fmt.Errorf("expected a URL without a query, a fragment and a password (that is for a header), "+
			"found %q", base.Redacted())
	}
	site := &Site{settings: s, base: base}
	dialer := &net.Dialer{Timeout: s.Timeout}
	name := s.Host
	if host, _, err := net.SplitHostPort(name); err == nil {
		name = host
	}
	site.transport = &http.Transport{
		DisableCompression: true, MaxIdleConnsPerHost: s.Parallel, MaxResponseHeaderBytes: 256 << 10,
		TLSClientConfig: &tls.Config{InsecureSkipVerify: s.Insecure, ServerName: name},
		DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			switch {
			case strings.HasPrefix(s.Address, "/"):
				network, address = "unix", s.Address
			case s.Address != "":
				address = s.Address
			}
			return dialer.DialContext(ctx, network, address)
		},
	}
	return site, nil
}

// Name implements [Stack]: it is its URL.
func (s *Site) Name() string { return s.base.String() }

// Host is that of its URL.
func (s *Site) Host() string { return s.base.Host }

// Secure says whether it is asked by HTTPS.
func (s *Site) Secure() bool { return s.base.Scheme == "https" }

// Close lets go of its connections.
func (s *Site) Close() { s.transport.CloseIdleConnections() }

// Ask implements [Stack]. It follows no redirection.
func (s *Site) Ask(ctx context.Context, r *Request) *Answer {
	ctx, cancel := context.WithTimeout(ctx, s.settings.Timeout)
	defer cancel()
	began := time.Now()
	a := &Answer{}
	request, err := s.request(ctx, r)
	if err == nil {
		err = s.ask(request, a)
	}
	a.Took = time.Since(began)
	if err != nil {
		a.Status, a.Failure = 0, failure(err)
	}
	return a
}

func (s *Site) request(ctx context.Context, r *Request) (*http.Request, error) {
	request, err := http.NewRequestWithContext(ctx, r.Method, s.base.Scheme+"://"+s.base.Host+"/",
		bytes.NewReader(r.Body))
	if err != nil {
		return nil, err
	}
	// as it came: what is escaped in it, and how, is part of what is compared
	request.URL.Opaque = strings.TrimSuffix(s.base.EscapedPath(), "/") + r.Target
	if strings.HasPrefix(request.URL.Opaque, "//") { // which net/http would take for a host
		path, query, _ := strings.Cut(request.URL.Opaque, "?")
		request.URL.Opaque, request.URL.RawQuery = "", query
		if request.URL.Path, err = url.PathUnescape(path); err != nil {
			return nil, err
		}
		request.URL.RawPath = path
	}
	request.Host = first(s.settings.Host, r.Host, s.settings.Fallback, s.base.Host)
	request.Header = http.Header{"User-Agent": {s.settings.Agent}, "Accept": {"*/*"}}
	for i := 0; i+1 < len(r.Headers); i += 2 {
		request.Header.Set(r.Headers[i], r.Headers[i+1])
	}
	for i := 0; i+1 < len(s.settings.Headers); i += 2 {
		request.Header.Set(s.settings.Headers[i], s.settings.Headers[i+1])
	}
	return request, nil
}

func (s *Site) ask(request *http.Request, a *Answer) error {
	response, err := s.transport.RoundTrip(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	a.Status = response.StatusCode
	for name, values := range response.Header {
		for _, value := range values {
			a.Headers = append(a.Headers, [2]string{name, value})
		}
	}
	if isStream(a.value("Content-Type")) {
		a.Length = -1
		return nil
	}
	if a.Body, err = io.ReadAll(io.LimitReader(response.Body, mostBody)); err != nil {
		return err
	}
	more, err := io.Copy(io.Discard, response.Body)
	a.Length = int64(len(a.Body)) + more
	return err
}

func isStream(kind string) bool {
	kind = strings.ToLower(kind)
	return strings.HasPrefix(kind, "text/event-stream") || strings.HasPrefix(kind, "multipart/x-mixed-replace")
}

// Failures that both stacks may have; all others say what the system says.
const (
	FailedRefused = "nobody listens there"
	FailedTimeout = "no end in time"
	FailedCut     = "the answer broke off"
)

func failure(err error) string {
	var timeout net.Error
	switch {
	case errors.Is(err, syscall.ECONNREFUSED), errors.Is(err, syscall.ENOENT):
		return FailedRefused
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout():
		return FailedTimeout
	case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF), errors.Is(err, syscall.ECONNRESET):
		return FailedCut
	}
	return err.Error()
}
