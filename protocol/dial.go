// What has the host dial: the CALLs of SPEC.md §16.2, and their options.

package protocol

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// The methods of dials (SPEC.md §16.2).
const (
	CallDialOpen  = "dial.open"
	CallDialClose = "dial.close"
	CallDialID    = "dial.id"
)

// ListenerDial is a [Connection]'s Listener where the host is the client.
const ListenerDial = "dial"

// What dial.open answers (SPEC.md §16.2).
const (
	DialBegun    = "begun"
	DialThere    = "there"    // the name has one with these terms
	DialReplaced = "replaced" // it had one with others
)

// Names in a message's About (SPEC.md §16.5).
const (
	AboutEvent = "event"
	AboutID    = "id"
)

// Dial is what dial.open asks for (SPEC.md §16.2). Times are in milliseconds. Begin with [NewDial].
type Dial struct {
	URL, Name string

	Session []Entry // with Groups and UID, what the first connection has at its OPEN
	Groups  []string
	UID     string

	Headers      []string // name, value, name, value, …
	Subprotocols []string
	Framing      string // raw, line, length16, length32, delimiter
	Delimiter    string

	Reconnect      bool
	ReconnectMax   int64 // the longest pause between two tries
	ConnectTimeout int64
	PingInterval   int64 // 0 is never, as for those below
	PongTimeout    int64
	IdleTimeout    int64
	MaxMessage     int64 // bytes
}

// NewDial is a dial with nothing but the defaults of SPEC.md §16.2.
func NewDial(url, name string) Dial {
	return Dial{URL: url, Name: name, Framing: "raw", Reconnect: true, ReconnectMax: 60000, ConnectTimeout: 10000,
		PingInterval: 30000, PongTimeout: 10000, MaxMessage: 1 << 20}
}

// most are bounds of a dial's numbers; a millisecond more than the first would be no [time.Duration].
const (
	mostMillis  = int64(1<<63-1) / 1e6
	leastPause  = 100
	mostName    = 128
	mostURL     = 16 << 10
	mostDelimit = 64
)

// number is an option that is one.
type number struct {
	key   string
	of    *int64
	least int64
	most  int64
}

func (d *Dial) numbers() []number {
	return []number{
		{"reconnect_max", &d.ReconnectMax, leastPause, mostMillis},
		{"connect_timeout", &d.ConnectTimeout, 1, mostMillis},
		{"ping_interval", &d.PingInterval, 0, mostMillis},
		{"pong_timeout", &d.PongTimeout, 0, mostMillis},
		{"idle_timeout", &d.IdleTimeout, 0, mostMillis},
		{"max_message", &d.MaxMessage, 1, maxLong},
	}
}

// Arguments are those of the CALL that asks for d: what has its default is left out.
func (d *Dial) Arguments() []Value {
	plain := NewDial("", "")
	var b []byte
	n := 0
	option := func(key string) { b, n = appendStr(b, key), n+1 }
	if len(d.Session) > 0 {
		option("session")
		b = AppendEntries(b, d.Session)
	}
	for _, o := range []struct {
		key string
		of  []string
	}{{"groups", d.Groups}, {"headers", d.Headers}, {"subprotocols", d.Subprotocols}} {
		if len(o.of) > 0 {
			option(o.key)
			b = appendPairs(b, o.of)
		}
	}
	for _, o := range [][3]string{
		{"uid", d.UID, plain.UID}, {"framing", d.Framing, plain.Framing}, {"delimiter", d.Delimiter, plain.Delimiter},
	} {
		if o[1] != o[2] {
			option(o[0])
			b = appendStr(b, o[1])
		}
	}
	if d.Reconnect != plain.Reconnect {
		option("reconnect")
		b = appendBool(b, d.Reconnect)
	}
	defaults := plain.numbers()
	for i, o := range d.numbers() {
		if *o.of != *defaults[i].of {
			option(o.key)
			b = appendInt(b, *o.of)
		}
	}
	all := []Value{appendStr(nil, d.URL), appendStr(nil, d.Name)}
	if n == 0 {
		return all
	}
	return append(all, append(appendArray(nil, 2*n), b...))
}

// ParseDial reads the arguments of dial.open. An error says what is wrong with them, for whoever asked.
func ParseDial(arguments []Value) (Dial, error) {
	if len(arguments) < 2 || len(arguments) > 3 {
		return Dial{}, fmt.Errorf("%s takes a URL, a name and perhaps options; got %d arguments", CallDialOpen,
			len(arguments))
	}
	d := NewDial("", "")
	for i, to := range []*string{&d.URL, &d.Name} {
		f := argument(arguments[i])
		*to = f.str()
		if f.end() != nil {
			return d, fmt.Errorf("%s takes a URL and a name, each of them text", CallDialOpen)
		}
	}
	switch {
	case len(d.URL) > mostURL:
		return d, fmt.Errorf("the URL has %d bytes: at most %d are possible", len(d.URL), mostURL)
	case !IsDialName(d.Name):
		return d, fmt.Errorf("the name %q is none of 1 to %d bytes of UTF-8 without control characters",
			shortened(d.Name), mostName)
	}
	if len(arguments) == 3 && len(arguments[2]) > 0 {
		if err := d.options(argument(arguments[2])); err != nil {
			return d, err
		}
	}
	return d, d.check()
}

