// Spans of requests and of long-lived connections, over the lane and over net/http.

package listen

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/workerhost/workerhost/host/internal/guard"
	"github.com/workerhost/workerhost/host/internal/peer/peertest"
	"github.com/workerhost/workerhost/host/internal/route"
	"github.com/workerhost/workerhost/host/internal/trace"
	"github.com/workerhost/workerhost/host/internal/web"
	"github.com/workerhost/workerhost/protocol"
)

// traced is a span, as a collector would have it.
type traced struct {
	trace.Record
	said map[string]string // its attributes, as text
}

// collector keeps spans.
type collector struct {
	mu    sync.Mutex
	came  []traced
	ended chan struct{} // closed after the last
}

func (c *collector) Export(_ context.Context, batch []*trace.Record) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, r := range batch {
		s := traced{*r, map[string]string{}}
		for _, a := range r.Attributes {
			s.said[a.Key] = a.Text
			switch a.Type {
			case trace.Whole:
				s.said[a.Key] = fmt.Sprint(a.Whole)
			case trace.Real:
				s.said[a.Key] = fmt.Sprint(a.Real)
			}
		}
		c.came = append(c.came, s)
	}
	return 0, nil
}

func (c *collector) Close() { close(c.ended) }

// withTracing has spans collected; all gives them once those that have begun are over.
func withTracing(t testing.TB, s trace.Settings) (change func(*Options), all func() []traced) {
	t.Helper()
	c := &collector{ended: make(chan struct{})}
	tracer := trace.New(s, c, new(trace.Tally), hclog.NewNullLogger())
	t.Cleanup(tracer.Close)
	return func(o *Options) { o.Tracer = tracer }, func() []traced {
		tracer.Retire() // the handler that has given its connection away may not have returned
		<-c.ended
		return c.came
	}
}

const (
	clientsTrace = "0af7651916cd43dd8448eb211c80319c"
	clientsSpan  = "b7ad6b7169203331"
	clientsWord  = "00-" + clientsTrace + "-" + clientsSpan
)

var everything = trace.Settings{Share: 1, ParentBased: true}

