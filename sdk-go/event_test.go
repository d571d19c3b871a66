package sdk

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/workerhost/workerhost/protocol"
)

// event sends an event on a new stream.
func (h *fakeHost) event(m protocol.Opening) *call {
	h.t.Helper()
	h.mu.Lock()
	id := h.next
	h.next += 2
	h.mu.Unlock()
	m.SetStream(id)
	c := &call{h, id, h.stream(id)}
	h.send(m)
	return c
}

// newEventHost is a host whose worker is w.
func newEventHost(t testing.TB, w Worker, opts ...Option) *fakeHost {
	t.Helper()
	return newHost(t, func(rw http.ResponseWriter, r *http.Request) {
		w.Handler.ServeHTTP(rw, r)
	}, append(opts, w.option())...)
}

var socket = protocol.Connection{ID: "c1", Protocol: "websocket", Remote: "192.0.2.1:5", Listener: ":80"}

func text(s string) *protocol.Incoming {
	return &protocol.Incoming{Flags: protocol.FlagEnd, Connection: socket, Bytes: []byte(s)}
}

// entry encodes one value of a session.
func entry(t testing.TB, key string, value any) protocol.Entry {
	v, err := protocol.NewValue(value)
	if err != nil {
		t.Fatal(err)
	}
	return protocol.Entry{Key: key, Value: v}
}

// onStream sets a message's stream.
func onStream[M any](id uint32, m *M) *M {
	reflect.ValueOf(m).Elem().FieldByName("Stream").SetUint(uint64(id))
	return m
}

func expectSame[M any](c *call, want *M) {
	c.h.t.Helper()
	if got := expect[*M](c); !reflect.DeepEqual(got, onStream(c.id, want)) {
		c.h.t.Errorf("%T is %+v, not %+v", got, got, want)
	}
}

// ofRequests are the features of a worker without events.
var ofRequests = []string{"deadline", "local", "threads", "pieces", "tunnel"}

func TestReadyOffersTheEventsThatTheWorkerHandles(t *testing.T) {
	if h := newHost(t, hello); !slices.Equal(h.ready.Features, ofRequests) {
		t.Errorf("a worker of requests offers %q", h.ready.Features)
	}
	h := newEventHost(t, Worker{
		OnMessage: func(context.Context, *Conn, Message) error { return nil },
		OnClose:   func(context.Context, *Conn, Closing) error { return nil },
	})
	want := append([]string{"message", "close"}, ofRequests...)
	if !slices.Equal(h.ready.Features, want) {
		t.Errorf("READY offers %q, not %q", h.ready.Features, want)
	}
	expect[*protocol.Done](h.event(&protocol.Open{Connection: socket}))
	expect[*protocol.Done](h.event(&protocol.Buffer{Connection: socket}))
}

func TestAnEventsContextTellsItsSpan(t *testing.T) {
	told := make(chan map[string]string, 1)
	h := newEventHost(t, Worker{OnMessage: func(ctx context.Context, _ *Conn, _ Message) error {
		told <- Trace(ctx)
		return nil
	}})
	traced := socket
	traced.Trace = []string{"traceparent", "00-1-2-01", "tracestate", "a=1"}
	for _, of := range []protocol.Connection{traced, socket} {
		expect[*protocol.Done](h.event(&protocol.Incoming{Flags: protocol.FlagEnd, Connection: of}))
		if got := <-told; len(got) != len(of.Trace)/2 || len(got) > 0 && got["traceparent"] != "00-1-2-01" {
			t.Errorf("%v is told as %v", of.Trace, got)
		}
	}
}

