package sdk

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"reflect"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/workerhost/workerhost/protocol"
)

func TestAHeldResponseIsLeftToTheHost(t *testing.T) {
	h := newHost(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		o := HoldOptions{Groups: []string{"news"}, UID: "u", Session: map[string]any{"n": 1}, Once: true,
			Timeout: 1500 * time.Microsecond}
		if r.URL.Path == "/flush" {
			w.(http.Flusher).Flush()
			if err := Hold(w, r, o); err == nil {
				t.Error("a response that has begun was held")
			}
			return
		}
		w.Header().Set("Content-Length", "9")
		if err := Hold(w, r, o); err == nil {
			t.Error("a response with a Content-Length was held")
		}
		w.Header().Del("Content-Length")
		if err := Hold(w, r, HoldOptions{Groups: []string{""}}); err == nil {
			t.Error("a response was held in a group without a name")
		}
		if err := Hold(httptest.NewRecorder(), r, o); err != ErrNoHost {
			t.Errorf("without a host: %v", err)
		}
		if err := Hold(w, r, o); err != nil {
			t.Error(err)
		}
		Connections(r.Context()).SendToGroup("news", Event{Data: "one more"}.Bytes(), Binary())
		io.WriteString(w, ": hello\n\n")
		switch r.URL.Path {
		case "/panic":
			panic("boom")
		case "/long":
			w.Write(make([]byte, 100_000))
		}
	})
	hold := &protocol.Hold{Groups: []string{"news"}, UID: "u", Session: []protocol.Entry{entry(t, "n", 1)}, Once: true,
		Timeout: 2}
	c := h.open(protocol.Request{})
	expect[*protocol.Send](c)
	if m := expect[*protocol.Response](c); m.Flags != protocol.FlagDone || !reflect.DeepEqual(m.Hold, hold) ||
		string(m.Body) != ": hello\n\n" || m.Check() != nil {
		t.Errorf("RESPONSE is %+v", m)
	}
	c = h.open(protocol.Request{Target: "/long"})
	if m := expect[*protocol.Response](c); m.Flags != 0 || m.Hold == nil {
		t.Errorf("RESPONSE is %+v", m)
	}
	expect[*protocol.Send](c)
	if m := expect[*protocol.Data](c); m.Flags != protocol.FlagDone {
		t.Errorf("DATA has flags %d", m.Flags)
	}
	if m := h.open(protocol.Request{Target: "/panic"}).whole(); m.Status != 500 || m.Hold != nil {
		t.Errorf("RESPONSE is %+v", m)
	}
	c = h.open(protocol.Request{Method: "HEAD", Flags: protocol.FlagEnd})
	expect[*protocol.Send](c)
	if m := c.whole(); m.Hold != nil {
		t.Errorf("the answer to HEAD is %+v", m)
	}
	expect[*protocol.Response](h.open(protocol.Request{Target: "/flush"}))
}

func TestServerSentEventsAreFormattedByTheBook(t *testing.T) {
	for want, e := range map[string]Event{
		"data: \n\n": {},
		"event: tick\nid: 7\nretry: 1500\ndata: a\ndata: b\ndata: c\ndata: \n\n": {Name: "ti\nck", ID: "7\r\x00",
			Retry: 1500 * time.Millisecond, Data: "a\r\nb\rc\n"},
	} {
		if got := string(e.Bytes()); got != want {
			t.Errorf("%q, not %q", got, want)
		}
	}
}

func TestATimerRunsUntilTheWorkerDrainsAndKeepsItFromNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		workerIn, hostOut := io.Pipe()
		hostIn, workerOut := io.Pipe()
		h := joinHost(t, hostIn, hostOut, protocol.Hello{})
		var ticks atomic.Int32
		opts := []Option{Every(time.Second, func(ctx context.Context) {
			if ticks.Add(1) == 2 {
				panic("boom")
			}
			Connections(ctx).SendToAll([]byte("tick"))
		})}
		go func() { h.gone <- serve(workerIn, workerOut, http.HandlerFunc(hello), opts) }()
		go h.read()
		h.awaitReady()
		time.Sleep(3500 * time.Millisecond)
		h.send(&protocol.Drain{})
		if err := <-h.gone; err != nil {
			t.Error(err)
		}
		time.Sleep(10 * time.Second)
		if n := ticks.Load(); n != 3 {
			t.Errorf("%d ticks", n)
		}
		h.expectLog("boom")
		h.in.Close()
		h.out.Close()
	})
}