func TestEveryAnswerHasASpanThatSaysWhatItWas(t *testing.T) {
	public := t.TempDir()
	if err := os.WriteFile(filepath.Join(public, "app.js"), []byte("1"), 0o600); err != nil {
		t.Fatal(err)
	}
	get := "GET %s HTTP/1.1\r\nHost: example.org:81\r\nUser-Agent: me\r\nConnection: close\r\n\r\n"
	for _, test := range []struct {
		name, sent string
		work       func(*call)
		change     func(*Options)
		span       string
		failed     bool
		says       map[string]string // "-" is nothing
	}{
		{"a worker's", fmt.Sprintf(get, "/a%20b?c=1&token=x"), hello, nil, "GET", false, map[string]string{
			"http.request.method": "GET", "url.path": "/a%20b", "url.query": "c=1&token=REDACTED",
			"url.scheme": "http", "http.response.status_code": "200", "http.response.body.size": "13",
			"client.address": "127.0.0.1", "network.peer.address": "127.0.0.1", "server.address": "example.org",
			"server.port": "81", "network.protocol.version": "1.1", "user_agent.original": "me",
			"workerhost.pool": "web", "workerhost.worker": "2", "workerhost.generation": "7",
			"workerhost.attempts": "1", "error.type": "-", "http.route": "-"}},
		{"a worker's failure", fmt.Sprintf(get, "/"), func(c *call) { c.whole(500, "") }, nil, "GET", true,
			map[string]string{"http.response.status_code": "500", "error.type": "500"}},
		{"a worker's death", fmt.Sprintf(get, "/"), func(c *call) { c.fail(protocol.FailedDied) }, nil, "GET", true,
			map[string]string{"http.response.status_code": "502", "error.type": "worker died",
				"workerhost.worker": "2"}},
		{"a full queue", fmt.Sprintf(get, "/"), func(c *call) { c.fail(protocol.FailedQueueFull) }, nil, "GET", true,
			map[string]string{"http.response.status_code": "503", "error.type": "queue full"}},
		{"a response that breaks off", fmt.Sprintf(get, "/"), func(c *call) {
			c.respond(0, 200, []string{"Content-Length", "99"}, "some")
			c.fail(protocol.FailedDied)
		}, nil, "GET", true, map[string]string{"error.type": "worker died"}},
		{"not found", fmt.Sprintf(get, "/"), func(c *call) { c.whole(404, "") }, nil, "GET", false,
			map[string]string{"http.response.status_code": "404", "error.type": "-"}},
		{"a method of its own", "FLY / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", hello, nil, "HTTP", false,
			map[string]string{"http.request.method": "_OTHER", "http.request.method_original": "FLY",
				"server.address": "a", "server.port": "-"}},
		{"a static file", fmt.Sprintf(get, "/app.js"), hello, func(o *Options) { o.Public = public }, "GET", false,
			map[string]string{"http.response.status_code": "200", "workerhost.pool": "-", "workerhost.worker": "-",
				"workerhost.work_ms": "-"}},
		{"a client that comes too often", fmt.Sprintf(get, "/") + fmt.Sprintf(get, "/"), hello, func(o *Options) {
			limit := guard.NewRateLimit(time.Hour, 1)
			limit.Allow("127.0.0.1:1")
			o.RateLimit = limit
		}, "GET", false, map[string]string{"http.response.status_code": "429", "error.type": "rate limit"}},
		{"a redirect of a route", fmt.Sprintf(get, "/old/x"), hello, func(o *Options) {
			routed(t, &o.Terms.Terms, site{Rule: route.Rule{Paths: []string{"/old/*"}},
				Route: web.Route{Name: "/old/*", Status: 301, Location: "https://{host}{target}"}})
		}, "GET /old/*", false, map[string]string{"http.response.status_code": "301", "http.route": "/old/*"}},
		{"a bad target", "GET /a#b HTTP/1.1\r\nHost: a\r\n\r\n", hello, nil, "GET", false, map[string]string{
			"http.response.status_code": "400", "error.type": "malformed", "workerhost.pool": "-",
			"workerhost.reason": "a character in the target that has to be encoded"}},
		{"a bad path", fmt.Sprintf(get, "/%zz"), hello, nil, "GET", false, map[string]string{
			"http.response.status_code": "400", "error.type": "malformed"}},
		{"a body that is too long", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n123456789", hello,
			func(o *Options) { o.Limits.MaxBody = 5 }, "POST", false, map[string]string{
				"http.response.status_code": "413", "error.type": "too large"}},
		{"an upload", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\nConnection: close\r\n\r\n123456789", echo,
			nil, "POST", false, map[string]string{"http.request.body.size": "9"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			change, all := withTracing(t, everything)
			h := start(t, test.work, change, func(o *Options) {
				if test.change != nil {
					test.change(o)
				}
			})
			h.backend.traits.Pool = "web"
			h.raw(test.sent)
			h.Close()
			h.backend.busy.Wait()
			spans := all()
			if len(spans) != 1 {
				t.Fatalf("%d spans: %+v", len(spans), spans)
			}
			s := spans[0]
			if s.Name != test.span || s.Failed != test.failed || s.Kind != trace.Server || !s.Sampled ||
				s.Parent != (trace.SpanID{}) || !s.Ended.After(s.Began) {
				t.Errorf("%+v", s.Record)
			}
			for key, want := range test.says {
				if got, ok := s.said[key]; got != want && (ok || want != "-") {
					t.Errorf("%s: %q, expected %q", key, got, want)
				}
			}
			if s.said["workerhost.worker"] != "" && (s.said["workerhost.wait_ms"] == "" ||
				s.said["workerhost.work_ms"] == "") {
				t.Errorf("no times: %v", s.said)
			}
		})
	}
}

