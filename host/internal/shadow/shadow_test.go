package shadow

import (
	"context"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/workerhost/workerhost/protocol"
)

// code is a backend that answers as a function has it; nil never does.
type code struct {
	answer func(x *protocol.Exchange)
	asked  []*protocol.Exchange
}

func (c *code) Traits() protocol.Traits { return protocol.Traits{} }

func (c *code) Submit(x *protocol.Exchange) protocol.Ticket {
	c.asked = append(c.asked, x)
	x.Sink.Begin(stream{})
	if c.answer != nil {
		c.answer(x)
		x.Sink.Finished()
	}
	return ticketTo{x}
}

// ticketTo is that of code which never answers.
type ticketTo struct{ x *protocol.Exchange }

func (t ticketTo) Cancel(protocol.ResetCode) {
	t.x.Sink.Fail(&protocol.Failure{Kind: protocol.FailedCancelled})
	t.x.Sink.Finished()
}

type stream struct{}

func (stream) Send([]byte, bool, []string) (int, bool) { return 0, false }
func (stream) Consumed(int)                            {}
func (stream) Worker() (int, uint64)                   { return 0, 1 }

// front is a client's end.
type front struct {
	status   int
	body     string
	failure  protocol.FailureKind
	finished int
	end      func()
}

func (f *front) Begin(protocol.Stream)        {}
func (f *front) Writable()                    {}
func (f *front) Inform(*protocol.Inform)      {}
func (f *front) Respond(m *protocol.Response) { f.status, f.body = m.Status, f.body+string(m.Body) }
func (f *front) Data(m *protocol.Data)        { f.body += string(m.Bytes) }
func (f *front) Fail(err *protocol.Failure)   { f.failure = err.Kind }
func (f *front) Finished() {
	f.finished++
	if f.end != nil {
		f.end()
	}
}

// says answers with a status, headers and a body.
func says(status int, body string, headers ...string) func(x *protocol.Exchange) {
	return func(x *protocol.Exchange) {
		x.Sink.Respond(&protocol.Response{Status: status, Headers: headers, Body: []byte(body),
			Flags: protocol.FlagEnd})
	}
}

func fails(kind protocol.FailureKind) func(x *protocol.Exchange) {
	return func(x *protocol.Exchange) { x.Sink.Fail(&protocol.Failure{Kind: kind}) }
}

// bench is a tap with a run between two codes.
type bench struct {
	*Tap
	run      *Run
	old, new *code
}

func newBench(s Settings, old, new func(x *protocol.Exchange)) *bench {
	b := &bench{old: &code{answer: old}, new: &code{answer: new}}
	if s.Share == 0 {
		s.Share = 1
	}
	if s.Most == 0 {
		s.Most = 8
	}
	s.Patience = time.Second
	b.Tap, b.run = NewTap(b.old), NewRun(s)
	b.run.Ask(b.new)
	b.Listen(b.run)
	return b
}

func get(target string) *protocol.Request {
	return &protocol.Request{Method: "GET", Target: target, Flags: protocol.FlagEnd,
		Headers: []string{"Cookie", "a=b"}}
}

func (b *bench) ask(r protocol.Opening) *front {
	f := &front{}
	b.Submit(&protocol.Exchange{Request: r, Sink: f})
	return f
}

func TestNewCodeIsAskedTheSameOnceTheClientHasItsAnswer(t *testing.T) {
	b := newBench(Settings{}, says(200, "old"), says(200, "old"))
	f := &front{}
	f.end = func() {
		if len(b.new.asked) > 0 {
			t.Error("new code was asked before the client had its answer")
		}
	}
	b.Submit(&protocol.Exchange{Request: get("/a?b=1"), Sink: f})
	want := get("/a?b=1")
	want.Headers = append(want.Headers, Header, "1")
	if len(b.new.asked) != 1 || !reflect.DeepEqual(b.new.asked[0].Request, protocol.Opening(want)) {
		t.Fatalf("new code was asked %+v", b.new.asked)
	}
	if b.new.asked[0].Repeatable {
		t.Error("a death of new code would be repeated")
	}
	if f.status != 200 || f.body != "old" || f.finished != 1 {
		t.Errorf("the client has %+v", f)
	}
	if r := b.run.Report(); r.Drawn != 1 || r.Compared != 1 || r.Differ != 0 {
		t.Errorf("%+v", r)
	}
}

