// What the access log says of a request: a record goes along with it as its ResponseWriter, and becomes a line at its end.

package listen

import (
	"encoding/json"
	"io"
	"net"
	"net/http"
	"strconv"
	"sync"
	"time"
	"unicode/utf8"
)

// record belongs to the request's handler. It adds up what goes out, and takes the rest from the exchange when that is over.
type record struct {
	http.ResponseWriter
	access *AccessLog // nil: there is none
	conn   *strictConn
	began  time.Time
	id     string
	status int // 0: nothing was sent
	out    int64
	in     *intake // nil: no body was asked for
	fault  string  // why no worker's answer went out whole; "" if one did
	reason string  // what was wrong with a request that was refused; "" if nothing was

	// from the exchange, if there was one
	pool       string
	submitted  time.Time
	begun      time.Time // zero: no worker had it
	answered   time.Time // zero: it did not answer
	slot       int
	generation uint64

	noted bool // its line has been written
}

// statusLeft is nginx's word for a client that left before it was answered. It stands in the log alone.
const statusLeft = 499

var records = sync.Pool{New: func() any { return new(record) }}

// serve handles every request. It panics with http.ErrAbortHandler where a connection has to be cut.
func (s *Server) serve(w http.ResponseWriter, r *http.Request) {
	conn := strictOf(r)
	if conn != nil {
		conn.handles(r)
	}
	access := s.accessLog()
	if access == nil && r.ProtoMajor == 1 {
		if kept := s.handle(w, r); kept != nil {
			kept.Stay(r)
		}
		return
	}
	c := records.Get().(*record)
	c.ResponseWriter, c.access, c.conn, c.began = w, access, conn, time.Now()
	whole := false
	defer func() {
		if !c.noted {
			c.note(r, whole)
		}
		*c = record{}
		records.Put(c)
	}()
	if kept := s.handle(c, r); kept != nil {
		c.note(r, true) // the log's line is that of the exchange
		kept.Stay(r)
	}
	whole = true
}

// accessLog is where a request that begins now is noted, and is to be released; nil is nowhere.
func (s *Server) accessLog() *AccessLog {
	for {
		a := s.terms.Load().Access
		if a == nil || a.hold() {
			return a
		}
		// it was replaced this very moment
	}
}

// note writes the line of what has been answered. A response that is held stays for long: it must not keep a log that a reload has replaced.
func (c *record) note(r *http.Request, whole bool) {
	c.noted = true
	if c.access == nil {
		return
	}
	line := lineBuffers.Get().(*[]byte)
	if c.access.json {
		*line = c.appendJSON((*line)[:0], r, whole)
	} else {
		*line = c.appendText((*line)[:0], r, whole)
	}
	c.access.add(line)
	c.access.release()
}

// recordOf is the record that goes along as w; nil without an access log.
func recordOf(w http.ResponseWriter) *record {
	if c, ok := w.(*record); ok && c.access != nil {
		return c
	}
	return nil
}

// WriteHeader implements http.ResponseWriter.
func (c *record) WriteHeader(status int) {
	if status >= 200 && c.status == 0 {
		c.status = status
	}
	if c.conn != nil && mayBeRefusal(status) {
		c.conn.replies.own.Add(1)
	}
	c.ResponseWriter.WriteHeader(status)
}

// Write implements http.ResponseWriter.
func (c *record) Write(p []byte) (int, error) {
	n, err := c.ResponseWriter.Write(p)
	c.sent(int64(n))
	return n, err
}

// ReadFrom implements io.ReaderFrom, for sendfile.
func (c *record) ReadFrom(r io.Reader) (n int64, err error) {
	if to, ok := c.ResponseWriter.(io.ReaderFrom); ok {
		n, err = to.ReadFrom(r)
	} else {
		n, err = io.Copy(onlyWriter{c.ResponseWriter}, r)
	}
	c.sent(n)
	return n, err
}

func (c *record) sent(n int64) {
	if c.out += n; c.status == 0 {
		c.status = http.StatusOK
	}
}

// FlushError is what http.ResponseController looks for.
func (c *record) FlushError() error { return http.NewResponseController(c.ResponseWriter).Flush() }

// Unwrap is what http.ResponseController looks for.
func (c *record) Unwrap() http.ResponseWriter { return c.ResponseWriter }

// follow takes what the exchange knows. The caller holds x.mu.
func (c *record) follow(x *exchange) {
	c.submitted, c.begun, c.answered = x.submitted, x.clock.begun, x.clock.answered
	if x.stream != nil {
		c.slot, c.generation = x.stream.Worker()
	}
	if x.failed && c.fault == "" {
		c.fault = x.failure.Kind.String()
	}
}

// times are how long the request waited for a worker and how long that took to give its whole response; -1 where that did not happen.
func (c *record) times(end time.Time) (wait, work time.Duration) {
	switch {
	case c.submitted.IsZero():
		return -1, -1
	case c.begun.IsZero():
		return end.Sub(c.submitted), -1
	case c.answered.IsZero():
		return c.begun.Sub(c.submitted), end.Sub(c.begun)
	}
	return c.begun.Sub(c.submitted), c.answered.Sub(c.begun)
}

