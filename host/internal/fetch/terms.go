// terms.go: what a generation of a pool may fetch, and within which limits.

package fetch

import (
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"github.com/workerhost/workerhost/host/internal/fetch/place"
	"github.com/workerhost/workerhost/protocol"
)

// Settings say what workers may have fetched.
type Settings struct {
	Allow    []place.Place
	Networks []netip.Prefix // addresses that may be dialed besides public ones
	Secrets  map[string]Secret
	Header   bool // X-Worker-Fetch of a response asks for a fetch

	AtOnce    int           // fetches of the pool at once
	PerHost   int           // those to one host
	FirstByte time.Duration // to the head of the answer; 0 is without a limit
	Timeout   time.Duration // for all of it; 0 is without a limit
	MaxBody   int64         // bytes of a request's body
	MaxSize   int64         // bytes of an answer's body; 0 is without a limit
	Keep      int64         // most bytes of an answer's body that FETCHED has
}

// Secret is what stands for {secret:NAME} in a request's header.
type Secret struct {
	Value  string
	Header string        // the only field that it goes into; "" is any
	Allow  []place.Place // the only places that it goes to
}

// Terms are the Settings of a generation. They never change.
type Terms struct {
	Settings
	client *http.Transport
}

// Asks says whether a response asks for a fetch, in whatever way, well or not.
func (t *Terms) Asks(m *protocol.Response) bool { return askedFor(m, t) != nil }

const (
	secretOpens  = "{secret:"
	secretCloses = "}"
)

// Fill puts secrets into the value of a field on its way to u. Its errors name no secret's value.
func (t *Terms) Fill(name, value string, u *url.URL) (string, error) {
	var b strings.Builder
	for {
		before, rest, found := strings.Cut(value, secretOpens)
		b.WriteString(before)
		if !found {
			return b.String(), nil
		}
		key, behind, ends := strings.Cut(rest, secretCloses)
		s, known := t.Secrets[key]
		switch {
		case !ends:
			return "", fmt.Errorf("header %s has %s without its end", name, secretOpens)
		case !known:
			return "", fmt.Errorf("header %s asks for the secret %q, which [fetch] secrets does not have", name, key)
		case s.Header != "" && !strings.EqualFold(s.Header, name):
			return "", fmt.Errorf("the secret %s goes into the header %s alone, and not into %s", key, s.Header, name)
		case !place.Any(s.Allow, u):
			return "", fmt.Errorf("the secret %s must not go to %s", key, u.Host)
		}
		b.WriteString(s.Value)
		value = behind
	}
}

var errNotAllowed = errors.New("[fetch] allow does not have it")

// target reads a URL that may be asked for.
func (t *Terms) target(text string) (*url.URL, error) {
	u, err := place.URL(text)
	if err == nil && !place.Any(t.Allow, u) {
		err = errNotAllowed
	}
	return u, err
}

// Target reads a URL that the host may dial for a connection that lasts (SPEC.md §16).
func (t *Terms) Target(text string) (*url.URL, error) {
	u, err := place.Lasting(text)
	if err == nil && !place.Any(t.Allow, u) {
		err = errNotAllowed
	}
	return u, err
}

// Prefixes are the networks that may be dialed besides public addresses.
func (t *Terms) Prefixes() []netip.Prefix { return t.Networks }

// IsForbidden says whether an error of Target is that the terms do not have the URL.
func (t *Terms) IsForbidden(err error) bool { return errors.Is(err, errNotAllowed) }
