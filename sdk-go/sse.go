// Server-sent events, as text.

package sdk

import (
	"strconv"
	"strings"
	"time"
)

// Event is a server-sent event. It is sent to held responses as it is, with [Binary]:
//
//	sdk.Connections(ctx).SendToGroup("news", sdk.Event{ID: "7", Data: "…"}.Bytes(), sdk.Binary())
//
// A message that is sent without Binary becomes an event that has data alone.
type Event struct {
	Name string // what the page listens for; "" is "message". Line breaks are left out
	// what the client repeats as Last-Event-ID when it comes back. Line breaks and NUL are left out
	ID    string
	Data  string        // any number of lines
	Retry time.Duration // how long the client is to wait before it comes back; 0 says nothing
}

var (
	oneLine  = strings.NewReplacer("\r", "", "\n", "", "\x00", "")
	newlines = strings.NewReplacer("\r\n", "\n", "\r", "\n")
)

// Bytes formats the event.
func (e Event) Bytes() []byte { return e.Append(nil) }

// Append appends the formatted event to b.
func (e Event) Append(b []byte) []byte {
	field := func(name, value string) {
		b = append(b, name...)
		b = append(b, ": "...)
		b = append(b, value...)
		b = append(b, '\n')
	}
	if e.Name != "" {
		field("event", oneLine.Replace(e.Name))
	}
	if e.ID != "" {
		field("id", oneLine.Replace(e.ID))
	}
	if e.Retry > 0 {
		field("retry", strconv.FormatInt(e.Retry.Milliseconds(), 10))
	}
	for line := range strings.SplitSeq(newlines.Replace(e.Data), "\n") {
		field("data", line)
	}
	return append(b, '\n')
}
