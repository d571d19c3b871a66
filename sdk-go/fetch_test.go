package sdk

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/workerhost/workerhost/protocol"
)

// newFetchingHost is a host that fetches, whose worker is w.
func newFetchingHost(t *testing.T, w Worker) *fakeHost {
	t.Helper()
	h := startHost(t, protocol.Hello{Pool: "web", Generation: 7, Features: []string{protocol.FeatureFetch}}, w.Handler,
		w.option())
	h.awaitReady()
	t.Cleanup(func() {
		h.out.Close()
		<-h.gone
		h.in.Close()
	})
	return h
}

func TestAFetchIsLeftToTheHost(t *testing.T) {
	asks := FetchRequest{URL: "https://api.example/v1", Method: "post", Header: http.Header{"X-A": {"b", "c"}},
		Context: map[string]any{"user": 7}, Keep: 9, Timeout: 1500*time.Millisecond + 1}
	h := newFetchingHost(t, Worker{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		f := asks
		switch r.URL.Path {
		case "/head":
			w.Header().Set("X-Own", "1")
			w.WriteHeader(http.StatusNoContent)
			f = FetchRequest{URL: "https://a", Pass: []string{"X-Id"}}
		default:
			f.Body = r.Body
		}
		Connections(r.Context()).SendToAll([]byte("asked"))
		if err := Fetch(w, f); err != nil {
			t.Error(err)
		}
		if _, err := io.WriteString(w, "x"); err == nil {
			t.Error("something was written to a response that is fetched")
		}
		http.NewResponseController(w).Flush()
		if Fetch(w, f) == nil || Hold(w, r, HoldOptions{}) == nil {
			t.Error("a response was left to the host twice")
		}
		if r.URL.Path == "/panic" {
			panic("boom")
		}
	})})
	context, _ := protocol.NewValue(map[string]any{"user": 7})
	want := &protocol.Fetch{URL: asks.URL, Method: "POST", Headers: []string{"X-A", "b", "X-A", "c"},
		Pass: []string{PassAll, ":status"}, Context: context, Keep: 9, Timeout: 1501}
	// what the answer to HEAD has none of is the request's all the same
	c := h.open(protocol.Request{Method: "HEAD", Flags: protocol.FlagEnd, Body: []byte(`{"n":1}`)})
	expect[*protocol.Send](c)
	if m := c.whole(); m.Status != 200 || len(m.Headers) > 0 || string(m.Body) != `{"n":1}` ||
		!reflect.DeepEqual(m.Fetch, want) {
		t.Errorf("RESPONSE is %+v with %+v", m, m.Fetch)
	}
	c = h.open(protocol.Request{Target: "/head"})
	expect[*protocol.Send](c)
	if m := c.whole(); m.Status != 204 || !slices.Equal(m.Headers, []string{"X-Own", "1"}) ||
		!reflect.DeepEqual(m.Fetch, &protocol.Fetch{URL: "https://a", Method: "GET", Pass: []string{"X-Id"}}) {
		t.Errorf("RESPONSE is %+v with %+v", m, m.Fetch)
	}
	if m := h.open(protocol.Request{Target: "/panic"}).whole(); m.Status != 500 || m.Fetch != nil {
		t.Errorf("RESPONSE is %+v", m)
	}

	c = h.open(protocol.Request{Method: "POST"}) // a long body
	long := bytes.Repeat([]byte("x"), 150_000)
	for rest := long; len(rest) > 0; {
		n := min(len(rest), protocol.MaxData)
		h.send(&protocol.Data{Stream: c.id, Bytes: rest[:n]})
		rest = rest[n:]
	}
	h.send(&protocol.Data{Stream: c.id, Flags: protocol.FlagEnd})
	var got []byte
	for done := false; !done; {
		switch m := c.take().(type) {
		case *protocol.Response:
			if m.Fetch == nil {
				t.Errorf("RESPONSE is %+v", m)
			}
			got = append(got, m.Body...)
		case *protocol.Data:
			got = append(got, m.Bytes...)
			done = m.Flags&protocol.FlagDone != 0
		case nil:
			t.Fatal("the link has ended")
		}
	}
	if !bytes.Equal(got, long) {
		t.Errorf("of %d bytes came %d", len(long), len(got))
	}
}

