// fetch.go is [pool.NAME.fetch]: which requests workers may leave to the host.

package config

import (
	"fmt"
	"maps"
	"net/http"
	"net/netip"
	"os"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/workerhost/workerhost/host/internal/fetch/place"
	"github.com/workerhost/workerhost/host/internal/guard"
)

// Fetch says what a pool's workers may have the host fetch.
type Fetch struct {
	Allow     []string      `key:"allow" holds:"array of URLs" absent:"[]: nothing" means:"what workers may leave to the host to fetch, or to dial: a URL, such as \"https://api.example/v1/chat\", or all below one, \"https://api.example/v1/*\"; and for what is dialed \"wss://feed.example/*\" or \"tls://feed.example:9000\"; queries are not compared; host help fetch, host help dial"`
	Networks  []string      `key:"networks" holds:"array of networks" absent:"[]" means:"addresses that may be dialed for it besides public ones, such as \"10.1.0.0/16\": those of loopback, private and link-local networks are refused, unless allow has the very address"`
	Header    bool          `key:"header" absent:"false" means:"the header X-Worker-Fetch of a response asks for a fetch as well, for code that can't return Response::fetch(); without this it is removed, as it is from whatever clients get"`
	AtOnce    int           `key:"at_once" default:"10000" min:"1" max:"1000000" means:"fetches of the pool at once; beyond it 503"`
	PerHost   int           `key:"per_host" default:"10000" min:"1" max:"1000000" means:"those to one host and port, which the URL that is asked for names: redirects are not counted; beyond it 503"`
	FirstByte time.Duration `key:"first_byte_timeout" default:"60s" min:"0" means:"time until the other end begins to answer; beyond it 504; 0 is for ever"`
	Timeout   time.Duration `key:"timeout" default:"10m" min:"0" means:"time for all of a fetch, however slow its client; 0 is for ever"`
	MaxBody   Size          `key:"max_body" default:"1MiB" min:"0" max:"64MiB" means:"largest body of such a request, which is kept in memory until it is over"`
	MaxSize   Size          `key:"max_size" default:"0" min:"0" means:"largest answer that is passed on; one that is longer is cut off; 0 is without a limit"`
	Dials     int           `key:"dials" default:"1000" min:"0" max:"1000000" means:"connections that workers may have the host make, and keep, at a time; beyond it dial.open fails; host help dial"`
	Keep      Size          `key:"keep" default:"1MiB" min:"0" max:"64MiB" means:"most of an answer that is kept for onFetched, however much a worker asks for"`

	Secrets []*FetchSecret `key:"secrets"`

	places   []place.Place
	networks []netip.Prefix
}

// FetchSecret is one that the host puts into the header of a fetch, and that no worker knows.
type FetchSecret struct {
	Name string

	From   string   `key:"from" holds:"path, or env:NAME" absent:"required" means:"file that holds the secret, space around it aside, or variable of the host's environment; {secret:NAME} in a header of a fetch stands for it. It is read at the start and at each reload"`
	Header string   `key:"header" absent:"any" means:"only header that it goes into"`
	Allow  []string `key:"allow" holds:"array of URLs" absent:"allow of the pool, if that has a single host" means:"only places that it goes to, as in allow of the pool; of all others a fetch that asks for it is refused"`

	at     string
	env    bool // From names a variable
	secret string
	places []place.Place
}

// Places are those of Allow.
func (f *Fetch) Places() []place.Place { return f.places }

// Prefixes are Networks.
func (f *Fetch) Prefixes() []netip.Prefix { return f.networks }

// Places are those that it may go to.
func (s *FetchSecret) Places() []place.Place { return s.places }

// Secret is what it stands for.
func (s *FetchSecret) Secret() string { return s.secret }

var secretName = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_-]*$`)

func (d *decoder) fetchSecrets(at string, v any) (secrets []*FetchSecret) {
	table, ok := v.(map[string]any)
	if !ok {
		d.fail(at, "expected a table of tables, found %s: write { NAME = { from = \"FILE\" } }", describe(v))
		return nil
	}
	for _, name := range slices.Sorted(maps.Keys(table)) {
		s := &FetchSecret{Name: name, at: join(at, name)}
		if !secretName.MatchString(name) {
			d.fail(s.at, "%q is no name for a secret: use letters, digits, - and _, beginning with a letter", name)
			continue
		}
		d.table(s.at, table[name], s)
		if variable, is := strings.CutPrefix(s.From, "env:"); is {
			value, set := d.env(variable)
			if s.env, s.secret = true, strings.TrimSpace(value); !set {
				d.fail(s.at+".from", "the host's environment has no variable %q", variable)
			}
		}
		secrets = append(secrets, s)
	}
	return secrets
}

func (f *Fetch) check(c *Config, at string, fail fail) {
	f.places = checkPlaces(f.Allow, at+".allow", fail)
	f.networks = nil
	for i, text := range f.Networks {
		n, err := guard.ParseNetwork(text)
		if err != nil {
			fail(fmt.Sprintf("%s.networks.%d", at, i),
				`expected a network such as "10.0.0.0/8", or an address, found %s`, describe(text))
			continue
		}
		f.networks = append(f.networks, n.Masked())
	}
	if len(f.Allow) == 0 {
		for _, key := range []string{"networks", "header", "at_once", "per_host", "first_byte_timeout", "timeout",
			"max_body", "max_size", "keep", "secrets", "dials"} {
			if (key == "networks" || key == "secrets") && len(c.Dials) > 0 { // they are for a [[dial]]
				continue
			}
			if c.has(at + "." + key) {
				fail(at+"."+key, "has no effect without allow: write allow = [\"https://api.example/*\"]")
				return
			}
		}
	}
	for _, s := range f.Secrets {
		s.check(c, f, fail)
	}
}

func checkPlaces(texts []string, at string, fail fail) (places []place.Place) {
	for i, text := range texts {
		p, err := place.Parse(text)
		if err != nil {
			fail(fmt.Sprintf("%s.%d", at, i), "%s: %v", describe(text), err)
			continue
		}
		places = append(places, p)
	}
	return places
}

func (s *FetchSecret) check(c *Config, f *Fetch, fail fail) {
	if s.Header != "" && !headerName.MatchString(s.Header) {
		fail(s.at+".header", "expected the name of a header, such as \"Authorization\", found %s", describe(s.Header))
	}
	s.Header = http.CanonicalHeaderKey(s.Header)
	if s.places = checkPlaces(s.Allow, s.at+".allow", fail); len(s.Allow) == 0 {
		s.places = f.places
		for _, p := range f.places {
			if p.Host() != f.places[0].Host() {
				fail(s.at, "which of the hosts of allow may have it? Write allow = [\"https://%s/\"]",
					f.places[0].Host())
				break
			}
		}
	}
	switch {
	case s.From == "":
		fail(s.at, "no from: write from = \"FILE\", or from = \"env:NAME\" for a variable of the environment")
		return
	case !s.env:
		s.From = absolute(c.Folder, s.From)
		data, err := os.ReadFile(s.From)
		if err != nil {
			fail(s.at+".from", "can't read the secret: %v", unreadable(s.From, err))
			return
		}
		s.secret = strings.TrimSpace(string(data))
	}
	if s.secret == "" || strings.ContainsAny(s.secret, "\r\n\x00") {
		fail(s.at+".from", "%s holds no secret: expected one line of text", s.From)
	}
}