func TestWhatAHandlerDoesGoesWithItsDone(t *testing.T) {
	release := make(chan struct{})
	began := make(chan struct{})
	h := newEventHost(t, Worker{OnMessage: func(ctx context.Context, c *Conn, m Message) error {
		if c.ID != "c1" || c.Protocol != "websocket" || c.RemoteAddr != "192.0.2.1:5" || c.Listener != ":80" ||
			c.Attempt != 2 || Attempt(ctx) != 2 || c.UID() != "ann" || m.Binary {
			t.Errorf("the connection is %+v", c)
		}
		for _, err := range []error{
			c.Send(m.Data), c.Join("lobby", "x"), c.Subscribe("p1", "news"), c.Leave("x"),
			c.BindUser("bob"), c.Session().Set("n", 2),
			c.Session().Set("same", "s"), c.Session().Delete("old", "none"),
			Connections(ctx).SendToGroup("lobby", []byte{0xff}, Binary(), Except(c.ID)), c.Close(4000, "enough"),
			c.Send([]byte("quick"), Now()),
		} {
			if err != nil {
				t.Error(err)
			}
		}
		if !slices.Equal(c.Groups(), []string{"before", "lobby", "news"}) || c.UID() != "bob" ||
			c.Session().Int("n") != 2 ||
			!slices.Equal(c.Session().Keys(), []string{"n", "same"}) {
			t.Errorf("the connection is left as %v, %q, %v", c.Groups(), c.UID(), c.Session().Keys())
		}
		close(began)
		<-release
		return nil
	}})
	m := text("hi")
	m.Attempt = 2
	m.Connection.UID, m.Connection.Groups = "ann", []string{"before"}
	m.Connection.Session = []protocol.Entry{entry(t, "n", 1), entry(t, "same", "s"), entry(t, "old", true)}
	c := h.event(m)
	<-began
	expectSame(c, &protocol.Send{Flags: protocol.FlagNow, Bytes: []byte("quick")})
	h.send(&protocol.Ping{Token: 1})
	h.link.take()
	if c.arrivals.mu.Lock(); len(c.messages) > 0 {
		t.Errorf("before the handler returned came %+v", c.messages)
	}
	c.arrivals.mu.Unlock()
	close(release)
	expectSame(c, &protocol.Send{Bytes: []byte("hi")})
	expectSame(c, &protocol.Join{Groups: []string{"lobby", "x"}})
	since := "p1"
	expectSame(c, &protocol.Join{Groups: []string{"news"}, Since: &since})
	expectSame(c, &protocol.Leave{Groups: []string{"x"}})
	expectSame(c, &protocol.Bind{UID: "bob"})
	expectSame(c, &protocol.Send{Flags: protocol.FlagBinary, To: protocol.ToGroups, Names: []string{"lobby"},
		Bytes: []byte{0xff}, Except: []string{"c1"}})
	expectSame(c, &protocol.Hangup{Code: 4000, Reason: "enough"})
	expectSame(c, &protocol.Set{Set: []protocol.Entry{entry(t, "n", 2)}, Unset: []string{"old"}})
	expect[*protocol.Done](c)
}

func TestAHandlerThatFailsHasDoneNothing(t *testing.T) {
	for name, fail := range map[string]func() error{
		"no table":         func() error { return errors.New("no table") },
		"panic: boom":      func() error { panic("boom") },
		"runtime.Goexit":   func() error { runtime.Goexit(); return nil },
		"status 403":       func() error { return Refuse(403, "no") }, // means something to OPEN alone
		"can't be encoded": nil,
	} {
		h := newEventHost(t, Worker{OnMessage: func(ctx context.Context, c *Conn, m Message) error {
			c.Send(m.Data)
			c.Session().Set("n", 1)
			if fail == nil {
				if err := c.Session().Set("f", func() {}); err == nil {
					t.Error("a func was kept")
				}
				return errors.New(name)
			}
			return fail()
		}})
		c := h.event(text("x"))
		c.expectReset(protocol.ResetInternal)
		if m := h.expectLog(name); m.Stream != c.id || m.Level != "error" {
			t.Errorf("LOG is %+v", m)
		}
		h.event(text("x")).expectReset(protocol.ResetInternal)
	}
}