// options reads keys and values by turns. They are no entries, since a session among them is a list of its own.
func (d *Dial) options(f *fields) error {
	n := f.array()
	for i := 0; i+1 < n && f.err == nil; i += 2 {
		key := f.str()
		start := f.pos
		if f.skip(1); f.err == nil {
			if err := d.set(key, Value(f.b[start:f.pos])); err != nil {
				return err
			}
		}
	}
	if f.end() != nil || n%2 != 0 {
		return fmt.Errorf("the options of %s are a list of keys and values by turns", CallDialOpen)
	}
	return nil
}

// IsDialName says whether a dial may have the name.
func IsDialName(name string) bool {
	return name != "" && len(name) <= mostName && utf8.ValidString(name) &&
		strings.IndexFunc(name, unicode.IsControl) < 0
}

// shortened is text of a worker's as it goes into an error.
func shortened(text string) string { return text[:min(len(text), 64)] }

// ParseDialName reads the arguments of dial.close and dial.id.
func ParseDialName(method string, arguments []Value) (string, error) {
	if len(arguments) != 1 {
		return "", fmt.Errorf("%s takes one argument, the name; got %d", method, len(arguments))
	}
	f := argument(arguments[0])
	name := f.str()
	if f.end() != nil {
		return "", fmt.Errorf("%s takes one argument, the name, which is text", method)
	}
	return name, nil
}

func argument(v Value) *fields {
	if len(v) == 0 {
		v = Value{0xc0} // nil
	}
	return &fields{decoder: decoder{b: v}, t: TypeCall, name: "arguments"}
}

func (d *Dial) set(key string, v Value) error {
	f, want := argument(v), "text"
	switch key {
	case "session":
		want, d.Session = "a list of keys and values by turns", f.entries()
	case "groups":
		want, d.Groups = "a list of text", f.strings(nil)
	case "uid":
		d.UID = f.str()
	case "headers":
		want, d.Headers = "a list of names and values by turns", f.pairs(nil)
	case "subprotocols":
		want, d.Subprotocols = "a list of text", f.strings(nil)
	case "framing":
		d.Framing = f.str()
	case "delimiter":
		d.Delimiter = f.str()
	case "reconnect":
		want, d.Reconnect = "true or false", f.bool()
	default:
		all := d.numbers()
		i := slices.IndexFunc(all, func(n number) bool { return n.key == key })
		if i < 0 {
			return fmt.Errorf("%s has no option %q: see SPEC.md §16.2 for those there are", CallDialOpen,
				shortened(key))
		}
		o := &all[i]
		want = "a number of at least " + strconv.FormatInt(o.least, 10)
		*o.of = f.number(o.least, o.most)
	}
	if f.end() != nil {
		return fmt.Errorf("the option %s is %s", key, want)
	}
	return nil
}

// dialFields are headers that are the host's to give.
var dialFields = map[string]bool{"host": true, "connection": true, "keep-alive": true, "proxy-connection": true,
	"proxy-authorization": true, "te": true, "trailer": true, "transfer-encoding": true, "upgrade": true,
	"content-length": true, "expect": true, "last-event-id": true}

const mostDialHeaders = 64 << 10 // bytes

// Check finds what is wrong with a dial whose URL has the scheme.
func (d *Dial) Check(scheme string) error {
	socket := scheme == "ws" || scheme == "wss"
	switch {
	case scheme == "tcp" || scheme == "tls":
		if len(d.Headers) > 0 {
			return fmt.Errorf("headers have no meaning for %s", scheme)
		}
	case d.Framing != "raw" || d.Delimiter != "":
		return fmt.Errorf("a framing has no meaning for %s", scheme)
	}
	if !socket && len(d.Subprotocols) > 0 {
		return fmt.Errorf("subprotocols have no meaning for %s", scheme)
	}
	for i, s := range d.Subprotocols {
		if !isToken(s) || slices.Contains(d.Subprotocols[:i], s) {
			return fmt.Errorf("%q is no name of a subprotocol, or comes twice", shortened(s))
		}
	}
	size := 0
	for i := 0; i+1 < len(d.Headers); i += 2 {
		name, value := d.Headers[i], d.Headers[i+1]
		key := strings.ToLower(name)
		switch {
		case !isToken(name):
			return fmt.Errorf("%q is no name of a header", shortened(name))
		case dialFields[key], strings.HasPrefix(key, "sec-websocket-"):
			return fmt.Errorf("the header %s is the host's to give", name)
		case strings.ContainsAny(value, "\r\n\x00"):
			return fmt.Errorf("the header %s has a line break in its value", name)
		}
		size += len(name) + len(value)
	}
	if size > mostDialHeaders {
		return fmt.Errorf("the headers have %d bytes: at most %d are possible", size, mostDialHeaders)
	}
	return d.check()
}

// check finds what is wrong with d whatever its URL says.
func (d *Dial) check() error {
	switch d.Framing {
	case "raw", "line", "length16", "length32":
		if d.Delimiter != "" {
			return fmt.Errorf("a delimiter goes with the framing delimiter alone, and not with %s", d.Framing)
		}
	case "delimiter":
		if d.Delimiter == "" || len(d.Delimiter) > mostDelimit {
			return fmt.Errorf("the framing delimiter needs a delimiter of 1 to %d bytes, and it has %d", mostDelimit,
				len(d.Delimiter))
		}
	default:
		return fmt.Errorf("there is no framing %q: it is raw, line, length16, length32 or delimiter",
			shortened(d.Framing))
	}
	return nil
}
