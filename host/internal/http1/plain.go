// Plain requests: heads that every parser reads alike (RFC 9112), found without I/O, clock or allocation. Whatever is
// odd in any way is not judged here: it is net/http's, and the strict rules', to take or to refuse.

package http1

import (
	"bytes"
	"encoding/binary"
	"net/textproto"
)

// Verdict says what the bytes at hand are the beginning of.
type Verdict uint8

// The verdicts.
const (
	Partial Verdict = iota // a head that may become plain, and has not ended
	Plain                  // a plain request's head, all of it
	Odd                    // anything else
)

// MaxFields is how many fields a plain head has at the most.
const MaxFields = 64

// span is a part of the head.
type span struct{ from, to uint16 }

// MaxHead is the longest plain head, in bytes.
const MaxHead = 16 << 10

// Head is a plain request's head: where its parts lie in the bytes that Parse was given. It may be used again.
type Head struct {
	Size    int   // of the head, with the empty line
	Length  int64 // of the body: Content-Length, or 0
	Close   bool  // Connection: close
	method  span
	target  span
	host    span
	fields  int
	names   [MaxFields]span
	values  [MaxFields]span
	spelled uint64 // a bit for each name that is in canonical form
	lengths int    // how many Content-Length fields there are, and how many Connection fields
	tokens  int
}

// Method is the request's method, of the text that was parsed.
func (h *Head) Method(text string) string { return text[h.method.from:h.method.to] }

// Target is the request's target, which begins with a slash.
func (h *Head) Target(text string) string { return text[h.target.from:h.target.to] }

// Host is the value of the one Host field. It is never empty.
func (h *Head) Host(text string) string { return text[h.host.from:h.host.to] }

// Fields is how many fields there are besides Host.
func (h *Head) Fields() int { return h.fields }

// Field is the i-th field as the client wrote it, the value without blanks around it.
func (h *Head) Field(text string, i int) (name, value string) {
	n, v := h.names[i], h.values[i]
	return text[n.from:n.to], text[v.from:v.to]
}

// Name is the name of the i-th field in canonical form, as net/http has it.
func (h *Head) Name(text string, i int) string {
	name, _ := h.Field(text, i)
	if h.spelled>>i&1 == 0 {
		name = textproto.CanonicalMIMEHeaderKey(name)
	}
	return name
}

var ending = []byte("\r\n\r\n")

const version = " HTTP/1.1"

// Parse reads the head that b begins with. Plain is HTTP/1.1, a method of capitals other than CONNECT, a target that
// is a path of printable ASCII, one Host, at most one Content-Length, and none of what frames or changes the protocol
// otherwise; nothing folded, no bare CR or LF (RFC 9112 §2.2, §3, §5, §6.3). It does not keep b.
func (h *Head) Parse(b []byte) Verdict {
	end := bytes.Index(b[:min(len(b), MaxHead)], ending)
	if end < 0 {
		if len(b) >= MaxHead || !mayBecomePlain(b) {
			return Odd
		}
		return Partial
	}
	h.Size = end + len(ending)
	h.Length, h.Close, h.fields, h.lengths, h.tokens, h.host, h.spelled = 0, false, 0, 0, 0, span{}, 0
	b = b[:end+2] // each line has its CR LF
	line := bytes.IndexByte(b, '\r')
	if b[line+1] != '\n' || !h.requestLine(b[:line]) {
		return Odd
	}
	for at := line + 2; at < len(b); {
		n := bytes.IndexByte(b[at:], '\r')
		if b[at+n+1] != '\n' || !h.field(b, at, at+n) {
			return Odd
		}
		at += n + 2
	}
	if h.host.from == 0 {
		return Odd
	}
	return Plain
}

// mayBecomePlain looks at how a head begins, so that what is no plain HTTP at all waits for nothing.
func mayBecomePlain(b []byte) bool {
	for i, c := range b {
		if c == ' ' {
			return i > 0
		}
		if c < 'A' || c > 'Z' || i >= longestMethod {
			return false
		}
	}
	return true
}

const longestMethod = 16

func (h *Head) requestLine(b []byte) bool {
	n := len(b) - len(version)
	if n < 0 || string(b[n:]) != version || !mayBecomePlain(b) {
		return false
	}
	space := bytes.IndexByte(b, ' ')
	if space+1 >= n || b[space+1] != '/' || string(b[:space]) == "CONNECT" {
		return false
	}
	for i := space + 1; i < n; i++ {
		switch c := b[i]; {
		case c == '%':
			if i+2 >= n || !hexDigit(b[i+1]) || !hexDigit(b[i+2]) {
				return false
			}
		case !targetByte[c]:
			return false
		}
	}
	h.method, h.target = span{0, uint16(space)}, span{uint16(space + 1), uint16(n)}
	return true
}

