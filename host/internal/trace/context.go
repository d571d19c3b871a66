// What others are told of a span, and tell of theirs: traceparent and tracestate of W3C Trace Context.

package trace

import (
	"encoding/hex"
	"math/rand/v2"
	"strings"
	"unicode/utf8"
)

// TraceID names a trace. The zero one is none.
type TraceID [16]byte

// SpanID names a span in its trace. The zero one is none.
type SpanID [8]byte

// Context is a span as others know it.
type Context struct {
	TraceID TraceID
	SpanID  SpanID
	Sampled bool
	State   string // what tracing systems pass on beside (tracestate); "" is nothing
}

// Known says whether there is a span.
func (c *Context) Known() bool { return c.TraceID != TraceID{} }

// Hex is the trace's id as people know it, in logs; "" unless the span is sampled, since there is nothing to look up.
func (c *Context) Hex() string {
	if !c.Sampled {
		return ""
	}
	return hex.EncodeToString(c.TraceID[:])
}

// The fields of a header that tell of a span, canonical.
const (
	ParentHeader = "Traceparent"
	StateHeader  = "Tracestate"
)

// lengthOfParent is that of version 00: version, trace, span and flags in hexadecimal, with dashes in between.
const lengthOfParent = 2 + 1 + 32 + 1 + 16 + 1 + 2

// Traceparent is the value of the header of that name, in version 00.
func (c *Context) Traceparent() string {
	b := make([]byte, 0, lengthOfParent)
	b = append(b, "00-"...)
	b = hex.AppendEncode(b, c.TraceID[:])
	b = append(b, '-')
	b = hex.AppendEncode(b, c.SpanID[:])
	if c.Sampled {
		return string(append(b, "-01"...))
	}
	return string(append(b, "-00"...))
}

// Pairs are the fields of a header, by turns with their values.
func (c *Context) Pairs() []string {
	if c.State == "" {
		return []string{"traceparent", c.Traceparent()}
	}
	return []string{"traceparent", c.Traceparent(), "tracestate", c.State}
}

// Read takes what a header says: the values of its fields of these names. What is not as W3C Trace Context has it (§3)
// counts as if it were not there: without a good traceparent that is both, and a tracestate goes alone.
func Read(parents, states []string) (c Context) {
	if len(parents) != 1 {
		return Context{}
	}
	parent := parents[0]
	future := len(parent) > lengthOfParent && parent[lengthOfParent] == '-' && parent[:2] != "00"
	if len(parent) != lengthOfParent && !future || parent[2] != '-' || parent[35] != '-' || parent[52] != '-' {
		return Context{}
	}
	var version, flags [1]byte
	if !unhex(version[:], parent[:2]) || version[0] == 0xff || !unhex(c.TraceID[:], parent[3:35]) ||
		!unhex(c.SpanID[:], parent[36:52]) || !unhex(flags[:], parent[53:55]) || c.TraceID == (TraceID{}) ||
		c.SpanID == (SpanID{}) {
		return Context{}
	}
	c.Sampled = flags[0]&1 != 0
	c.State = readState(states)
	return c
}

// unhex reads hexadecimal digits, of which the capital ones are wrong here.
func unhex(to []byte, from string) bool {
	for i := range to {
		high, low := digit(from[2*i]), digit(from[2*i+1])
		if high > 15 || low > 15 {
			return false
		}
		to[i] = high<<4 | low
	}
	return true
}

func digit(c byte) byte {
	switch {
	case c >= '0' && c <= '9':
		return c - '0'
	case c >= 'a' && c <= 'f':
		return c - 'a' + 10
	}
	return 255
}

const (
	// longestState is how much of it has to be passed on (§3.3.1.5). A longer one is left out.
	longestState = 512
	// mostMembers is how many systems may have their say (§3.3.1.1).
	mostMembers = 32
)

// readState joins tracestate's fields; "" if one of the members is malformed, or named twice.
func readState(fields []string) string {
	if len(fields) == 0 {
		return ""
	}
	var seen [mostMembers]string
	kept := seen[:0]
	whole := strings.Join(fields, ",")
	if len(whole) > longestState {
		return ""
	}
	for member := range strings.SplitSeq(whole, ",") {
		member = strings.Trim(member, " \t")
		if member == "" {
			continue
		}
		key, value, ok := strings.Cut(member, "=")
		if !ok || len(kept) == mostMembers || !goodKey(key) || !goodValue(value) {
			return ""
		}
		for _, before := range kept {
			if before == key {
				return ""
			}
		}
		kept = append(kept, key)
	}
	if len(kept) == 0 {
		return ""
	}
	return strings.Clone(whole) // which may be a part of much more
}

// goodKey knows "vendor", and "tenant@vendor".
func goodKey(key string) bool {
	tenant, system, several := strings.Cut(key, "@")
	if several {
		return len(tenant) <= 241 && len(system) <= 14 && goodName(tenant) && goodName(system) && !isDigit(system[0])
	}
	return len(key) <= 256 && goodName(key)
}

// goodName lets a digit come first, as level 2 does.
func goodName(name string) bool {
	for i := range len(name) {
		c := name[i]
		if !(c >= 'a' && c <= 'z') && !isDigit(c) && (i == 0 || !strings.ContainsRune("_-*/", rune(c))) {
			return false
		}
	}
	return name != ""
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }

func goodValue(value string) bool {
	for i := range len(value) {
		if c := value[i]; c < ' ' || c > '~' || c == '=' {
			return false
		}
	}
	return value != "" && len(value) <= 256
}

// newTraceID and newSpanID make ids that nobody else has, and that are not zero.
func newTraceID() (id TraceID) {
	put(id[:8])
	put(id[8:])
	return id
}

func newSpanID() (id SpanID) {
	put(id[:])
	return id
}

func put(to []byte) {
	n := rand.Uint64()
	for n == 0 {
		n = rand.Uint64()
	}
	for i := range 8 {
		to[i] = byte(n >> (8 * i))
	}
}

// bounded is a copy of a text's beginning, of which no character is cut.
func bounded(s string) string {
	if len(s) <= longestText {
		return strings.Clone(s)
	}
	end := longestText
	for end > longestText-utf8.UTFMax && !utf8.RuneStart(s[end]) {
		end--
	}
	return strings.Clone(s[:end])
}