func TestOfMessagesThatTravelTogetherOnlyTheOneThatFailedIsUndone(t *testing.T) {
	h := newEventHost(t, Worker{OnMessage: func(_ context.Context, c *Conn, m Message) error {
		c.Send(m.Data)
		c.Join(string(m.Data))
		c.Session().Set(string(m.Data), m.Binary)
		if bytes.HasPrefix(m.Data, []byte("bad")) {
			panic("bad")
		}
		if slices.ContainsFunc(c.Session().Keys(), func(k string) bool {
			return k == "bad"
		}) || slices.Contains(c.Groups(), "bad") {
			t.Errorf("what failed was left: %q, %q", c.Session().Keys(), c.Groups())
		}
		return nil
	}})
	m := text("a")
	m.More = []protocol.Later{{Bytes: []byte("bad")}, {Bytes: []byte("b"), Flags: protocol.FlagBinary}}
	c := h.event(m)
	expectSame(c, &protocol.Send{Bytes: []byte("a")})
	expectSame(c, &protocol.Join{Groups: []string{"a"}})
	expectSame(c, &protocol.Send{Bytes: []byte("b")})
	expectSame(c, &protocol.Join{Groups: []string{"b"}})
	expectSame(c, &protocol.Set{Set: []protocol.Entry{entry(t, "a", false), entry(t, "b", true)}})
	expect[*protocol.Done](c)

	m = text("bad1")
	m.More = []protocol.Later{{Bytes: []byte("bad2")}}
	h.event(m).expectReset(protocol.ResetInternal)
}

func TestOpenIsAcceptedOrRefused(t *testing.T) {
	h := newEventHost(t, Worker{OnOpen: func(_ context.Context, c *Conn, r *http.Request) error {
		if r == nil {
			if err := c.Accept("", nil); err == nil {
				t.Error("Accept without a request")
			}
			return c.Send([]byte{0xff}) // TCP knows no text
		}
		if r.URL.Query().Get("token") == "" {
			return fmt.Errorf("opening: %w", Refuse(401, "Who are you?"))
		}
		if err := c.Accept("smtp", nil); err == nil {
			t.Error("a subprotocol was chosen that the client did not offer")
		}
		return c.Accept("chat", http.Header{"Set-Cookie": {"a=b"}})
	}})
	offer := []string{"Sec-WebSocket-Protocol", "soap, chat"}
	c := h.event(&protocol.Open{Connection: socket,
		Request: &protocol.Request{Method: "GET", Target: "/?token=1", Version: "1.1", Scheme: "http",
			Headers: offer}})
	expectSame(c, &protocol.Accept{Subprotocol: "chat", Headers: []string{"Set-Cookie", "a=b"}})
	expect[*protocol.Done](c)

	m := h.event(&protocol.Open{Connection: socket,
		Request: &protocol.Request{Method: "GET", Target: "/", Version: "1.1", Scheme: "http"}}).whole()
	if m.Status != 401 || string(m.Body) != "Who are you?\n" || m.Check() != nil {
		t.Errorf("the refusal is %+v", m)
	}
	c = h.event(&protocol.Open{Connection: protocol.Connection{ID: "c2", Protocol: "tcp"}})
	expectSame(c, &protocol.Send{Bytes: []byte{0xff}})
	expect[*protocol.Done](c)
}

func TestCloseAndBufferTellWhatTheHostSaid(t *testing.T) {
	var told []string
	h := newEventHost(t, Worker{
		OnClose: func(_ context.Context, c *Conn, end Closing) error {
			told = append(told, fmt.Sprint(end))
			return nil
		},
		OnBuffer: func(_ context.Context, c *Conn, full bool, waiting int64) error {
			told = append(told, fmt.Sprint(full, waiting))
			return nil
		},
	})
	expect[*protocol.Done](h.event(&protocol.Close{Connection: socket, Code: 1006, Reason: "gone"}))
	expect[*protocol.Done](h.event(&protocol.Buffer{Connection: socket, Full: true, Bytes: 9}))
	if want := []string{"{1006 gone false}", "true 9"}; !slices.Equal(told, want) {
		t.Errorf("told %q, not %q", told, want)
	}
}

