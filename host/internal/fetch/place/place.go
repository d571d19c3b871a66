// Package place knows which URLs may be asked for. What is compared is what is sent: the URL in its canonical form. It
// does no I/O, and what lies behind a name is nothing to it.
package place

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/workerhost/workerhost/protocol"
)

// Place is a URL that may be asked for, or all below one.
type Place struct {
	scheme, host, port string
	path               string // canonical
	below              bool   // all that begins with path
}

// Parse reads "https://api.example/v1/chat", which is that alone, whatever its query; "https://api.example/v1/*",
// or with a slash at its end, which is all below; or "https://api.example", which is all there. Those that are dialed
// for connections that last are "wss://feed.example/*", and "tls://feed.example:9000", which has no path.
func Parse(text string) (Place, error) {
	trimmed, below := strings.CutSuffix(text, "*")
	u, err := canonical(trimmed, schemes)
	switch {
	case err != nil:
		return Place{}, err
	case strings.Contains(trimmed, "*"):
		return Place{}, errors.New("a * stands at the end alone, for all below: write each host by itself")
	case u.RawQuery != "" || u.ForceQuery:
		return Place{}, errors.New("a query is not compared: leave it away")
	case below && !strings.HasSuffix(trimmed, "/"):
		return Place{}, errors.New("a * stands behind a slash, for all below")
	}
	p := u.EscapedPath()
	return Place{u.Scheme, u.Hostname(), port(u), p, strings.HasSuffix(p, "/")}, nil
}

// Host is the place's host, with its port.
func (p Place) Host() string { return net.JoinHostPort(p.host, p.port) }

// Host is a URL's host, with its port also where that is the scheme's own.
func Host(u *url.URL) string { return net.JoinHostPort(u.Hostname(), port(u)) }

// Has says whether a URL of [URL] lies there. Those who decode %2F and %5C on the other end, or leave away what comes
// after a semicolon in each segment, may find another path than we do, so that has to lie there as well.
func (p Place) Has(u *url.URL) bool {
	if u.Scheme != p.scheme || u.Hostname() != p.host || port(u) != p.port {
		return false
	}
	path := u.EscapedPath()
	if !p.hasPath(path) {
		return false
	}
	for range 3 { // what is escaped twice, some decode twice
		decoded := unescape(path)
		if decoded == path { // whatever % there is stands for itself
			return true
		}
		path = protocol.ResolvePath(strings.ReplaceAll(decoded, `\`, "/"))
		if !p.hasPath(path) {
			return false
		}
	}
	return true
}

func (p Place) hasPath(path string) bool {
	if path != p.path && !(p.below && strings.HasPrefix(path, p.path)) {
		return false
	}
	if strings.IndexByte(path, ';') < 0 {
		return true
	}
	bare := Place{path: protocol.ResolvePath(parameters.ReplaceAllString(p.path, "")), below: p.below}
	return bare.hasPath(protocol.ResolvePath(parameters.ReplaceAllString(path, "")))
}

var (
	parameters = regexp.MustCompile(`;[^/]*`) // of a segment (RFC 3986 §3.3)
	escapes    = regexp.MustCompile(`%[0-9A-Fa-f]{2}`)
)

// unescape decodes the escapes that there are, and leaves any other % as it is.
func unescape(path string) string {
	return escapes.ReplaceAllStringFunc(path, func(escape string) string {
		c, _ := strconv.ParseUint(escape[1:], 16, 8)
		return string([]byte{byte(c)})
	})
}

// schemes are those of the places that there are.
var schemes = []string{"https", "http", "wss", "ws", "tls", "tcp"}

// Lasting reads a URL of a connection that lasts, and makes it canonical, as URL does for one that may be fetched.
func Lasting(text string) (*url.URL, error) { return canonical(text, schemes) }

// URL reads a URL and makes it canonical: letters of scheme and host are small, escapes of unreserved characters
// decoded, dot segments resolved. It refuses what has no such form, or what parsers read in different ways.
func URL(text string) (*url.URL, error) { return canonical(text, schemes[:2]) }

func canonical(text string, of []string) (*url.URL, error) {
	for i := range len(text) {
		if c := text[i]; c <= ' ' || c >= 0x7f || strings.IndexByte("\\\"<>^`{|}", c) >= 0 {
			return nil, fmt.Errorf("it holds a %q at byte %d, which a URL has to escape", c, i)
		}
	}
	u, err := url.Parse(text)
	if err != nil {
		return nil, errors.New("it is no URL") // the error would have all of it, secrets included
	}
	u.Scheme, u.Host = strings.ToLower(u.Scheme), strings.ToLower(u.Host)
	host := u.Hostname()
	switch {
	case !slices.Contains(of, u.Scheme):
		return nil, errors.New("it does not begin with " + orList(of))
	case u.User != nil:
		return nil, errors.New("it has a user or a password before its host: put them into a header")
	case u.Opaque != "", host == "", strings.HasSuffix(host, "."), strings.ContainsAny(host, "%@"),
		u.Port() == "" && strings.HasSuffix(u.Host, ":"):
		return nil, errors.New("it has no proper host")
	case u.Fragment != "", strings.Contains(text, "#"):
		return nil, errors.New("it has a fragment, which is never sent: leave the # away")
	}
	if strings.HasPrefix(u.Host, "[") {
		a, err := netip.ParseAddr(host)
		if err != nil || !a.Is6() {
			return nil, errors.New("it has no proper host")
		}
	}
	path := u.EscapedPath()
	if u.Scheme == "tcp" || u.Scheme == "tls" {
		switch {
		case u.Port() == "":
			return nil, errors.New("it has no port")
		case path != "" && path != "/", u.RawQuery != "", u.ForceQuery:
			return nil, errors.New("it has a path or a query, of which " + u.Scheme + " knows nothing")
		}
	}
	if path == "" {
		path = "/"
	}
	path, ok := protocol.CanonicalPath(path)
	if !ok {
		return nil, errors.New("its path leads above the root, or has a % that begins no escape")
	}
	if u.Path, err = url.PathUnescape(path); err != nil {
		return nil, errors.New("its path has a % that begins no escape")
	}
	u.RawPath = path
	return u, nil
}

// orList names schemes: "https:// or http://".
func orList(of []string) string {
	last := len(of) - 1
	return strings.Join(of[:last], "://, ") + "://" + " or " + of[last] + "://"
}

// port is a URL's, or that of its scheme.
func port(u *url.URL) string {
	switch own := u.Port(); {
	case own != "":
		return own
	case u.Scheme == "https", u.Scheme == "wss":
		return "443"
	}
	return "80"
}

// Any says whether one of the places has the URL.
func Any(places []Place, u *url.URL) bool {
	for _, p := range places {
		if p.Has(u) {
			return true
		}
	}
	return false
}
