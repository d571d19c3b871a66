// dial.go is [[dial]]: connections that the host makes, and that always stand.

package config

import (
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/workerhost/workerhost/host/internal/fetch/place"
	"github.com/workerhost/workerhost/protocol"
)

// Dial is a connection with another server, whose events the workers of a pool handle.
type Dial struct {
	Name           string            `key:"name" absent:"required" means:"its name, which no other dial of the pool's realm has"`
	URL            string            `key:"url" holds:"URL" absent:"required" means:"what is dialed: wss:// or ws:// a WebSocket, tls:// or tcp:// with a port TCP, https:// or http:// server-sent events; it need not stand in allow of the pool's fetch, but networks and secrets are those of that"`
	Pool           string            `key:"pool" absent:"the only pool" means:"pool whose workers handle its events"`
	Groups         []string          `key:"groups" absent:"[]" means:"groups that the first connection is in; the next ones have what the one before had at its end, as with uid and session"`
	UID            string            `key:"uid" absent:"none" means:"user id that it is bound to"`
	Session        map[string]string `key:"session" absent:"{}" means:"its session"`
	Headers        map[string]string `key:"headers" absent:"{}" means:"headers of the request of a WebSocket or of server-sent events; {secret:NAME} in a value stands for a secret of [pool.NAME.fetch]"`
	Subprotocols   []string          `key:"subprotocols" absent:"[]" means:"subprotocols that a WebSocket offers, the best first"`
	Framing        string            `key:"framing" absent:"\"raw\", or by the delimiter" oneof:"raw line length16 length32" means:"of TCP: where a message ends, as in [[listen]]"`
	Delimiter      string            `key:"delimiter" bytes:"any" absent:"none" means:"of TCP, in place of framing: the bytes that end a message"`
	Reconnect      bool              `key:"reconnect" default:"true" means:"whether it is tried again when it ends, or does not come to stand"`
	ReconnectMax   time.Duration     `key:"reconnect_max" default:"60s" min:"100ms" means:"longest pause between two tries; they begin with half a second at most, and double"`
	ConnectTimeout time.Duration     `key:"connect_timeout" default:"10s" min:"1ms" means:"time until it stands, handshakes included"`
	PingInterval   time.Duration     `key:"ping_interval" default:"30s" min:"0" means:"silence after which a WebSocket's other end is pinged; 0 is never"`
	PongTimeout    time.Duration     `key:"pong_timeout" default:"10s" min:"0" means:"time for the answer to a ping; beyond it 1006; 0 is for ever"`
	IdleTimeout    time.Duration     `key:"idle_timeout" default:"0s" min:"0" means:"time without a message, either way, and of server-sent events without a byte; beyond it 1001; 0 is for ever"`
	MaxMessage     Size              `key:"max_message" default:"1MiB" min:"1" max:"128MiB" means:"largest message of the other end; beyond it 1009"`

	at    string
	url   *url.URL
	place place.Place
}

// Place is what it dials.
func (d *Dial) Place() place.Place { return d.place }

// Asked is the dial as a worker would ask for it.
func (d *Dial) Asked() protocol.Dial {
	o := protocol.NewDial(d.URL, d.Name)
	o.Groups, o.UID, o.Reconnect = d.Groups, d.UID, d.Reconnect
	o.Subprotocols, o.Delimiter = d.Subprotocols, d.Delimiter
	if d.Framing != "" {
		o.Framing = d.Framing
	} else if d.Delimiter != "" {
		o.Framing = "delimiter"
	}
	for _, name := range slices.Sorted(maps.Keys(d.Headers)) {
		o.Headers = append(o.Headers, name, d.Headers[name])
	}
	for _, key := range slices.Sorted(maps.Keys(d.Session)) {
		value, _ := protocol.NewValue(d.Session[key]) // text is always one
		o.Session = append(o.Session, protocol.Entry{Key: key, Value: value})
	}
	o.ReconnectMax, o.ConnectTimeout = d.ReconnectMax.Milliseconds(), d.ConnectTimeout.Milliseconds()
	o.PingInterval, o.PongTimeout = d.PingInterval.Milliseconds(), d.PongTimeout.Milliseconds()
	o.IdleTimeout, o.MaxMessage = d.IdleTimeout.Milliseconds(), int64(d.MaxMessage)
	return o
}

