// What the access log says of a request.

package accesslog

import (
	"encoding/json"
	"net"
	"net/http"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/workerhost/workerhost/host/internal/redact"
)

// Entry is one line of the access log, but for what the request itself says, and what a span tells. Its owner fills it
// in.
type Entry struct {
	Began  time.Time
	ID     string // of the request; "" is without
	Status int
	In     int64  // bytes of the body that were read
	Out    int64  // bytes of the response's body
	Fault  string // why no worker's answer went out whole; "" if one did
	Reason string // what was wrong with a request that was refused; "" if nothing was

	TraceID string // "" unless its span is sampled

	Route      string    // "" if none took it
	Pool       string    // "" if no pool was asked
	Submitted  time.Time // to the pool
	Begun      time.Time // zero: no worker had it
	Answered   time.Time // zero: it did not answer
	Fetching   time.Time // since when the host fetched the answer; zero: it did not
	Slot       int       // of the worker
	Generation uint64    // of its code
	Attempts   int       // how many workers have had it
	Cache      string    // how a stored answer came to be it: "hit", "stale"; "" if none did
}

// Note writes the line of a request that has been answered, and lets go of the log, which its Hold kept. value gives
// the first value of a field of its header, by the canonical name, or "". whole says that nothing broke off.
func (a *Log) Note(e *Entry, r *http.Request, value func(name string) string, whole bool) {
	line := lineBuffers.Get().(*[]byte)
	if a.json {
		*line = e.appendJSON((*line)[:0], r, value, whole)
	} else {
		*line = e.appendText((*line)[:0], r, value, whole)
	}
	a.add(line)
	a.Release()
}

// Times are how long the request waited for a worker and how long that took to give its whole response, or to leave it
// to the host to fetch; -1 where that did not happen.
func (e *Entry) Times(end time.Time) (wait, work time.Duration) {
	switch {
	case e.Submitted.IsZero():
		return -1, -1
	case e.Begun.IsZero():
		return end.Sub(e.Submitted), -1
	case !e.Fetching.IsZero():
		return e.Begun.Sub(e.Submitted), e.Fetching.Sub(e.Begun)
	}
	return e.Begun.Sub(e.Submitted), e.answered(end).Sub(e.Begun)
}

// Fetch is how long the host took to fetch the answer; -1: it did not.
func (e *Entry) Fetch(end time.Time) time.Duration {
	if e.Fetching.IsZero() {
		return -1
	}
	return e.answered(end).Sub(e.Fetching)
}

// answered is when all of the answer had come, or what there was of it.
func (e *Entry) answered(end time.Time) time.Time {
	if e.Answered.IsZero() {
		return end
	}
	return e.Answered
}

// A line stays within bounds whatever a client sends.
const (
	// LongestTarget is how many bytes of a request's target stand in a line.
	LongestTarget = 2048
	longestField  = 512
)

// appendText writes the combined log format, and then our own fields as name=value.
func (e *Entry) appendText(b []byte, r *http.Request, value func(string) string, whole bool) []byte {
	end := time.Now()
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		host = "-" // a unix socket
	}
	b = append(b, host...)
	b = append(b, " - - ["...)
	b = e.Began.AppendFormat(b, "02/Jan/2006:15:04:05 -0700")
	b = append(b, `] "`...)
	b = appendEscaped(b, r.Method, longestField)
	b = append(b, ' ')
	b = appendEscaped(b, redact.URL(r.RequestURI), LongestTarget)
	b = append(b, ' ')
	b = append(b, r.Proto...)
	b = append(b, `" `...)
	b = strconv.AppendInt(b, int64(e.Status), 10)
	b = append(b, ' ')
	b = strconv.AppendInt(b, e.Out, 10)
	for _, name := range [...]string{"Referer", "User-Agent"} {
		b = append(b, ` "`...)
		text := redact.URL(value(name))
		if text == "" {
			text = "-"
		}
		b = appendEscaped(b, text, longestField)
		b = append(b, '"')
	}
	b = append(b, " in="...)
	b = strconv.AppendInt(b, e.In, 10)
	b = append(b, " took="...)
	b = appendMillis(b, end.Sub(e.Began))
	wait, work := e.Times(end)
	if wait >= 0 {
		b = append(b, " wait="...)
		b = appendMillis(b, wait)
	}
	if work >= 0 {
		b = append(b, " work="...)
		b = appendMillis(b, work)
	}
	if fetch := e.Fetch(end); fetch >= 0 {
		b = append(b, " fetch="...)
		b = appendMillis(b, fetch)
	}
	if e.Route != "" {
		b = append(b, ` route="`...)
		b = appendEscaped(b, e.Route, longestField)
		b = append(b, '"')
	}
	if e.Pool != "" {
		b = append(b, " pool="...)
		b = append(b, e.Pool...)
	}
	if work >= 0 {
		b = append(b, " worker="...)
		b = strconv.AppendInt(b, int64(e.Slot), 10)
		b = append(b, " generation="...)
		b = strconv.AppendUint(b, e.Generation, 10)
	}
	if e.Cache != "" {
		b = append(b, " cache="...)
		b = append(b, e.Cache...)
	}
	if e.ID != "" {
		b = append(b, " id="...)
		b = append(b, e.ID...)
	}
	if e.TraceID != "" {
		b = append(b, " trace_id="...)
		b = append(b, e.TraceID...)
	}
	if e.Fault != "" {
		b = append(b, ` fault="`...)
		b = append(b, e.Fault...)
		b = append(b, '"')
	}
	if e.Reason != "" {
		b = append(b, ` reason="`...)
		b = appendEscaped(b, redact.Text(e.Reason), longestField)
		b = append(b, '"')
	}
	if !whole {
		b = append(b, " aborted"...)
	}
	return append(b, '\n')
}

