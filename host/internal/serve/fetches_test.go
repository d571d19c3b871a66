package serve

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/workerhost/workerhost/host/internal/config"
	"github.com/workerhost/workerhost/host/internal/fetch"
	places "github.com/workerhost/workerhost/host/internal/fetch/place"
	"github.com/workerhost/workerhost/protocol"
)

// leaver is a backend whose worker leaves every request to the host, and the front of one request.
type leaver struct {
	url     string
	terms   *fetch.Terms
	whole   bool
	failure string
	done    chan struct{}
}

func (l *leaver) Traits() protocol.Traits                        { return protocol.Traits{} }
func (l *leaver) Terms() any                                     { return l.terms }
func (l *leaver) Worker() (slot int, generation uint64)          { return 0, 1 }
func (l *leaver) Cancel(protocol.ResetCode)                      {}
func (l *leaver) Consumed(int)                                   {}
func (l *leaver) Send([]byte, bool, []string) (n int, more bool) { return 0, false }
func (l *leaver) Begin(protocol.Stream)                          {}
func (l *leaver) Writable()                                      {}
func (l *leaver) Inform(*protocol.Inform)                        {}
func (l *leaver) Respond(*protocol.Response)                     {}
func (l *leaver) Data(m *protocol.Data)                          { l.whole = m.Flags&protocol.FlagEnd != 0 }
func (l *leaver) Fail(f *protocol.Failure)                       { l.failure = f.Error() }
func (l *leaver) Finished()                                      { close(l.done) }
func (l *leaver) Submit(x *protocol.Exchange) protocol.Ticket {
	x.Sink.Begin(l)
	x.Sink.Respond(&protocol.Response{Flags: protocol.FlagEnd, Status: 200,
		Fetch: &protocol.Fetch{URL: l.url, Method: "GET"}})
	x.Sink.Finished()
	return l
}

func TestTheEndOfATrialLeavesThePoolItsFetches(t *testing.T) {
	say := func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "x") }
	other := httptest.NewServer(http.HandlerFunc(say))
	defer other.Close()
	at, err := places.Parse(other.URL)
	if err != nil {
		t.Fatal(err)
	}
	room := newFetches(hclog.NewNullLogger())
	l := &leaver{url: other.URL, done: make(chan struct{}),
		terms: room.Terms(fetch.Settings{Allow: []places.Place{at}, AtOnce: 1, PerHost: 1})}
	room.StandBefore(l)
	ended := func(p *pool) {
		p.fetches, p.started = room, make(chan struct{})
		p.settings.Store(&config.Pool{})
		p.realm = bareHost().newRealm("default")
		p.owner = p.ownsDials()
		close(p.started)
		p.stop(context.Background())
	}
	ended(&pool{beside: &pool{}}) // a canary's candidate, say
	room.Submit(&protocol.Exchange{Request: &protocol.Request{Method: "GET", Target: "/"}, Sink: l})
	select {
	case <-l.done:
	case <-time.After(10 * time.Second):
		t.Fatal("nothing ends it")
	}
	if !l.whole || l.failure != "" {
		t.Errorf("the fetch of a pool beside which another one has ended: whole: %v, %s", l.whole, l.failure)
	}
	ended(&pool{})
}
