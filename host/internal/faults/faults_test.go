package faults

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/workerhost/workerhost/protocol"
)

// code is a backend that does with each exchange what a test says.
type code func(x *protocol.Exchange, s protocol.Sink)

func (c code) Traits() protocol.Traits { return protocol.Traits{} }

func (c code) Submit(x *protocol.Exchange) protocol.Ticket {
	c(x, x.Sink)
	return noTicket{}
}

type noTicket struct{}

func (noTicket) Cancel(protocol.ResetCode) {}

// stream is a worker of a generation.
type stream uint64

func (stream) Send(p []byte, end bool, trailers []string) (int, bool) { return len(p), !end }
func (stream) Consumed(int)                                           {}
func (s stream) Worker() (slot int, generation uint64)                { return 3, uint64(s) }

// client is the sink of a front, which sends a body in pieces.
type client struct {
	pieces   []string
	finished int
}

func (c *client) Begin(s protocol.Stream) {
	for i, p := range c.pieces {
		s.Send([]byte(p), i == len(c.pieces)-1, nil)
	}
}
func (c *client) Writable()                  {}
func (c *client) Inform(*protocol.Inform)    {}
func (c *client) Respond(*protocol.Response) {}
func (c *client) Data(*protocol.Data)        {}
func (c *client) Fail(*protocol.Failure)     {}
func (c *client) Finished()                  { c.finished++ }

func asked(target string, headers ...string) *protocol.Request {
	return &protocol.Request{Flags: protocol.FlagEnd, Method: "GET", Target: target, Version: "1.1", Scheme: "http",
		Host: "one.test", Remote: "192.0.2.7:1234", Headers: headers, ID: "r1"}
}

// submit has a request go through a room before c.
func submit(t *testing.T, k *Keeper, c code, m protocol.Opening, pieces ...string) {
	t.Helper()
	front := &client{pieces: pieces}
	NewRoom("app", c, k).Submit(&protocol.Exchange{Request: m, Sink: front})
	if front.finished != 1 {
		t.Fatalf("the front was told %d times that it is over", front.finished)
	}
}

// throws is code that fails as PHP's SDK has it.
func throws(generation uint64, message string) code {
	return func(x *protocol.Exchange, s protocol.Sink) {
		s.Begin(stream(generation))
		trace := map[string]any{"trace": message + "\n#0 {main}"}
		x.ErrorLogged(&protocol.LoggedError{Message: message, Fields: trace})
		s.Respond(&protocol.Response{Status: 500})
		s.Finished()
	}
}

func fails(kind protocol.FailureKind, begun bool) code {
	return func(x *protocol.Exchange, s protocol.Sink) {
		if begun {
			s.Begin(stream(1))
		}
		s.Fail(&protocol.Failure{Kind: kind, Detail: "as it is"})
		s.Finished()
	}
}

func keeping(n int) *Keeper {
	k := NewKeeper()
	k.Set(Settings{Keep: n})
	return k
}

func TestAFaultIsKeptWithWhatMadeItAndWithoutSecrets(t *testing.T) {
	k := keeping(10)
	m := asked("/pay?n=1&token=abc", "Cookie", "sid=abc", "Accept", "*/*", "X-Note", "Authorization: Bearer abc")
	submit(t, k, throws(7, "Oops: password=abc in /app/pay.php:12"), m)
	f := k.Get("f1")
	if f == nil {
		t.Fatal("nothing is kept")
	}
	if f.What != "status 500" || f.Place != "/app/pay.php:12" || f.Generation != 7 || f.Worker != 3 ||
		f.RequestID != "r1" || !strings.Contains(f.Trace, "#0 {main}") ||
		f.Request.Target != "/pay?n=1&token=REDACTED" {
		t.Errorf("%+v %+v", f, f.Request)
	}
	if want := []string{"Cookie", "REDACTED", "Accept", "*/*"}; !slices.Equal(f.Request.Headers[:4], want) {
		t.Error(f.Request.Headers)
	}
	if all := fmt.Sprintf("%+v %+v", f, f.Request); strings.Contains(all, "abc") {
		t.Error("a secret is kept:", all)
	}
}