// appendMillis writes a duration in milliseconds with three decimals.
func appendMillis(b []byte, d time.Duration) []byte {
	return strconv.AppendFloat(b, float64(d.Microseconds())/1000, 'f', 3, 64)
}

const hexDigits = "0123456789abcdef"

// appendEscaped writes what came from a client so that it can't end its quotes or its line, nor do anything to a
// terminal.
func appendEscaped(b []byte, s string, longest int) []byte {
	for i := 0; i < min(len(s), longest); i++ {
		switch c := s[i]; {
		case c == '"' || c == '\\' || c < ' ' || c >= 0x7f:
			b = append(b, '\\', 'x', hexDigits[c>>4], hexDigits[c&15])
		default:
			b = append(b, c)
		}
	}
	if len(s) > longest {
		b = append(b, "..."...)
	}
	return b
}

// appendJSON writes one object. Times are in milliseconds.
func (e *Entry) appendJSON(b []byte, r *http.Request, value func(string) string, whole bool) []byte {
	end := time.Now()
	b = append(b, `{"log":"access","time":"`...)
	b = e.Began.UTC().AppendFormat(b, "2006-01-02T15:04:05.000000Z")
	b = append(b, '"')
	remote := r.RemoteAddr
	if remote == "@" {
		remote = "" // a unix socket
	}
	b = appendField(b, "remote", remote, longestField)
	b = appendField(b, "method", r.Method, longestField)
	b = appendField(b, "host", r.Host, longestField)
	b = appendField(b, "target", redact.URL(r.RequestURI), LongestTarget)
	b = appendField(b, "protocol", r.Proto, longestField)
	b = append(b, `,"status":`...)
	b = strconv.AppendInt(b, int64(e.Status), 10)
	b = append(b, `,"bytes_in":`...)
	b = strconv.AppendInt(b, e.In, 10)
	b = append(b, `,"bytes_out":`...)
	b = strconv.AppendInt(b, e.Out, 10)
	b = append(b, `,"took_ms":`...)
	b = appendMillis(b, end.Sub(e.Began))
	wait, work := e.Times(end)
	if wait >= 0 {
		b = append(b, `,"wait_ms":`...)
		b = appendMillis(b, wait)
	}
	if work >= 0 {
		b = append(b, `,"work_ms":`...)
		b = appendMillis(b, work)
	}
	if fetch := e.Fetch(end); fetch >= 0 {
		b = append(b, `,"fetch_ms":`...)
		b = appendMillis(b, fetch)
	}
	if e.Route != "" {
		b = appendField(b, "route", e.Route, longestField)
	}
	if e.Pool != "" {
		b = appendField(b, "pool", e.Pool, longestField)
	}
	if work >= 0 {
		b = append(b, `,"worker":`...)
		b = strconv.AppendInt(b, int64(e.Slot), 10)
		b = append(b, `,"generation":`...)
		b = strconv.AppendUint(b, e.Generation, 10)
	}
	if e.Cache != "" {
		b = appendField(b, "cache", e.Cache, longestField)
	}
	if e.ID != "" {
		b = appendField(b, "request_id", e.ID, longestField)
	}
	if e.TraceID != "" {
		b = appendField(b, "trace_id", e.TraceID, longestField)
	}
	for _, field := range [...][2]string{{"Referer", "referer"}, {"User-Agent", "user_agent"},
		{"Traceparent", "traceparent"}} {
		if text := value(field[0]); text != "" {
			b = appendField(b, field[1], redact.URL(text), longestField)
		}
	}
	if e.Fault != "" {
		b = appendField(b, "fault", e.Fault, longestField)
	}
	if e.Reason != "" {
		b = appendField(b, "reason", redact.Text(e.Reason), longestField)
	}
	if !whole {
		b = append(b, `,"aborted":true`...)
	}
	return append(b, '}', '\n')
}

func appendField(b []byte, name, value string, longest int) []byte {
	b = append(b, ',', '"')
	b = append(b, name...)
	b = append(b, '"', ':')
	cut := len(value) > longest
	if cut {
		value = value[:longest] + "..."
	}
	for i := 0; i < len(value); i++ {
		if c := value[i]; c < ' ' || c == '"' || c == '\\' || c >= utf8.RuneSelf || c == 0x7f {
			quoted, _ := json.Marshal(value) // rare; a string can always be marshalled
			return append(b, quoted...)
		}
	}
	b = append(b, '"')
	b = append(b, value...)
	return append(b, '"')
}