func (c *record) outcome(r *http.Request) (status int, in int64) {
	if status = c.status; status == 0 {
		status = statusLeft
		if r.Context().Err() == nil {
			status = http.StatusBadGateway // it broke off before its head
		}
	}
	if c.in != nil {
		in = c.in.got
	}
	return status, in
}

// A line stays within bounds whatever a client sends.
const (
	longestTarget = 2048
	longestField  = 512
)

// appendText writes the combined log format, and then our own fields as name=value.
func (c *record) appendText(b []byte, r *http.Request, whole bool) []byte {
	end := time.Now()
	status, in := c.outcome(r)
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		host = "-" // a unix socket
	}
	b = append(b, host...)
	b = append(b, " - - ["...)
	b = c.began.AppendFormat(b, "02/Jan/2006:15:04:05 -0700")
	b = append(b, `] "`...)
	b = appendEscaped(b, r.Method, longestField)
	b = append(b, ' ')
	b = appendEscaped(b, r.RequestURI, longestTarget)
	b = append(b, ' ')
	b = append(b, r.Proto...)
	b = append(b, `" `...)
	b = strconv.AppendInt(b, int64(status), 10)
	b = append(b, ' ')
	b = strconv.AppendInt(b, c.out, 10)
	for _, name := range [...]string{"Referer", "User-Agent"} {
		b = append(b, ` "`...)
		value := r.Header.Get(name)
		if value == "" {
			value = "-"
		}
		b = appendEscaped(b, value, longestField)
		b = append(b, '"')
	}
	b = append(b, " in="...)
	b = strconv.AppendInt(b, in, 10)
	b = append(b, " took="...)
	b = appendMillis(b, end.Sub(c.began))
	wait, work := c.times(end)
	if wait >= 0 {
		b = append(b, " wait="...)
		b = appendMillis(b, wait)
	}
	if work >= 0 {
		b = append(b, " work="...)
		b = appendMillis(b, work)
	}
	if c.pool != "" {
		b = append(b, " pool="...)
		b = append(b, c.pool...)
	}
	if work >= 0 {
		b = append(b, " worker="...)
		b = strconv.AppendInt(b, int64(c.slot), 10)
		b = append(b, " generation="...)
		b = strconv.AppendUint(b, c.generation, 10)
	}
	if c.id != "" {
		b = append(b, " id="...)
		b = append(b, c.id...)
	}
	if c.fault != "" {
		b = append(b, ` fault="`...)
		b = append(b, c.fault...)
		b = append(b, '"')
	}
	if c.reason != "" {
		b = append(b, ` reason="`...)
		b = appendEscaped(b, c.reason, longestField)
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

// appendEscaped writes what came from a client so that it can't end its quotes or its line, nor do anything to a terminal.
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
func (c *record) appendJSON(b []byte, r *http.Request, whole bool) []byte {
	end := time.Now()
	status, in := c.outcome(r)
	b = append(b, `{"log":"access","time":"`...)
	b = c.began.UTC().AppendFormat(b, "2006-01-02T15:04:05.000000Z")
	b = append(b, '"')
	b = appendField(b, "remote", remote(r), longestField)
	b = appendField(b, "method", r.Method, longestField)
	b = appendField(b, "host", r.Host, longestField)
	b = appendField(b, "target", r.RequestURI, longestTarget)
	b = appendField(b, "protocol", r.Proto, longestField)
	b = append(b, `,"status":`...)
	b = strconv.AppendInt(b, int64(status), 10)
	b = append(b, `,"bytes_in":`...)
	b = strconv.AppendInt(b, in, 10)
	b = append(b, `,"bytes_out":`...)
	b = strconv.AppendInt(b, c.out, 10)
	b = append(b, `,"took_ms":`...)
	b = appendMillis(b, end.Sub(c.began))
	wait, work := c.times(end)
	if wait >= 0 {
		b = append(b, `,"wait_ms":`...)
		b = appendMillis(b, wait)
	}
	if work >= 0 {
		b = append(b, `,"work_ms":`...)
		b = appendMillis(b, work)
	}
	if c.pool != "" {
		b = appendField(b, "pool", c.pool, longestField)
	}
	if work >= 0 {
		b = append(b, `,"worker":`...)
		b = strconv.AppendInt(b, int64(c.slot), 10)
		b = append(b, `,"generation":`...)
		b = strconv.AppendUint(b, c.generation, 10)
	}
	if c.id != "" {
		b = appendField(b, "request_id", c.id, longestField)
	}
	for _, field := range [...][2]string{{"Referer", "referer"}, {"User-Agent", "user_agent"}, {"Traceparent", "traceparent"}} {
		if value := r.Header.Get(field[0]); value != "" {
			b = appendField(b, field[1], value, longestField)
		}
	}
	if c.fault != "" {
		b = appendField(b, "fault", c.fault, longestField)
	}
	if c.reason != "" {
		b = appendField(b, "reason", c.reason, longestField)
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