func TestAFetchThatCanNotBeIsAClearError(t *testing.T) {
	broken := iotest.ErrReader(errors.New("broken"))
	h := newFetchingHost(t, Worker{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := Fetch(httptest.NewRecorder(), FetchRequest{}); err != ErrNoHost {
			t.Errorf("without a host: %v", err)
		}
		if r.URL.Path == "/late" {
			if err := Fetch(w, FetchRequest{URL: "https://a", Body: io.MultiReader(
				bytes.NewReader(make([]byte, 100_000)), broken)}); err == nil {
				t.Error("a body that broke was taken")
			}
			return
		}
		for wrong, f := range map[string]FetchRequest{
			"negative": {Timeout: -1}, "not a token": {Header: http.Header{"a b": {""}}}, "broken": {Body: broken},
			"context": {Context: func() {}},
		} {
			if err := Fetch(w, f); err == nil || !strings.Contains(err.Error(), wrong) {
				t.Errorf("%s: %v", wrong, err)
			}
		}
		w.Header().Set("Content-Length", "2")
		if err := Fetch(w, FetchRequest{URL: "https://a"}); err == nil {
			t.Error("a response with a Content-Length was left to the host")
		}
		io.WriteString(w, "me")
		if err := Fetch(w, FetchRequest{URL: "https://a"}); err == nil {
			t.Error("a response that has begun was left to the host")
		}
	})})
	if m := h.open(protocol.Request{}).whole(); m.Fetch != nil || string(m.Body) != "me" {
		t.Errorf("RESPONSE is %+v", m)
	}
	c := h.open(protocol.Request{Target: "/late"})
	expect[*protocol.Response](c)
	c.expectReset(protocol.ResetInternal)

	h = newHost(t, func(w http.ResponseWriter, r *http.Request) {
		if err := Fetch(w, FetchRequest{URL: "https://a"}); err != ErrNoFetch {
			t.Errorf("where nothing is fetched: %v", err)
		}
	})
	h.open(protocol.Request{}).whole()
}

func TestAnyWorkerLearnsHowAFetchEnded(t *testing.T) {
	learnt := make(chan *Fetched, 1)
	h := newFetchingHost(t, Worker{OnFetched: func(ctx context.Context, f *Fetched) error {
		learnt <- f
		Connections(ctx).SendToUser("7", []byte(f.End))
		if f.Attempt == 2 || Attempt(ctx) == 2 {
			return errors.New("no table")
		}
		return nil
	}})
	if !slices.Contains(h.ready.Features, "fetched") || slices.Contains(h.ready.Features, "fetch-failed") {
		t.Errorf("READY offers %q", h.ready.Features)
	}
	user, _ := protocol.NewValue(map[string]any{"user": 7})
	m := &protocol.Fetched{Flags: protocol.FlagEnd, ID: "f1", URL: "https://a", Status: 200,
		Headers: []string{"x-a", "b"}, Length: 3, Took: 1500, End: "complete", Request: "r1", Context: user,
		Bytes: []byte("abc")}
	c := h.event(m)
	f := <-learnt
	var of struct {
		User int `msgpack:"user"`
	}
	if err := f.Context(&of); err != nil || of.User != 7 {
		t.Errorf("the context is %+v, %v", of, err)
	}
	if !f.Complete() || f.ID != "f1" || f.Attempt != 1 || f.Status != 200 || f.Header.Get("X-A") != "b" ||
		f.Length != 3 || f.Duration != 1500*time.Millisecond || f.RequestID != "r1" || string(f.Body) != "abc" {
		t.Errorf("it is told as %+v", f)
	}
	expectSame(c, &protocol.Send{To: protocol.ToUsers, Names: []string{"7"}, Bytes: []byte("complete")})
	expect[*protocol.Done](c)

	m.Flags = 0
	c = h.event(m)
	h.send(&protocol.Data{Stream: c.id, Flags: protocol.FlagEnd, Bytes: []byte("def")})
	if f := <-learnt; string(f.Body) != "abcdef" {
		t.Errorf("what was kept is %q", f.Body)
	}

	m.Flags, m.Attempt = protocol.FlagEnd, 2
	c = h.event(m)
	c.expectReset(protocol.ResetInternal)
	if l := h.expectLog("no table"); l.Stream != c.id {
		t.Errorf("LOG is %+v", l)
	}
	expect[*protocol.Done](newFetchingHost(t, Worker{}).event(m)) // one that does not care
}

func TestAnotherHandlerAnswersWhereAFetchFailed(t *testing.T) {
	h := newFetchingHost(t, Worker{
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "page") }),
		OnFetchFailed: func(w http.ResponseWriter, r *http.Request, why string) {
			if Fetch(w, FetchRequest{URL: "https://a"}) == nil {
				t.Error("a fetch followed one that failed")
			}
			http.Error(w, why, http.StatusServiceUnavailable)
		},
	})
	if !slices.Contains(h.ready.Features, "fetch-failed") {
		t.Errorf("READY offers %q", h.ready.Features)
	}
	if m := h.open(protocol.Request{}).whole(); string(m.Body) != "page" {
		t.Errorf("RESPONSE is %+v", m)
	}
	m := h.open(protocol.Request{Headers: []string{"X-Worker-Fetch-Failed", "no route"}}).whole()
	if m.Status != 503 || string(m.Body) != "no route\n" {
		t.Errorf("RESPONSE is %+v", m)
	}
}