func TestAWorkerGoesOnWithTheTraceBelowTheHostsSpan(t *testing.T) {
	ours := regexp.MustCompile(`^00-([0-9a-f]{32})-([0-9a-f]{16})-0([01])$`)
	for _, test := range []struct {
		name                  string
		settings              trace.Settings
		parent, state         string
		trace, flag, stateOut string // "" is a new one
	}{
		{"sampled", trace.Settings{ParentBased: true}, clientsWord + "-01", "a=1", clientsTrace, "1", "a=1"},
		{"not sampled", everything, clientsWord + "-00", "a=1", clientsTrace, "0", "a=1"},
		{"malformed", everything, "00-1-2-01", "a=1", "", "1", ""},
		{"malformed state", everything, clientsWord + "-01", "A=1", clientsTrace, "1", ""},
		{"none", everything, "", "a=1", "", "1", ""},
		{"none and not sampled", trace.Settings{ParentBased: true}, "", "", "", "0", ""},
		{"not asked", trace.Settings{Share: 0}, clientsWord + "-01", "", clientsTrace, "0", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			change, all := withTracing(t, test.settings)
			got := make(chan protocol.Request, 1)
			log, lines := withAccess(t, "access.json")
			h := start(t, func(c *call) { got <- c.request; hello(c) }, change, log)
			headers := []string{"X-Other", "1"}
			if test.parent != "" {
				headers = append(headers, "Traceparent", test.parent)
			}
			if test.state != "" {
				headers = append(headers, "Tracestate", test.state)
			}
			h.do("GET", "/", nil, headers...)
			r := <-got
			told := ours.FindStringSubmatch(pair(r.Headers, "Traceparent"))
			if told == nil || told[3] != test.flag || test.trace != "" && told[1] != test.trace ||
				test.trace == "" && told[1] == clientsTrace || told[2] == clientsSpan ||
				pair(r.Headers, "Tracestate") != test.stateOut {
				t.Fatalf("the worker was told %v", r.Headers)
			}
			h.Close()
			h.backend.busy.Wait()
			spans, line := all(), lines()[0]
			if logged := strings.Contains(line, `"trace_id":"`+told[1]+`"`); logged != (test.flag == "1") {
				t.Errorf("the access log says %s", line)
			}
			if test.flag == "0" {
				if len(spans) != 0 {
					t.Errorf("spans: %+v", spans)
				}
				return
			}
			s := spans[0]
			if fmt.Sprintf("%x", s.TraceID) != told[1] || fmt.Sprintf("%x", s.SpanID) != told[2] {
				t.Errorf("the span is another one: %+v, %v", s.Context, told)
			}
			if below := fmt.Sprintf("%x", s.Parent) == clientsSpan; below != (test.trace != "") {
				t.Errorf("its parent is %x", s.Parent)
			}
		})
	}
}

func TestNoClientTakesTheHostsSpanFromItsWorker(t *testing.T) {
	change, _ := withTracing(t, everything)
	got := make(chan protocol.Request, 1)
	h := start(t, func(c *call) { got <- c.request; hello(c) }, change)
	h.raw("GET / HTTP/1.1\r\nHost: a\r\nConnection: close, traceparent\r\nTraceparent: " + clientsWord + "-01\r\n\r\n")
	if told := pair((<-got).Headers, "Traceparent"); len(told) != 55 || strings.Contains(told, clientsSpan) {
		t.Errorf("the worker was told %q", told)
	}
}

func TestWithoutTracingAClientsTraceparentIsLeftAlone(t *testing.T) {
	got := make(chan protocol.Request, 1)
	h := start(t, func(c *call) { got <- c.request; hello(c) })
	h.do("GET", "/", nil, "Traceparent", "as it is", "Tracestate", "this, too")
	if r := <-got; pair(r.Headers, "Traceparent") != "as it is" || pair(r.Headers, "Tracestate") != "this, too" {
		t.Errorf("the worker was told %v", r.Headers)
	}
}

func TestALogLineThatNamesARequestNamesItsTrace(t *testing.T) {
	change, all := withTracing(t, everything)
	h := start(t, func(c *call) { c.whole(200, "x", "Content-Length", "7") }, change)
	h.do("GET", "/", nil, "Traceparent", clientsWord+"-01")
	h.Close()
	all()
	if logged := h.logged.String(); !strings.Contains(logged, "trace_id="+clientsTrace) {
		t.Errorf("the log says %s", logged)
	}
}