func TestAnswersThatDifferAreFound(t *testing.T) {
	html := []string{"Content-Type", "text/html"}
	held := func(x *protocol.Exchange) { x.Sink.Respond(&protocol.Response{Status: 200, Hold: &protocol.Hold{}}) }
	for _, c := range []struct {
		old, new       func(*protocol.Exchange)
		what, from, to string
	}{
		{says(200, "same", html...), says(200, "same", html...), "", "", ""},
		{says(200, "same", "Content-Type", "text/html; charset=UTF-8"),
			says(200, "same", "content-type", "text/html;charset=utf-8"), "", "", ""},
		{says(200, "at 1700000000"), says(200, "at 1800000001"), "", "", ""},
		{says(200, ""), says(500, ""), "status", "200", "500"},
		{says(200, ""), fails(protocol.FailedDied), "status", "200", "no answer: worker died"},
		{fails(protocol.FailedDied), says(200, ""), "status", "no answer: worker died", "200"},
		{fails(protocol.FailedReset), fails(protocol.FailedReset), "", "", ""},
		{says(200, "", html...), says(200, ""), "type", "text/html", ""},
		{says(302, "", "Location", "/a?t=1700000000"), says(302, "", "Location", "/b"), "location", "/a?t=", "/b"},
		{says(200, "a"), held, "form", "whole", "held"},
		{says(200, "price: 10"), says(200, "price: 100"), "length", `9 bytes "price: 10"`, `10 bytes "price: 100"`},
		{says(200, "price: 10"), says(200, "price: 12"), "body", `"price: 10"`, `"price: 12"`},
		{says(200, strings.Repeat("x", most+1)), says(200, strings.Repeat("x", most+2)), "", "", ""},
		{says(200, "token=a1 x"), says(200, "token=b2 x"), "body", "in what is masked", "in what is masked"},
	} {
		b := newBench(Settings{Ignore: []*regexp.Regexp{regexp.MustCompile(`1[78]\d{8}`)}}, c.old, c.new)
		b.ask(get("/"))
		r := b.run.Report()
		if r.Compared != 1 || r.Differ != len(r.Examples) {
			t.Errorf("%s: %+v", c.what, r)
			continue
		}
		if c.what == "" && r.Differ == 0 {
			continue
		}
		if r.Differ == 0 {
			t.Errorf("%q: no difference found", c.what)
		} else if e := r.Examples[0]; e.What != c.what || e.Old != c.from || e.New != c.to || r.By[c.what] != 1 {
			t.Errorf("%q: %+v", c.what, r)
		}
	}
}

func TestTheLengthOfALargeBodyIsComparedAlone(t *testing.T) {
	large := func(n int) func(*protocol.Exchange) {
		return func(x *protocol.Exchange) {
			x.Sink.Respond(&protocol.Response{Status: 200})
			for ; n > 0; n -= min(n, 64<<10) {
				x.Sink.Data(&protocol.Data{Bytes: make([]byte, min(n, 64<<10))})
			}
		}
	}
	b := newBench(Settings{}, large(1<<20), large(1<<20+1))
	b.ask(get("/"))
	if r := b.run.Report(); r.Large != 1 || r.By["length"] != 1 {
		t.Errorf("%+v", r)
	}
	b = newBench(Settings{}, large(1<<20), large(1<<20))
	if b.ask(get("/")); b.run.Report().Differ != 0 {
		t.Error("it differs from itself")
	}
}

func TestWhatHasNoBodyIsNotComparedByOne(t *testing.T) {
	b := newBench(Settings{}, says(200, "a"), says(200, "bc"))
	r := get("/")
	r.Method = "HEAD"
	if b.ask(r); b.run.Report().Differ != 0 || b.run.Report().Compared != 1 {
		t.Errorf("%+v", b.run.Report())
	}
}

