// delivery.go: a stored answer on its way to one client, at the client's pace.

package cache

import (
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/workerhost/workerhost/protocol"
)

// window is how many bytes of a stored body a front may have that its client has not.
const window = 4 * protocol.MaxData

// delivery implements [protocol.Kept] and [protocol.Ticket]. Whoever asks tells the answer, or whoever has taken some
// of it: there is no goroutine.
type delivery struct {
	entry *entry
	sink  protocol.Sink
	how   string

	mu      sync.Mutex
	telling bool   // somebody calls the sink
	rest    []byte // that it does not have
	credit  int
	gone    bool // nobody waits for it any more
	over    bool // Finished was called
}

// deliver tells a client of an entry. status is a Cache-Status, without its age.
func (e *entry) deliver(w *asker, status, how string, now time.Time) {
	e.hits.Add(1)
	q := w.request
	d := &delivery{entry: e, sink: w.x.Sink, how: how, credit: window, telling: true}
	m := protocol.Response{Status: e.status}
	body := e.body
	switch from, to, part := e.part(q); {
	case e.notModified(q):
		m.Status, body = 304, nil
		m.Headers = without(e.headers, func(name string) bool { return !of304(name) })
	case part && from < 0:
		m.Status, body = 416, nil
		m.Headers = append(m.Headers, "Content-Range", "bytes */"+strconv.Itoa(len(e.body)), "Content-Length", "0")
	case part:
		m.Status, body = 206, e.body[from:to]
		m.Headers = without(e.headers, func(name string) bool { return strings.EqualFold(name, "Content-Length") })
		m.Headers = append(m.Headers, "Content-Length", strconv.Itoa(to-from), "Content-Range",
			"bytes "+strconv.Itoa(from)+"-"+strconv.Itoa(to-1)+"/"+strconv.Itoa(len(e.body)))
	default:
		m.Headers = append(make([]string, 0, len(e.headers)+4), e.headers...)
	}
	m.Headers = append(m.Headers, "Age", strconv.FormatInt(int64(e.ageAt(now)/time.Second), 10),
		"Cache-Status", status)
	if m.Bodyless(q.Method) {
		body = nil
	}
	n := min(len(body), protocol.MaxData)
	m.Body, d.rest = body[:n], body[n:]
	d.credit -= n
	if len(d.rest) == 0 {
		m.Flags = protocol.FlagEnd
	}
	if !w.take(d) {
		d.gone = true
	}
	d.sink.Begin(d)
	d.sink.Respond(&m)
	d.tell()
}

// of304 says whether a 304 has a field (RFC 9110 §15.4.5).
func of304(name string) bool {
	switch strings.ToLower(name) {
	case "cache-control", "content-location", "date", "etag", "expires", "vary", "last-modified":
		return true
	}
	return false
}

// tell goes on until the front has enough. The caller has set telling.
func (d *delivery) tell() {
	d.mu.Lock()
	for {
		n := min(len(d.rest), d.credit, protocol.MaxData)
		if n == 0 || d.gone {
			break
		}
		p := d.rest[:n]
		d.rest, d.credit = d.rest[n:], d.credit-n
		m := protocol.Data{Bytes: p}
		if len(d.rest) == 0 {
			m.Flags = protocol.FlagEnd
		}
		d.mu.Unlock()
		d.sink.Data(&m)
		d.mu.Lock()
	}
	broken := d.gone && len(d.rest) > 0
	over := (d.gone || len(d.rest) == 0) && !d.over
	d.over = d.over || over
	d.telling = false
	d.mu.Unlock()
	if over && broken {
		d.sink.Fail(&protocol.Failure{Kind: protocol.FailedCancelled})
	}
	if over {
		d.sink.Finished()
	}
}

// again has somebody go on, unless somebody does.
func (d *delivery) again(change func()) {
	d.mu.Lock()
	change()
	mine := !d.telling && !d.over
	d.telling = d.telling || mine
	d.mu.Unlock()
	if mine {
		d.tell()
	}
}

// Consumed implements [protocol.Stream].
func (d *delivery) Consumed(n int) { d.again(func() { d.credit += n }) }

// Cancel implements [protocol.Ticket].
func (d *delivery) Cancel(protocol.ResetCode) { d.again(func() { d.gone = true }) }

// Send implements [protocol.Stream]: what is asked for has no body.
func (d *delivery) Send([]byte, bool, []string) (n int, more bool) { return 0, false }

// Worker implements [protocol.Stream].
func (d *delivery) Worker() (slot int, generation uint64) { return 0, d.entry.generation }

// Kept implements [protocol.Kept].
func (d *delivery) Kept() string { return d.how }

// part is the one range of the body that is asked for (RFC 9110 §14.2); from is less than 0 if there is none such.
// part is false if all of it is to be sent.
func (e *entry) part(q *protocol.Request) (from, to int, part bool) {
	lines := values(q.Headers, "Range")
	if e.status != 200 || q.Method != "GET" || len(lines) != 1 || !e.ranges(q) {
		return 0, 0, false
	}
	unit, spec, ok := strings.Cut(lines[0], "=")
	first, last, dash := strings.Cut(strings.TrimSpace(spec), "-")
	if !ok || !strings.EqualFold(unit, "bytes") || !dash || !digits(first) || !digits(last) || first+last == "" {
		return 0, 0, false
	}
	size := len(e.body)
	switch {
	case first == "":
		n, err := strconv.Atoi(last)
		if err != nil {
			n = size
		}
		if n == 0 || size == 0 {
			return -1, 0, true
		}
		return max(0, size-n), size, true
	default:
		a, err := strconv.Atoi(first)
		if err != nil || a >= size {
			return -1, 0, true
		}
		b, err := strconv.Atoi(last)
		if err != nil || b >= size {
			b = size - 1
		}
		if b < a {
			return 0, 0, false
		}
		return a, b + 1, true
	}
}

// ranges says whether If-Range lets a part be sent (RFC 9110 §13.1.5).
func (e *entry) ranges(q *protocol.Request) bool {
	only := value(q.Headers, "If-Range")
	if only == "" {
		return true
	}
	if at, ok := parseDate(only); ok {
		return at.Equal(e.modified)
	}
	return only == e.etag && strings.HasPrefix(only, `"`)
}

func digits(s string) bool { return strings.Trim(s, "0123456789") == "" }
