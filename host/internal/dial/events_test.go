package dial

import (
	"fmt"
	"strings"
	"testing"

	"github.com/workerhost/workerhost/protocol"
)

// answers sends the head of an event stream, and what stands behind it.
func (e *ear) answers(head, body string) {
	e.Helper()
	head = "HTTP/1.1 " + strings.ReplaceAll(head, "\n", "\r\n") + "\r\n\r\n"
	if _, err := e.Write([]byte(head + body)); err != nil {
		e.Fatal(err)
	}
}

const stream = "200 OK\nContent-Type: text/event-stream; charset=utf-8"

func chunk(s string) string { return fmt.Sprintf("%x\r\n%s\r\n", len(s), s) }

func TestServerSentEventsAreMessages(t *testing.T) {
	s, server := newStage(t), newServer(t)
	s.open(s.dial(server.url("http", "/events"), "news", func(d *protocol.Dial) {
		d.Headers = []string{"X-Key", "{secret:KEY}"}
	}), protocol.DialBegun)
	e := hears(t, server.accepts())
	if h := e.request.Header; h.Get("Accept") != "text/event-stream" || h.Get("X-Key") != "s3cr3t" ||
		h.Values("Last-Event-Id") != nil {
		t.Errorf("the request has %v", h)
	}
	e.answers(stream+"\nTransfer-Encoding: chunked",
		chunk("\ufeffretry: 10\nid: 1\nevent: price\ndata: 4")+chunk("2\n"))
	c := next[*protocol.Open](s).Connection
	if c.Protocol != protocol.ProtoSSE || c.Dial.Name != "news" {
		t.Errorf("OPEN has %+v", c)
	}
	fmt.Fprint(e, chunk("data: more\n\n: a comment\n\ndata\n\n"))
	m := next[*protocol.Incoming](s)
	if string(m.Bytes) != "42\nmore" || fmt.Sprint(m.About) != "[event price id 1]" {
		t.Errorf("got %q with %q", m.Bytes, m.About)
	}
	if len(m.More) == 0 {
		m = next[*protocol.Incoming](s)
	} else {
		m.Bytes, m.About = m.More[0].Bytes, m.More[0].About
	}
	if string(m.Bytes) != "" || fmt.Sprint(m.About) != "[id 1]" {
		t.Errorf("got %q with %q", m.Bytes, m.About)
	}
	s.isThere("news")
	if err := s.hub.Apply(nil, []protocol.Act{&protocol.Send{To: protocol.ToConnections, Names: []string{c.ID},
		Bytes: []byte("nobody")}}); err != nil {
		t.Fatal(err)
	}
	s.until("the log tells of what is dropped", func([]State) bool {
		return strings.Contains(s.logged.String(), "only read")
	})
	fmt.Fprint(e, "0\r\n\r\n")
	if m := next[*protocol.Close](s); m.Code != 1000 || !m.Clean {
		t.Errorf("CLOSE is %+v", m)
	}
	e = hears(t, server.accepts())
	if id := e.request.Header.Get("Last-Event-Id"); id != "1" {
		t.Errorf("it comes back after %q", id)
	}
	e.answers(stream, "data: until the end\n\ndata: half")
	if c := next[*protocol.Open](s).Connection; c.Dial.Reconnects != 1 {
		t.Errorf("%+v", c.Dial)
	}
	if m := next[*protocol.Incoming](s); string(m.Bytes) != "until the end" || fmt.Sprint(m.About) != "[id 1]" {
		t.Errorf("got %q with %q", m.Bytes, m.About)
	}
	e.Close()
	next[*protocol.Close](s)
	hears(t, server.accepts()).answers("204 No Content", "")
	s.until("204 ends it", func(all []State) bool { return len(all) == 0 })
}

func (s *stage) isThere(name string) {
	s.Helper()
	s.until("it stands", func(all []State) bool {
		return len(all) == 1 && all[0].Name == name && all[0].Phase == "open"
	})
}