func TestAWebSocketsEventsHaveSpansThatLeadToItsRequest(t *testing.T) {
	change, all := withTracing(t, trace.Settings{ParentBased: true})
	told := make(chan []string, 3)
	l := startLines(t, func(b *switchboard, o *Options) {
		change(o)
		b.open = func(m *protocol.Open) ([]protocol.Act, *protocol.Response, *protocol.Failure) {
			told <- append(m.Connection.Trace, pair(m.Request.Headers, "Traceparent"))
			return nil, nil, nil
		}
	})
	k := l.call("Traceparent", clientsWord+"-01", "Tracestate", "a=1")
	k.send(peertest.Text("hi"))
	k.expect(0x81, []byte("hi"))
	k.send(peertest.Close(1000, ""))
	l.left()
	l.Close()
	l.board.busy.Wait()
	spans := map[string]traced{}
	for _, s := range all() {
		spans[s.Name] = s
	}
	request, open := spans["GET"], spans["OPEN of websocket"]
	if request.said["http.response.status_code"] != "101" || request.State != "a=1" {
		t.Errorf("the request's: %+v %v", request.Record, request.said)
	}
	if open.TraceID != request.TraceID || open.Parent != request.SpanID || open.Kind != trace.Consumer {
		t.Errorf("the OPEN's: %+v", open.Record)
	}
	if word := <-told; len(word) != 5 || word[0] != "traceparent" || word[1] != open.Traceparent() ||
		word[2] != "tracestate" || word[3] != "a=1" || word[4] != request.Traceparent() {
		t.Errorf("the worker was told %q", word)
	}
	for _, name := range []string{"MESSAGE of websocket", "CLOSE of websocket"} {
		s := spans[name]
		if s.Link != request.Context || s.TraceID == request.TraceID || s.Parent != (trace.SpanID{}) ||
			s.said["workerhost.connection"] == "" || s.said["workerhost.pool"] != "web" ||
			s.said["network.protocol.name"] != "websocket" {
			t.Errorf("%s: %+v %v", name, s.Record, s.said)
		}
	}
	if n := spans["MESSAGE of websocket"].said["messaging.message.body.size"]; n != "2" {
		t.Errorf("the message has %s bytes", n)
	}
}

func TestAnEventThatCameToNothingHasAFailedSpan(t *testing.T) {
	change, all := withTracing(t, everything)
	l := startLines(t, func(b *switchboard, o *Options) {
		change(o)
		b.open = func(*protocol.Open) ([]protocol.Act, *protocol.Response, *protocol.Failure) {
			return nil, nil, &protocol.Failure{Kind: protocol.FailedDied}
		}
	})
	if k := l.knock(); k.head.StatusCode != 502 {
		t.Errorf("the client got %s", k.head.Status)
	}
	l.Close()
	l.board.busy.Wait()
	spans := all()
	if len(spans) != 2 {
		t.Fatalf("%+v", spans)
	}
	for _, s := range spans {
		if !s.Failed || s.said["error.type"] != "worker died" {
			t.Errorf("%+v %v", s.Record, s.said)
		}
	}
}

// gone is a collector that is not there.
type gone struct{}

func (gone) Export(context.Context, []*trace.Record) (int, error) {
	return 0, &trace.Delay{Err: errors.New("connection refused")}
}

func (gone) Close() {}

// benchTraced is BenchmarkListenLane with tracing.
func benchTraced(b *testing.B, e trace.Exporter, share float64) {
	tracer := trace.New(trace.Settings{Share: share, ParentBased: true}, e, new(trace.Tally), hclog.NewNullLogger())
	defer tracer.Close()
	benchListen(b, Options{Loops: loops, Terms: Terms{Terms: web.Terms{Tracer: tracer}}})
}

// BenchmarkListenLaneTraced samples 1 % of the requests, as many sites do.
func BenchmarkListenLaneTraced(b *testing.B) { benchTraced(b, gone{}, 0.01) }

// BenchmarkListenLaneTracedAll samples all of them, and nobody takes the spans.
func BenchmarkListenLaneTracedAll(b *testing.B) { benchTraced(b, gone{}, 1) }
