// sockets.go looks at what a [[listen]] says of long-lived connections: which keys fit its protocol, and each other.

package config

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"
)

// Sockets is what a listener allows its long-lived connections. Message sizes, rates and time-outs are those of each
// connection.
type Sockets struct {
	Framing          string        `key:"framing" for:"tcp" absent:"\"line\", or by the delimiter" oneof:"raw line length16 length32" means:"tcp: where a message ends; raw: a message is what a read gives; line: at a line feed; length16 and length32: its length stands before it, big-endian"`
	Delimiter        string        `key:"delimiter" for:"tcp" bytes:"any" absent:"none" means:"tcp, in place of framing: the bytes that end a message, such as \"\\u0000\""`
	MaxMessage       Size          `key:"max_message" for:"http tcp udp" default:"1MiB" min:"1" max:"128MiB" means:"largest message of a client, when inflated; beyond it the connection closes with 1009, and a datagram is dropped. What large ones take beyond 64KiB each comes out of the 256MiB that all bodies and messages share; when those are lent out, who wants more waits for what workers have at hand, and closes with 1013 if no message that is whole holds any of it"`
	MessageRate      int           `key:"message_rate" for:"http tcp" default:"0" min:"0" max:"1000000" means:"messages per second from one connection, in the long run; beyond it the connection closes with 1008; 0 is without a limit"`
	MessageBurst     int           `key:"message_burst" for:"http tcp" absent:"twice the rate" min:"1" max:"1000000" means:"messages that may come at once"`
	HandshakeTimeout time.Duration `key:"handshake_timeout" for:"http tcp" default:"10s" min:"0" means:"time for workers to accept a connection, and for a client of tcp to agree on TLS; 0 is for ever"`
	IdleTimeout      time.Duration `key:"idle_timeout" for:"http tcp" default:"0s" min:"0" means:"time that a long-lived connection may be without a message, either way; beyond it 1001; 0 is for ever"`
	PingInterval     time.Duration `key:"ping_interval" for:"http" default:"30s" min:"0" means:"silence after which a WebSocket's client is pinged, and between comments to one of server-sent events; 0 is never"`
	PongTimeout      time.Duration `key:"pong_timeout" for:"http" default:"10s" min:"0" means:"time for the answer to a ping; beyond it 1006; 0 is for ever"`
	WriteTimeout     time.Duration `key:"write_timeout" for:"http tcp" default:"30s" min:"0" means:"time without the client of a long-lived connection taking a byte; 0 is for ever"`
	SendBuffer       Size          `key:"send_buffer" for:"http tcp" default:"1MiB" min:"1KiB" max:"1GiB" means:"what may wait to be sent to one slow client"`
	SlowClient       string        `key:"slow_client" for:"http tcp" default:"close" oneof:"close drop-oldest drop-newest" means:"when send_buffer is full: close with 1008, or drop the messages that have waited longest, or the new one"`
	SessionLimit     Size          `key:"session_limit" for:"http tcp" default:"64KiB" min:"1" max:"8MiB" means:"largest session of a connection, encoded; it travels with each of its events"`
	AllowedOrigins   []string      `key:"allowed_origins" for:"http" absent:"the page's own host" means:"origins of pages that may open WebSockets, such as \"https://example.org\" or \"https://*.example.org\"; \"same-host\" is those of this host's name, on any port, and \"*\" is all"`
	Compression      bool          `key:"compression" for:"http" absent:"false" means:"permessage-deflate for WebSockets whose clients offer it"`
	MaxPerAddress    int           `key:"max_connections_per_address" for:"http tcp" default:"0" min:"0" max:"1000000" means:"long-lived connections of this listener from one address, or one IPv6 /64; 0 is without a limit"`
	ShutdownSpread   time.Duration `key:"shutdown_spread" for:"http tcp" default:"2s" min:"0" means:"time over which long-lived connections are closed when the host stops, so that clients do not all come back at once"`
}