func TestAnswersThatAreNoEventStreamAreFailures(t *testing.T) {
	for _, c := range []struct{ head, want string }{
		{"404 Not Found\nContent-Length: 0", "404"},
		{"200 OK\nContent-Type: text/html\nContent-Length: 1", "text/html"},
		{stream + "\nContent-Encoding: gzip", "compressed"},
		{stream + "\nContent-Length: 0", "empty"},
		{"302 Found\nLocation: http://10.0.0.1/", "must not"},
		{"302 Found\nLocation: ws://127.0.0.1/", "leads from http to ws"},
		{"302 Found", "nowhere"},
		{"what", "its answer is none"},
		{"200 OK\n" + strings.Repeat("X: y\n", 20000), "its answer is none"},
		{strings.Repeat("102 Processing\n\nHTTP/1.1 ", 9) + stream, "interim answers alone"},
	} {
		s, server := newStage(t), newServer(t)
		s.open(s.dial(server.url("http", "/"), "x", func(d *protocol.Dial) { d.ReconnectMax = 60000 }),
			protocol.DialBegun)
		e := hears(t, server.accepts())
		fmt.Fprint(e, "HTTP/1.1 "+strings.ReplaceAll(c.head, "\n", "\r\n")+"\r\n\r\n") // may fail, as it is long
		s.until(c.want, func(all []State) bool {
			return len(all) == 1 && all[0].Phase == "waiting" && strings.Contains(all[0].Error, c.want)
		})
		s.calm()
	}
}

func TestRedirectsAreFollowedWithoutWhatIsForTheFirstHost(t *testing.T) {
	s, server, other := newStage(t), newServer(t), newServer(t)
	s.open(s.dial(server.url("http", "/a"), "x", func(d *protocol.Dial) {
		d.Headers = []string{"Authorization", "Basic abc", "X", "y"}
	}), protocol.DialBegun)
	e := hears(t, server.accepts())
	e.answers("103 Early Hints\nLink: x\n\nHTTP/1.1 307 Temporary Redirect\nLocation: b?c", "")
	e.ends()
	e = hears(t, server.accepts())
	if e.request.RequestURI != "/b?c" || e.request.Header.Get("Authorization") != "Basic abc" {
		t.Errorf("the request is %+v", e.request)
	}
	e.answers("301 Moved Permanently\nLocation: "+other.url("http", "/z"), "")
	e = hears(t, other.accepts())
	if h := e.request.Header; e.request.RequestURI != "/z" || h.Get("Authorization") != "" || h.Get("X") != "y" {
		t.Errorf("the request is %+v", e.request)
	}
	e.answers(stream+"\nContent-Length: 9", "data: x\n\n")
	next[*protocol.Open](s)
	next[*protocol.Incoming](s)
	if m := next[*protocol.Close](s); m.Code != 1000 {
		t.Errorf("CLOSE is %+v", m)
	}
}

func TestAnEventThatIsTooBigEndsItsStream(t *testing.T) {
	s, server := newStage(t), newServer(t)
	s.open(s.dial(server.url("http", "/"), "x", func(d *protocol.Dial) { d.MaxMessage = 100 }), protocol.DialBegun)
	e := hears(t, server.accepts())
	e.answers(stream, "data: "+strings.Repeat("x", 100)+"\n\ndata: "+strings.Repeat("x", 50)+"\ndata: "+
		strings.Repeat("x", 51)+"\n\n")
	next[*protocol.Open](s)
	if m := next[*protocol.Incoming](s); len(m.Bytes) != 100 {
		t.Errorf("got %d bytes", len(m.Bytes))
	}
	if m := next[*protocol.Close](s); m.Code != 1009 {
		t.Errorf("CLOSE is %+v", m)
	}
}

func TestAnIdleEventStreamIsHungUp(t *testing.T) {
	s, server := newStage(t), newServer(t)
	s.open(s.dial(server.url("http", "/"), "x", func(d *protocol.Dial) { d.IdleTimeout = 50 }), protocol.DialBegun)
	e := hears(t, server.accepts())
	e.answers(stream, "")
	next[*protocol.Open](s)
	if m := next[*protocol.Close](s); m.Code != 1001 {
		t.Errorf("CLOSE is %+v", m)
	}
	e.ends()
}