// targetByte says which bytes may stand in the target of a plain request by themselves: those of a URI (RFC 3986).
var targetByte = func() (set [256]bool) {
	for c := range set {
		set[c] = TokenByte[c] && c != '^' && c != '`' && c != '|' && c != '#' && c != '%'
	}
	for _, c := range "/?:@[](),;=" {
		set[c] = true
	}
	return set
}()

func hexDigit(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'a' && c <= 'f' || c >= 'A' && c <= 'F'
}

// field takes the line of b from one offset to the other.
func (h *Head) field(b []byte, from, to int) bool {
	colon, wrong, foul := from, lower, byte(0)
	for ; colon < to; colon++ {
		kind := nameByte[b[colon]]
		if kind == 0 {
			break
		}
		foul |= kind & wrong
		wrong = upper - kind>>2&1 // behind a hyphen lower
	}
	if colon == from || colon == to || b[colon] != ':' {
		return false
	}
	name := b[from:colon]
	first, end := colon+1, to
	for first < end && (b[first] == ' ' || b[first] == '\t') {
		first++
	}
	for first < end && (b[end-1] == ' ' || b[end-1] == '\t') {
		end--
	}
	value := b[first:end]
	if !printable(value) {
		return false
	}
	if plain, host := h.known(name, value); !plain {
		return false
	} else if host {
		h.host = span{uint16(first), uint16(end)}
		return true
	}
	if h.fields == MaxFields {
		return false
	}
	h.names[h.fields], h.values[h.fields] = span{uint16(from), uint16(colon)}, span{uint16(first), uint16(end)}
	if foul == 0 {
		h.spelled |= 1 << h.fields
	}
	h.fields++
	return true
}

// Kinds of a name's bytes. In canonical form none is lower at its beginning and behind a hyphen, nor upper elsewhere.
const (
	lower  byte = 1
	upper  byte = 2
	hyphen byte = 4
	neuter byte = 8
)

// nameByte says of which kind a byte of a name is; 0 is none.
var nameByte = func() (kinds [256]byte) {
	for c := range kinds {
		switch {
		case c >= 'a' && c <= 'z':
			kinds[c] = lower
		case c >= 'A' && c <= 'Z':
			kinds[c] = upper
		case c == '-':
			kinds[c] = hyphen
		case TokenByte[c]:
			kinds[c] = neuter
		}
	}
	return kinds
}()

// printable says whether a value has no control character but tabs.
func printable(value []byte) bool {
	const each, high = 0x0101010101010101, 0x8080808080808080
	for len(value) >= 8 {
		v := binary.LittleEndian.Uint64(value)
		del := v ^ 0x7f*each
		if (v-' '*each)&^v&high|(del-each)&^del&high != 0 && !eachPrintable(value[:8]) {
			return false
		}
		value = value[8:]
	}
	return eachPrintable(value)
}

func eachPrintable(value []byte) bool {
	for _, c := range value {
		if c < ' ' && c != '\t' || c == 0x7f {
			return false
		}
	}
	return true
}

// known looks at the fields that say how a request is read.
func (h *Head) known(name, value []byte) (plain, host bool) {
	switch len(name) {
	case len("Host"):
		if !is(name, "host") {
			return true, false
		}
		return h.host.from == 0 && len(value) > 0 && ValidHost(string(value)), true
	case len("Expect"): // and Pragma, of which net/http makes a Cache-Control
		return !is(name, "expect") && !is(name, "pragma"), false
	case len("Upgrade"): // and Trailer
		return !is(name, "upgrade") && !is(name, "trailer"), false
	case len("Connection"):
		if !is(name, "connection") {
			return true, false
		}
		h.tokens++
		h.Close = is(value, "close")
		return h.tokens == 1 && (h.Close || is(value, "keep-alive")), false
	case len("Content-Length"):
		if !is(name, "content-length") {
			return true, false
		}
		h.lengths++
		return h.lengths == 1 && h.contentLength(value), false
	case len("Transfer-Encoding"):
		return !is(name, "transfer-encoding"), false
	}
	return true, false
}

func (h *Head) contentLength(value []byte) bool {
	if len(value) == 0 || len(value) > 18 {
		return false
	}
	for _, c := range value {
		if c < '0' || c > '9' {
			return false
		}
		h.Length = h.Length*10 + int64(c-'0')
	}
	return true
}

// is compares b with a word of lower case.
func is(b []byte, word string) bool {
	if len(b) != len(word) {
		return false
	}
	for i, c := range b {
		if c >= 'A' && c <= 'Z' {
			c += 'a' - 'A'
		}
		if c != word[i] {
			return false
		}
	}
	return true
}
