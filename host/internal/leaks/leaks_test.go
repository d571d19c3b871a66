// leaks_test.go: what is repeated, and what is told of it, before a pool that keeps what it is asked.

package leaks

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/hashicorp/go-hclog"
	"github.com/workerhost/workerhost/host/internal/hub"
	"github.com/workerhost/workerhost/protocol"
)

// fakePool answers each request as answer says, with 200 and its text, and keeps the SDK's word of each.
type fakePool struct {
	hub.Backend
	answer func(r *protocol.Request, word string) (text string, f *protocol.Failure)
	hold   bool // its responses are held

	mu         sync.Mutex
	generation uint64
	words      []string
}

const worst = `{"request":"GET /","runs":3,"findings":[
	{"rank":"changes","path":"C::$n","what":"changed","places":[]},
	{"rank":"grows","path":"A::$all","class":"A","property":"all","what":"1 more","places":["a.php:3"]}]}`

// finding answers questions for a report with the text.
func finding(text string) *fakePool {
	return &fakePool{answer: func(_ *protocol.Request, word string) (string, *protocol.Failure) {
		if word == report {
			return text, nil
		}
		return "page", nil
	}}
}

// endless are requests that never end of themselves.
type endless struct{ sink protocol.Sink }

func (e endless) Cancel(protocol.ResetCode) {
	e.sink.Fail(&protocol.Failure{Kind: protocol.FailedCancelled})
	e.sink.Finished()
}

func (p *fakePool) Submit(x *protocol.Exchange) protocol.Ticket {
	r, word := x.Request.(*protocol.Request), ""
	if i := slices.Index(r.Headers, header); i >= 0 {
		word = r.Headers[i+1]
	}
	p.mu.Lock()
	p.words = append(p.words, strings.TrimSpace(r.Method+" "+word))
	stream := fakeStream(p.generation)
	p.mu.Unlock()
	x.Sink.Begin(stream)
	text, failure := p.answer(r, word)
	switch {
	case text == "endless":
		return endless{x.Sink}
	case failure != nil:
		x.Sink.Fail(failure)
	default:
		m := &protocol.Response{Status: 200, Body: []byte(text[:len(text)/2])}
		if p.hold {
			m.Hold = &protocol.Hold{}
		}
		x.Sink.Respond(m)
		x.Sink.Data(&protocol.Data{Bytes: []byte(text[len(text)/2:])})
	}
	x.Sink.Finished()
	return endless{x.Sink}
}

// asked are the words by now.
func (p *fakePool) asked() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return strings.Join(p.words, ", ")
}

type fakeStream uint64

func (fakeStream) Send([]byte, bool, []string) (int, bool) { return 0, true }
func (fakeStream) Consumed(int)                            {}
func (s fakeStream) Worker() (int, uint64)                 { return 0, uint64(s) }

func get(method string) *protocol.Request {
	return &protocol.Request{Flags: protocol.FlagEnd, Method: method, Target: "/", Headers: []string{"Cookie", "a=b"}}
}

func TestARequestIsAnsweredRepeatedAndReported(t *testing.T) {
	p := finding(worst)
	found, err := Inspect(context.Background(), p, get("GET"))
	if err != nil {
		t.Fatal(err)
	}
	if want := "GET, GET 1, GET 2, GET 3, GET 4, GET report"; p.asked() != want {
		t.Errorf("asked %s, want %s", p.asked(), want)
	}
	if found.Status != 200 || found.Leaks() != 1 || found.Findings[0].Path != "A::$all" {
		t.Errorf("found %+v; the leak comes first", found)
	}
}

func TestTheReportOfAHeadHasABody(t *testing.T) {
	p := finding(worst)
	found, err := Repeat(context.Background(), p, get("HEAD"))
	if err != nil {
		t.Fatal(err)
	}
	if want := "HEAD 1, HEAD 2, HEAD 3, HEAD 4, GET report"; p.asked() != want || found.Request != "HEAD /" {
		t.Errorf("asked %s, want %s; the report is of %s", p.asked(), want, found.Request)
	}
}

func TestAWorkerWithoutTheSDKIsNamed(t *testing.T) {
	for text, want := range map[string]string{
		"<html>":            "knows nothing of leaks",
		`{"a":"page"}`:      "knows nothing of leaks",
		`{"request":"GET"}`: "was replaced meanwhile",
	} {
		if _, err := Repeat(context.Background(), finding(text), get("GET")); err == nil ||
			!strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %s", text, err, want)
		}
	}
}

func TestAStreamWithoutEndIsGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &fakePool{answer: func(*protocol.Request, string) (string, *protocol.Failure) { return "endless", nil }}
		if _, err := Repeat(context.Background(), p, get("GET")); err == nil ||
			!strings.Contains(err.Error(), "did not end within 20s") {
			t.Error(err)
		}
	})
}

// watched has the exchanges go through a Watch, and gives what the pool was asked, and what was logged.
func watched(t *testing.T, p *fakePool, exchanges ...func() *protocol.Exchange) (asked, logged string) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		w := NewWatch(p, hclog.New(&hclog.LoggerOptions{Output: &out, DisableTime: true}))
		w.Start()
		for _, x := range exchanges {
			w.Submit(x())
			synctest.Wait()
		}
		w.Close()
		logged = out.String()
	})
	return p.asked(), logged
}

// client is an exchange whose sink keeps whether it has ended.
func client(r *protocol.Request) func() *protocol.Exchange {
	return func() *protocol.Exchange {
		return &protocol.Exchange{Request: r, Sink: &answer{finished: make(chan struct{})}}
	}
}

func TestASafeRequestIsRepeatedAfterItsAnswerAndALeakToldOnce(t *testing.T) {
	p := finding(worst)
	series := ", GET 1, GET 2, GET 3, GET 4, GET report"
	asked, logged := watched(t, p, client(get("GET")), client(get("GET")), func() *protocol.Exchange {
		p.generation = 2
		return client(get("GET"))()
	})
	if want := strings.Join([]string{"GET" + series, "GET" + series, "GET" + series}, ", "); asked != want {
		t.Errorf("asked %s, want %s", asked, want)
	}
	line := `[WARN]  leak: A::$all: request="GET /" what="1 more" class=A property=all written_at=a.php:3`
	changed := "[INFO]  not the same after each request: C::$n"
	if strings.Count(logged, line) != 2 || strings.Count(logged, changed) != 2 {
		t.Errorf("each generation is told once:\n%s", logged)
	}
}

func TestWhatIsNotSafeOrHasNoEndIsNotRepeated(t *testing.T) {
	body := get("GET")
	body.Body = []byte("x")
	coming := get("GET")
	coming.Flags = 0
	for name, r := range map[string]*protocol.Request{"POST": get("POST"), "DELETE": get("DELETE"),
		"OPTIONS": get("OPTIONS"), "a body": body, "a body to come": coming} {
		p := finding(worst)
		if asked, logged := watched(t, p, client(r)); strings.Contains(asked, ",") || logged != "" {
			t.Errorf("%s: asked %s\n%s", name, asked, logged)
		}
	}
	failing := &fakePool{answer: func(*protocol.Request, string) (string, *protocol.Failure) {
		return "", &protocol.Failure{Kind: protocol.FailedDied}
	}}
	held := finding(worst)
	held.hold = true
	for name, p := range map[string]*fakePool{"failed": failing, "held": held} {
		if asked, _ := watched(t, p, client(get("GET"))); asked != "GET" {
			t.Errorf("%s: asked %s", name, asked)
		}
	}
}

func TestARepetitionThatFailsIsToldOnce(t *testing.T) {
	p := &fakePool{answer: func(_ *protocol.Request, word string) (string, *protocol.Failure) {
		if word == "2" {
			return "", &protocol.Failure{Kind: protocol.FailedDied, Detail: "exit status 0"}
		}
		return "page", nil
	}}
	_, logged := watched(t, p, client(get("HEAD")), client(get("HEAD")))
	if strings.Count(logged, "leaks could not be looked for") != 1 {
		t.Error(logged)
	}
}

func TestClosingEndsARepetitionUnderWay(t *testing.T) {
	p := &fakePool{answer: func(_ *protocol.Request, word string) (string, *protocol.Failure) {
		if word != "" {
			return "endless", nil
		}
		return "page", nil
	}}
	if asked, logged := watched(t, p, client(get("GET"))); asked != "GET, GET 1" || logged != "" {
		t.Error(fmt.Sprint(asked, "\n", logged))
	}
}