func TestExamplesHaveNoSecretsAndAreCountedByPath(t *testing.T) {
	b := newBench(Settings{}, says(200, "Cookie: sid=1\n<a href='/x?token=1'>old"),
		says(200, "Cookie: sid=2\n<a href='/x?token=2'>new"))
	for _, target := range []string{"/p?token=abc&page=1", "/p?token=def", "/q"} {
		b.ask(get(target))
	}
	r := b.run.Report()
	if len(r.Examples) != 2 || r.Examples[0].Times != 2 || r.Examples[1].Times != 1 {
		t.Fatalf("%+v", r.Examples)
	}
	e := r.Examples[0]
	if e.Request != "GET /p?token=REDACTED&page=1" || !strings.HasSuffix(e.Old, `REDACTED'>old"`) ||
		!strings.HasSuffix(e.New, `REDACTED'>new"`) || strings.Contains(e.Old+e.New, "sid=") {
		t.Errorf("%+v", e)
	}
}

func TestOnlySafeRequestsWithoutABodyAreCopied(t *testing.T) {
	post, form, chat := get("/"), get("/"), get("/")
	post.Method, chat.Tunnel = "POST", protocol.TunnelWebSocket
	form.Body = []byte("x")
	b := newBench(Settings{}, says(200, ""), says(200, ""))
	b.ask(post)
	b.ask(chat)
	b.ask(&protocol.Incoming{})
	b.ask(form)
	if r := b.run.Report(); len(b.new.asked) != 0 || r.Drawn != 1 || r.Left[LeftBody] != 1 {
		t.Errorf("%d, %+v", len(b.new.asked), r)
	}
}

func TestHeldResponsesStreamsAndClientsWhoLeaveAreLeftOut(t *testing.T) {
	for why, old := range map[string]func(*protocol.Exchange){
		LeftHeld: func(x *protocol.Exchange) { x.Sink.Respond(&protocol.Response{Hold: &protocol.Hold{}}) },
		LeftStream: func(x *protocol.Exchange) {
			x.Sink.Respond(&protocol.Response{Status: 200, Headers: []string{"Content-Type", "text/event-stream"}})
			x.Sink.Fail(&protocol.Failure{Kind: protocol.FailedCancelled})
		},
		LeftGone: fails(protocol.FailedCancelled),
	} {
		b := newBench(Settings{}, old, says(200, ""))
		b.ask(get("/"))
		if r := b.run.Report(); len(b.new.asked) != 0 || r.Left[why] != 1 || len(r.Left) != 1 ||
			b.run.under.Load() != 0 {
			t.Errorf("%s: %d, %+v", why, len(b.new.asked), r)
		}
	}
}

func TestNewCodeThatHangsHarmsNoClientAndIsGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(Settings{Most: 2}, says(200, "old"), nil)
		for range 5 {
			if f := b.ask(get("/")); f.finished != 1 || f.body != "old" {
				t.Errorf("a client has %+v", f)
			}
		}
		if r := b.run.Report(); len(b.new.asked) != 2 || r.Left[LeftBusy] != 3 {
			t.Errorf("%d, %+v", len(b.new.asked), r)
		}
		b.run.Close(t.Context())
		if r := b.run.Report(); r.By["status"] != 2 || r.Examples[0].New != "no answer: no end in time" {
			t.Errorf("%+v", r)
		}
	})
}

func TestTheEndDoesNotWaitForClients(t *testing.T) {
	b := newBench(Settings{}, nil, says(200, ""))
	f := b.ask(get("/slow"))
	b.run.Close(context.Background())
	sink := b.old.asked[0].Sink
	says(200, "late")(&protocol.Exchange{Sink: sink})
	if sink.Finished(); f.body != "late" || len(b.new.asked) != 0 || b.run.under.Load() != 0 {
		t.Errorf("%+v, %d", f, len(b.new.asked))
	}
}

func TestAsManyAsWereAskedForAreCompared(t *testing.T) {
	b := newBench(Settings{Requests: 3}, says(200, ""), says(500, ""))
	for range 5 {
		b.ask(get("/"))
	}
	select {
	case <-b.run.Enough():
	default:
		t.Error("it is not enough")
	}
	if r := b.run.Report(); r.Compared != 3 || r.Differ != 3 || len(b.new.asked) != 3 {
		t.Errorf("%d, %+v", len(b.new.asked), r)
	}
}