func TestLargeMessagesGoBothWays(t *testing.T) {
	large := bytes.Repeat([]byte("0123456789abcdef"), 1<<16) // 1 MiB
	h := newEventHost(t, Worker{OnMessage: func(_ context.Context, c *Conn, m Message) error {
		return c.Send(m.Data, Binary())
	}})
	c := h.event(&protocol.Incoming{Flags: protocol.FlagBinary, Connection: socket, Bytes: large[:protocol.MaxData]})
	credit := protocol.Credit(h.ready.Window)
	for rest := large[protocol.MaxData:]; len(rest) > 0; {
		n := credit.Take(min(len(rest), protocol.MaxData))
		if n == 0 {
			credit.Grant(1, expect[*protocol.Window](c).Bytes)
			continue
		}
		m := &protocol.Data{Stream: c.id, Bytes: rest[:n]}
		if rest = rest[n:]; len(rest) == 0 {
			m.Flags = protocol.FlagEnd
		}
		h.send(m)
	}
	var got []byte
	for {
		next := c.take()
		if _, ok := next.(*protocol.Window); ok {
			continue
		}
		m, ok := next.(*protocol.Send)
		if !ok {
			t.Fatalf("got %+v", next)
		}
		got = append(got, m.Bytes...)
		if m.Flags&protocol.FlagMore == 0 {
			break
		}
	}
	if expect[*protocol.Done](c); !bytes.Equal(got, large) {
		t.Errorf("%d bytes came back", len(got))
	}
}

func TestActsOfARequestGoBeforeTheEndOfItsResponse(t *testing.T) {
	h := newEventHost(t, Worker{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conns := Connections(r.Context())
		for _, err := range []error{
			conns.SendToAll([]byte("x")), conns.SendToUser("u", []byte("y")), conns.Send("c9", []byte("z")),
			conns.Join("c9", "g"), conns.Leave("c9", "g"), conns.BindUser("c9", "u"),
			conns.Close("c9", 1000, ""), conns.CloseUser("u", 1001, ""), conns.CloseGroup("g", 1001, ""),
			conns.CloseAll(1001, "bye", Except("c1")),
		} {
			if err != nil {
				t.Error(err)
			}
		}
		if r.URL.Path == "/panic" {
			panic("boom")
		}
		hello(w, r)
		if r.URL.Path == "/flush" {
			http.NewResponseController(w).Flush()
		}
	})})
	for _, path := range []string{"/", "/flush"} {
		c := h.open(protocol.Request{Target: path})
		if path == "/flush" {
			expect[*protocol.Response](c)
		}
		expectSame(c, &protocol.Send{To: protocol.ToAll, Bytes: []byte("x")})
		expectSame(c, &protocol.Send{To: protocol.ToUsers, Names: []string{"u"}, Bytes: []byte("y")})
		expectSame(c, &protocol.Send{To: protocol.ToConnections, Names: []string{"c9"}, Bytes: []byte("z")})
		expectSame(c, &protocol.Join{Connection: "c9", Groups: []string{"g"}})
		expectSame(c, &protocol.Leave{Connection: "c9", Groups: []string{"g"}})
		expectSame(c, &protocol.Bind{Connection: "c9", UID: "u"})
		expectSame(c, &protocol.Hangup{To: protocol.ToConnections, Names: []string{"c9"}, Code: 1000})
		expectSame(c, &protocol.Hangup{To: protocol.ToUsers, Names: []string{"u"}, Code: 1001})
		expectSame(c, &protocol.Hangup{To: protocol.ToGroups, Names: []string{"g"}, Code: 1001})
		expectSame(c, &protocol.Hangup{To: protocol.ToAll, Code: 1001, Reason: "bye", Except: []string{"c1"}})
		if path == "/flush" {
			expect[*protocol.Data](c)
		} else {
			c.whole()
		}
	}
	if m := h.open(protocol.Request{Target: "/panic"}).whole(); m.Status != 500 {
		t.Errorf("RESPONSE is %+v", m)
	}
}

