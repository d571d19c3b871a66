package recent

import (
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/workerhost/workerhost/protocol"
)

// nobody is a client that does not look.
type nobody struct{}

func (nobody) Begin(protocol.Stream)      {}
func (nobody) Writable()                  {}
func (nobody) Inform(*protocol.Inform)    {}
func (nobody) Respond(*protocol.Response) {}
func (nobody) Data(*protocol.Data)        {}
func (nobody) Fail(*protocol.Failure)     {}
func (nobody) Finished()                  {}

func get(target string, headers ...string) *protocol.Request {
	return &protocol.Request{Flags: protocol.FlagEnd, Method: "GET", Target: target, Scheme: "https", Host: "shop",
		Headers: headers}
}

// answered has a request answered after a while.
func answered(p *Pages, r *protocol.Request, status int, after time.Duration) {
	x := p.Watch(&protocol.Exchange{Request: r, Sink: nobody{}})
	time.Sleep(after)
	x.Sink.Respond(&protocol.Response{Status: status})
	x.Sink.Finished()
}

func targets(pages []Page) (all []string) {
	for _, p := range pages {
		all = append(all, p.Target)
	}
	return all
}

func TestOnlyWhatAnybodyMayAskForIsRemembered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var p Pages
		answered(&p, get("/a?page=2&monkey=1", "accept", "text/html"), 200, 0)
		post := get("/post")
		post.Method = "POST"
		body := get("/body")
		body.Body = []byte("x")
		chat := get("/chat")
		chat.Tunnel = protocol.TunnelWebSocket
		for _, r := range []*protocol.Request{post, body, chat, get("/", "cookie", "a=b"),
			get("/", "Authorization", "Basic x"), get("/?token=x"), get("/?a=1&ACCESS_TOKEN=x"),
			get("/?%74oken=x"), get("/?token[]=x"), get("/?a=1;sid=2"),
			get("/?%zz=1"), get("/chat", "upgrade", "websocket"), get("*"), get("/" + string(make([]byte, longest)))} {
			answered(&p, r, 200, 0)
		}
		answered(&p, get("/missing"), 404, 0)
		answered(&p, get("/slow"), 200, soon)
		if got := targets(p.Top(10)); !slices.Equal(got, []string{"/a?page=2&monkey=1"}) {
			t.Errorf("%q", got)
		}
	})
}

func TestThePagesAskedForMostComeFirstAndTheirNumberIsBounded(t *testing.T) {
	var p Pages
	for i := range 40 * most {
		answered(&p, get(fmt.Sprintf("/scan/%d", i)), 200, 0)
		if i%5 == 0 {
			answered(&p, get("/home"), 200, 0)
		}
		if i%10 == 0 {
			answered(&p, get("/news"), 200, 0)
		}
		if len(p.counts) > most {
			t.Fatalf("%d are remembered", len(p.counts))
		}
	}
	if got := targets(p.Top(2)); !slices.Equal(got, []string{"/home", "/news"}) {
		t.Errorf("%q", got)
	}
}

func BenchmarkWatch(b *testing.B) {
	var p Pages
	r := get("/home", "accept", "text/html", "user-agent", "x")
	for b.Loop() {
		answered(&p, r, 200, 0)
	}
}