func TestWhatNoCodeIsToBlameForIsNoFault(t *testing.T) {
	k := keeping(100)
	for kind := protocol.FailedQueueFull; kind <= protocol.FailedFetchCrowd; kind++ {
		submit(t, k, fails(kind, kind == protocol.FailedDied), asked("/"+kind.String()))
	}
	submit(t, k, func(_ *protocol.Exchange, s protocol.Sink) {
		s.Begin(stream(1))
		s.Respond(&protocol.Response{Status: 404})
		s.Finished()
	}, asked("/404"))
	var what []string
	kinds, _ := k.Kinds("")
	for _, one := range kinds {
		what = append(what, one.What)
	}
	slices.Sort(what)
	want := []string{"link broken", "request timeout", "reset by worker", "worker died"}
	if !slices.Equal(what, want) {
		t.Errorf("%q are faults, and should be %q", what, want)
	}
}

func TestAnEventWhoseHandlerLoggedAnErrorIsAFault(t *testing.T) {
	k := NewKeeper()
	k.Set(Settings{Keep: 10, Bodies: true})
	m := &protocol.Incoming{Flags: protocol.FlagEnd, Bytes: []byte("hello"),
		Connection: protocol.Connection{ID: "c1", Protocol: "websocket"}}
	submit(t, k, func(x *protocol.Exchange, s protocol.Sink) {
		s.Begin(stream(1))
		x.ErrorLogged(&protocol.LoggedError{Message: "panic: no", Fields: map[string]any{"stack": "goroutine 1"}})
		s.Finished()
	}, m)
	f := k.Get("f1")
	if f == nil || f.What != "failed" || f.Trace != "goroutine 1" || f.RequestID != "c1" || string(f.Body) != "hello" {
		t.Fatalf("%+v", f)
	}
	if err := f.Check(); err == nil || !strings.Contains(err.Error(), "only requests") {
		t.Error(err)
	}
}

func TestABodyIsKeptWhereThatIsAskedForAsItsLastWorkerGotIt(t *testing.T) {
	for _, bodies := range []bool{false, true} {
		k := NewKeeper()
		k.Set(Settings{Keep: 10, Bodies: bodies})
		m := asked("/")
		m.Method, m.Flags, m.Body = "POST", 0, []byte("first ")
		submit(t, k, func(x *protocol.Exchange, s protocol.Sink) {
			s.Begin(stream(1)) // this one dies, and another one gets it anew
			throws(1, "no")(x, s)
		}, m, "second ", strings.Repeat("x", longestBody))
		f := k.Get("f1")
		switch {
		case !bodies && (f.Body != nil || f.Check() == nil):
			t.Errorf("%d bytes are kept, and %v", len(f.Body), f.Check())
		case bodies && (!strings.HasPrefix(string(f.Body), "first second x") || len(f.Body) != longestBody ||
			f.Length != int64(len("first second ")+longestBody) || f.Check() == nil):
			t.Errorf("%.20q: %d of %d", f.Body, len(f.Body), f.Length)
		}
	}
}

func TestARareFaultOutlivesAFrequentOne(t *testing.T) {
	k := keeping(5)
	submit(t, k, throws(1, "Rare: one in /app/a.php:1"), asked("/rare"))
	for i := range 50 {
		submit(t, k, throws(1, fmt.Sprintf("Often: %d in /app/b.php:2", i)), asked("/often"))
	}
	kinds, _ := k.Kinds("app")
	if len(kinds) != 2 || kinds[0].Count != 50 || len(kinds[0].IDs) != 4 || kinds[0].IDs[0] != "f51" ||
		!slices.Equal(kinds[1].IDs, []string{"f1"}) {
		t.Errorf("%+v", kinds)
	}
	if none, _ := k.Kinds("other"); len(none) > 0 {
		t.Error(none)
	}
}

func TestAFaultIsNewIfOlderCodeWasWatchedAndDidNotHaveIt(t *testing.T) {
	k := keeping(10)
	submit(t, k, throws(4, "Old: in /app/a.php:1"), asked("/"))
	submit(t, k, throws(5, "Old: in /app/a.php:1"), asked("/"))
	submit(t, k, throws(5, "New: in /app/a.php:9"), asked("/"))
	kinds, _ := k.Kinds("")
	if len(kinds) != 2 || !kinds[0].New || kinds[0].FirstGeneration != 5 || kinds[1].New {
		t.Errorf("%+v", kinds)
	}
}