func TestAfterItsHandlerAConnectionIsReachedAtOnceByItsID(t *testing.T) {
	kept := make(chan *Conn, 2)
	h := newEventHost(t, Worker{OnMessage: func(_ context.Context, c *Conn, m Message) error {
		kept <- c
		return nil
	}})
	expect[*protocol.Done](h.event(text("x")))
	c := <-kept
	for _, err := range []error{c.Send([]byte("later")), c.Join("g"), c.Close(1000, "")} {
		if err != nil {
			t.Error(err)
		}
	}
	if err := c.Session().Set("n", 1); err == nil {
		t.Error("a session was changed after its handler")
	}
	if m, ok := h.link.take().(*protocol.Send); !ok || m.Stream != 0 || m.To != protocol.ToConnections ||
		!slices.Equal(m.Names, []string{"c1"}) || string(m.Bytes) != "later" {
		t.Errorf("SEND is %+v", m)
	}
	if m, ok := h.link.take().(*protocol.Join); !ok || m.Connection != "c1" {
		t.Errorf("JOIN is %+v", m)
	}
	h.link.take()

	datagram := text("x")
	datagram.Connection = protocol.Connection{Protocol: "udp", Remote: "192.0.2.1:5"}
	expect[*protocol.Done](h.event(datagram))
	c = <-kept
	if err := c.Send(nil); err != ErrDatagram {
		t.Errorf("a datagram was answered late: %v", err)
	}
	if err := c.Join("g"); err != ErrDatagram {
		t.Errorf("a datagram has joined a group: %v", err)
	}
}

func TestWhatNoHostWouldTakeIsRefusedHere(t *testing.T) {
	h := newEventHost(t, Worker{OnMessage: func(ctx context.Context, c *Conn, m Message) error {
		deep := any(1)
		for range 15 {
			deep = []any{deep}
		}
		for what, err := range map[string]error{
			"text that is none":  c.Send([]byte{0xff}),
			"close 1005":         c.Close(1005, ""),
			"close 999":          c.Close(999, ""),
			"a long reason":      c.Close(1000, strings.Repeat("x", 124)),
			"an empty group":     c.Join(""),
			"a long group":       Connections(ctx).Leave("c1", strings.Repeat("x", 1025)),
			"a long uid":         c.BindUser(strings.Repeat("x", 1025)),
			"a deep value":       c.Session().Set("deep", deep),
			"a channel":          c.Session().Set("chan", make(chan int)),
			"no id":              Connections(ctx).Join("", "g"),
			"a header that lies": c.Accept("", http.Header{"A b": {"c"}}),
			"names beyond 16 MB": Connections(ctx).Send(strings.Repeat("x", 17<<20), nil),
			"65 MiB":             c.Send(make([]byte, 65<<20), Binary()),
		} {
			if err == nil {
				t.Errorf("%s was taken", what)
			}
		}
		if err := c.Session().Set("deep", deep.([]any)[0]); err != nil {
			t.Error(err)
		}
		return c.Session().Delete("deep")
	}})
	expect[*protocol.Done](h.event(text("x")))
}

func TestAnEventThatTheHostGaveUpEndsWithDoneAlone(t *testing.T) {
	began := make(chan struct{})
	h := newEventHost(t, Worker{OnMessage: func(ctx context.Context, c *Conn, m Message) error {
		c.Send(m.Data)
		close(began)
		<-ctx.Done()
		return context.Cause(ctx)
	}})
	c := h.event(text("x"))
	<-began
	h.send(&protocol.Reset{Stream: c.id, Code: protocol.ResetTimeout})
	expect[*protocol.Done](c)
}