func (d *decoder) dials(at string, v any) (dials []*Dial) {
	for i, item := range d.tables(at, v) {
		one := &Dial{at: join(at, fmt.Sprint(i))}
		setDefaults(one)
		d.table(one.at, item, one)
		dials = append(dials, one)
	}
	return dials
}

// linkDials looks at the dials, whose pools have been looked at.
func (c *Config) linkDials(names []string, fail fail) {
	for i, d := range c.Dials {
		if d.Pool == "" && len(c.Pools) == 1 {
			d.Pool = c.Pools[0].Name
		}
		p := c.Pool(d.Pool)
		switch {
		case d.Pool == "":
			fail(d.at, "whose workers handle its events? Write pool = %q", first(names))
			continue
		case p == nil:
			hint := "the pools are " + listed(names)
			if name := Nearest(d.Pool, names); name != "" {
				hint = fmt.Sprintf("did you mean %q?", name)
			}
			fail(d.at+".pool", "there is no pool %q: %s", d.Pool, hint)
			continue
		}
		if !protocol.IsDialName(d.Name) {
			fail(d.at+".name", "expected a name of 1 to 128 bytes without control characters, found %s",
				describe(d.Name))
		}
		for _, other := range c.Dials[:i] {
			if o := c.Pool(other.Pool); other.Name == d.Name && o != nil && o.InRealm() == p.InRealm() {
				fail(d.at+".name", "there is a [[dial]] of the name %s already: choose another", describe(d.Name))
				break
			}
		}
		d.check(p, fail)
	}
}

// check looks at a dial of a pool.
func (d *Dial) check(p *Pool, fail fail) {
	var err error
	if d.url, err = place.Lasting(d.URL); err != nil {
		fail(d.at+".url", "%s: %v", describe(d.URL), err)
		return
	}
	bare := *d.url
	bare.RawQuery, bare.ForceQuery = "", false
	if bare.Scheme == "tcp" || bare.Scheme == "tls" {
		bare.Path, bare.RawPath = "", ""
	}
	if d.place, err = place.Parse(bare.String()); err != nil {
		fail(d.at+".url", "%s: %v", describe(d.URL), err)
		return
	}
	if d.Framing != "" && d.Delimiter != "" {
		fail(d.at+".delimiter", "framing is given as well: keep one of them")
		return
	}
	asked := d.Asked()
	if err := asked.Check(d.url.Scheme); err != nil {
		fail(d.at, "%v", err)
	}
	for name, value := range d.Headers {
		d.checkSecrets(p, name, value, fail)
	}
}

// checkSecrets looks at what a header asks for.
func (d *Dial) checkSecrets(p *Pool, name, value string, fail fail) {
	at := d.at + ".headers." + name
	for {
		_, rest, found := strings.Cut(value, "{secret:")
		if !found {
			return
		}
		key, behind, ends := strings.Cut(rest, "}")
		i := slices.IndexFunc(p.Fetch.Secrets, func(s *FetchSecret) bool { return s.Name == key })
		switch {
		case !ends:
			fail(at, "it has {secret: without its end")
			return
		case i < 0:
			fail(at, "it asks for the secret %q: write [pool.%s.fetch.secrets.%s]", key, p.Name, key)
		case p.Fetch.Secrets[i].Header != "" && !strings.EqualFold(p.Fetch.Secrets[i].Header, name):
			fail(at, "the secret %s goes into the header %s alone", key, p.Fetch.Secrets[i].Header)
		case !place.Any(p.Fetch.Secrets[i].places, d.url):
			fail(at, "the secret %s must not go to %s: write it into allow of the secret", key, d.url.Host)
		}
		value = behind
	}
}