// check looks at the keys of a listener that the file has.
func (l *Listen) check(c *Config, fail fail) {
	v := reflect.TypeFor[Sockets]()
	for i := range v.NumField() {
		tag := v.Field(i).Tag
		key := tag.Get("key")
		if words := strings.Fields(tag.Get("for")); c.has(l.place(key)) && !slices.Contains(words, l.Protocol) {
			fail(l.place(key), "has no effect on protocol = %q: it is for %s; remove it, or change the protocol",
				l.Protocol, oneOf(words))
		}
	}
	if l.HTTP3 {
		l.checkHTTP3(fail)
	}
	if l.Protocol == "udp" {
		for _, key := range []string{"tls", "max_connections"} {
			if c.has(l.place(key)) {
				fail(l.place(key), "has no effect on protocol = \"udp\", which has no connections: remove it")
			}
		}
		if strings.HasPrefix(l.Address, unixPrefix) {
			fail(l.place("address"),
				"protocol = \"udp\" needs host:port or :port, found %q: write one, or protocol = \"tcp\"", l.Address)
		}
	}
	if l.Protocol == "tcp" {
		l.checkFraming(c, fail)
	}
	checkOrigins(l.AllowedOrigins, l.place("allowed_origins"), fail)
	if c.has(l.place("message_burst")) && l.MessageRate == 0 {
		fail(l.place("message_burst"), "has no effect without message_rate: write message_rate = %d", l.MessageBurst)
	}
	if l.MessageBurst == 0 {
		l.MessageBurst = 2 * l.MessageRate
	}
}

func (l *Listen) checkHTTP3(fail fail) {
	switch network, _ := l.Network(); {
	case l.Protocol != "http":
		fail(l.place("http3"), "has no effect on protocol = %q: it is for http; remove it, or change the protocol",
			l.Protocol)
	case network == "unix":
		fail(l.place("http3"), "HTTP/3 needs a port, and %s has none: remove it, or write host:port", l.Address)
	case l.TLS == nil:
		fail(l.place("http3"), "HTTP/3 is always encrypted: write tls = { certificate = \"FILE\", key = \"FILE\" }, "+
			"or remove it")
	}
}

// longestDelimiter is more than anybody needs.
const longestDelimiter = 64

func (l *Listen) checkFraming(c *Config, fail fail) {
	switch given := c.has(l.place("delimiter")); {
	case given && l.Framing != "":
		fail(l.place("delimiter"), "framing = %q says already where a message ends: keep one of them", l.Framing)
	case given && (l.Delimiter == "" || len(l.Delimiter) > longestDelimiter):
		fail(l.place("delimiter"),
			"expected 1 to %d bytes, found %d: write the bytes that end a message, or framing = \"raw\"",
			longestDelimiter, len(l.Delimiter))
	case !given && l.Framing == "":
		l.Framing = "line"
	}
	if l.Framing == "length16" && l.MaxMessage > 1<<16-1 && c.has(l.place("max_message")) {
		fail(l.place("max_message"), "a length of 16 bits is at most 65535, and max_message is %s: write framing = "+
			"\"length32\", or a smaller max_message", l.MaxMessage)
	}
}

// linkSockets looks at what depends on the pool behind the listener.
func (l *Listen) linkSockets(c *Config, p *Pool, fail fail) {
	switch {
	case l.ShutdownSpread < p.DrainTimeout:
	case c.has(l.place("shutdown_spread")):
		fail(l.place("shutdown_spread"),
			"expected less than the drain_timeout of [pool.%s], %s, found %s: shorten it, or raise drain_timeout",
			p.Name, p.DrainTimeout, l.ShutdownSpread)
	default:
		l.ShutdownSpread = p.DrainTimeout / 2
	}
}

func checkOrigins(origins []string, at string, fail fail) {
	for i, origin := range origins {
		if scheme, host, ok := strings.Cut(origin, "://"); origin != "*" && origin != "null" &&
			origin != "same-host" &&
			(!ok || scheme == "" || host == "" || strings.ContainsAny(host, "/?# ")) {
			fail(fmt.Sprintf("%s.%d", at, i),
				"expected an origin such as \"https://example.org\", or \"*\" for all, found %s", describe(origin))
		}
	}
}