func TestTheShareOfRequestsIsCopied(t *testing.T) {
	b := newBench(Settings{Share: 0.1}, says(200, ""), says(200, ""))
	for range 10_000 {
		b.ask(get("/"))
	}
	if n := b.run.Report().Compared; n < 800 || n > 1200 {
		t.Errorf("%d of 10000 were copied", n)
	}
	b.Listen(nil)
	x := &protocol.Exchange{Request: get("/"), Sink: &front{}}
	if b.Submit(x); b.old.asked[len(b.old.asked)-1] != x {
		t.Error("without a shadow the exchange is another one")
	}
}

// live counts what reaches it.
type live struct{ calls []string }

func (h *live) Call(m *protocol.Call, _ protocol.Caller) { h.calls = append(h.calls, m.Method) }

// desk keeps the answers to calls.
type desk struct{ results []*protocol.Result }

func (d *desk) Reply(_ uint32, r *protocol.Result) { d.results = append(d.results, r) }
func (d *desk) Waiting(uint32) context.Context     { return context.Background() }

func TestWhatNewCodeAsksForIsRefusedAndCountedByExchange(t *testing.T) {
	real, at := &live{}, &desk{}
	var refuser *Refuser
	b := newBench(Settings{}, says(200, ""), func(x *protocol.Exchange) {
		if x.Request.(*protocol.Request).Target == "/acts" {
			for range 2 {
				confirmed := false
				refuser.Commit(x.Subject, []protocol.Act{&protocol.Send{}, &protocol.Join{}},
					func(err error) { confirmed = err == nil })
				if !confirmed {
					t.Error("acts fail for new code")
				}
			}
		}
		says(200, "")(x)
	})
	refuser = b.run.Hub(real)
	b.ask(get("/acts"))
	b.ask(get("/"))
	refuser.Commit(nil, []protocol.Act{&protocol.Send{}}, func(error) {}) // of a timer
	to := protocol.NewCaller(at, 2)
	refuser.Swap(&protocol.Swap{}, to)
	refuser.Call(&protocol.Call{Method: "count"}, to)
	refuser.Call(&protocol.Call{Method: "task.push"}, to)
	if !slices.Equal(real.calls, []string{"count"}) {
		t.Errorf("the hub is asked %v", real.calls)
	}
	if len(at.results) != 2 || at.results[0].Code != protocol.CallPermissionDenied ||
		at.results[1].Code != protocol.CallPermissionDenied {
		t.Errorf("%+v", at.results)
	}
	r := b.run.Report()
	want := map[string]int{"SEND": 3, "JOIN": 2, "SWAP": 1, "CALL task.push": 1}
	if r.Acting != 1 || !reflect.DeepEqual(r.Refused, want) {
		t.Errorf("%d, %v", r.Acting, r.Refused)
	}
	for i := range 100 {
		refuser.Call(&protocol.Call{Method: strings.Repeat("x", i)}, to)
	}
	if r := b.run.Report(); len(r.Refused) != mostKinds+1 {
		t.Errorf("%d names are kept", len(r.Refused))
	}
}

func FuzzExcerptsShowWhereTextsPart(f *testing.F) {
	f.Add("price: 10", "price: 12")
	f.Add(strings.Repeat("ä", 40), strings.Repeat("ä", 39)+"ö")
	f.Fuzz(func(t *testing.T, a, b string) {
		d := difference{bodies: [2][]byte{[]byte(a), []byte(b)}}
		e := d.example(&copied{request: get("/")}, "")
		if len(e.Old) > 8*(before+behind) || strings.ContainsAny(e.Old, "\n\x1b") {
			t.Errorf("%q", e.Old)
		}
	})
}

func TestFetchesOfNewCodeAreRefusedAndComparedByTheirURL(t *testing.T) {
	fetches := func(url string) func(*protocol.Exchange) {
		return func(x *protocol.Exchange) {
			x.Sink.Respond(&protocol.Response{Flags: protocol.FlagEnd, Status: 200,
				Fetch: &protocol.Fetch{URL: url, Method: "POST"}})
		}
	}
	for url, differ := range map[string]int{"https://a/": 0, "https://b/": 1} {
		b := newBench(Settings{}, fetches("https://a/"), fetches(url))
		b.ask(get("/"))
		if r := b.run.Report(); r.Compared != 1 || r.Differ != differ || r.Refused["fetch"] != 1 {
			t.Errorf("%s: %+v", url, r)
		}
	}
}