func TestMessagesThatDifferInDataAloneAreOneKind(t *testing.T) {
	one := func(message string) kind {
		return kindOf(&Fault{What: "status 500", Message: message, Place: placeOf(message)})
	}
	for _, pair := range [][2]string{
		{"order 12 is wrong", "order 4711 is wrong"},
		{`no user "ann"`, `no user "bob"`},
		{"session 5da49d67f2f4af1e is gone", "session 0123456789abcdef is gone"},
		{"PDOException: a in /app/db.php:7", "PDOException: b in /app/db.php:7"},
	} {
		if one(pair[0]) != one(pair[1]) {
			t.Errorf("%q and %q are told apart", pair[0], pair[1])
		}
	}
	if one("PDOException: a in /app/db.php:7") == one("TypeError: a in /app/db.php:7") ||
		one("no user") == one("no order") {
		t.Error("kinds are taken for one")
	}
}

func TestMemoryAndKindsHaveABound(t *testing.T) {
	k := NewKeeper()
	k.Set(Settings{Keep: 10_000, Bodies: true})
	m := asked("/")
	m.Body = make([]byte, longestBody)
	for i := range 1000 {
		submit(t, k, throws(1, fmt.Sprintf("%c%c%c: no", 'A'+i%26, 'A'+i/26%26, 'A'+i/676)), m)
	}
	if kinds, forgotten := k.Kinds(""); len(kinds) != mostKinds || forgotten != 500 {
		t.Error(len(kinds), forgotten)
	}
	if k.bytes > mostBytes || len(k.kept) < 100 {
		t.Error(k.bytes, len(k.kept))
	}
	k.Set(Settings{})
	if kinds, _ := k.Kinds(""); len(kinds) > 0 || k.Get("f1000") != nil || k.bytes != 0 {
		t.Error("something is kept though it is off")
	}
	submit(t, k, throwsUnheard, asked("/"))
}

// throwsUnheard fails where nobody listens.
func throwsUnheard(x *protocol.Exchange, s protocol.Sink) {
	if x.ErrorLogged != nil {
		panic("somebody listens")
	}
	s.Begin(stream(1))
	s.Finished()
}

func TestAReplayAsksWhatWasAsked(t *testing.T) {
	k := NewKeeper()
	k.Set(Settings{Keep: 10, Bodies: true})
	m := asked("/pay", "Cookie", "sid=abc", "Accept", "*/*", "Content-Length", "5")
	m.Method, m.Body = "POST", []byte("hello")
	submit(t, k, throws(1, "Oops: in /app/a.php:1"), m)
	f := k.Get("f1")
	if err := f.Check(); err != nil {
		t.Fatal(err)
	}
	var got *protocol.Request
	a, err := f.Ask(t.Context(), code(func(x *protocol.Exchange, s protocol.Sink) {
		got = x.Request.(*protocol.Request)
		throws(9, "Oops: again in /app/a.php:1")(x, s)
	}), []string{"cookie", "sid=new"}, time.Second)
	if err != nil || a.Status != 500 || !f.Like(&a) {
		t.Errorf("%+v %v", a, err)
	}
	want := []string{"Accept", "*/*", "cookie", "sid=new", Header, "1", "Content-Length", "5"}
	if got.Method != "POST" || string(got.Body) != "hello" || !slices.Equal(got.Headers, want) {
		t.Errorf("%+v", got)
	}
	if a, _ = f.Ask(t.Context(), throws(9, "Else: in /app/a.php:1"), nil, 0); f.Like(&a) {
		t.Error("another error is taken for the same")
	}
}

func TestAReplayThatIsGivenUpEndsWithItsTicket(t *testing.T) {
	f := &Fault{ID: "f1", Request: &Request{Method: "GET", Target: "/"}}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := f.Ask(ctx, hanging{}, nil, 0); err != context.Canceled {
		t.Error(err)
	}
}

// hanging answers nothing until it is cancelled.
type hanging struct{}

func (hanging) Traits() protocol.Traits                     { return protocol.Traits{} }
func (hanging) Submit(x *protocol.Exchange) protocol.Ticket { return ticket{x.Sink} }

type ticket struct{ protocol.Sink }

func (t ticket) Cancel(protocol.ResetCode) {
	t.Fail(&protocol.Failure{Kind: protocol.FailedCancelled})
	t.Finished()
}
