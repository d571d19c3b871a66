package sdk

import (
	"bytes"
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/workerhost/workerhost/protocol"
)

// vectorOf is the frame of protocol/vectors of that name.
func vectorOf(t *testing.T, name string) []byte {
	t.Helper()
	text, err := os.ReadFile("../protocol/vectors/valid.json")
	if err != nil {
		t.Fatal(err)
	}
	var all []struct{ Name, Hex string }
	if err := json.Unmarshal(text, &all); err != nil {
		t.Fatal(err)
	}
	for _, v := range all {
		if v.Name == name {
			b, err := hex.DecodeString(v.Hex)
			if err != nil {
				t.Fatal(err)
			}
			return b
		}
	}
	t.Fatalf("valid.json has no %q", name)
	return nil
}

func TestADialIsAskedForAsTheVectorsHaveIt(t *testing.T) {
	h := newHost(t, hello)
	conns := Connections(context.WithValue(t.Context(), linkKey{}, current.Load()))
	prices := DialRequest{URL: "wss://feed.example/v1", Name: "prices"}
	full := prices
	full.Session = map[string]any{"n": 3, "list": []any{1, "two"}}
	full.Groups, full.UID = []string{"feeds", "öl"}, "u7"
	full.Header = http.Header{"X-A": {"b", "c"}, "Authorization": {"Bearer {secret:FEED}"}}
	full.Subprotocols, full.NoReconnect = []string{"v2.feed", "v1.feed"}, true
	full.ReconnectMax, full.ConnectTimeout, full.PingInterval = 1500*time.Millisecond, 2500*time.Millisecond, -1
	full.PongTimeout, full.IdleTimeout, full.MaxMessage = 3*time.Second, time.Minute, 65536
	stream := uint32(0)
	for _, c := range []struct {
		vector string
		ask    func() (any, error)
		answer any
	}{
		{"CALL that asks for a dial", func() (any, error) { return conns.Dial(prices) }, DialBegun},
		{"CALL that asks for a WebSocket with all that may be said of it",
			func() (any, error) { return conns.Dial(full) }, DialReplaced},
		{"CALL that asks for TCP with a delimiter", func() (any, error) {
			return conns.Dial(DialRequest{URL: "tcp://192.0.2.7:9000", Name: "meter", Delimiter: ";;"})
		}, DialThere},
		{"CALL that ends a dial", func() (any, error) { return conns.CloseDial("prices") }, true},
		{"CALL that asks for a dial's connection", func() (any, error) { return conns.DialID("prices") }, "c9"},
		{"CALL that asks for a dial's connection", func() (any, error) { return conns.DialID("prices") }, ""},
	} {
		var want protocol.Call
		if err := want.Parse(vectorOf(t, c.vector)[4:]); err != nil {
			t.Fatal(err)
		}
		stream += 2
		go func() {
			m := expect[*protocol.Call](&call{h, stream, h.stream(stream)})
			want.Stream = stream
			if got := m.AppendFrame(nil); !bytes.Equal(got, want.AppendFrame(nil)) {
				t.Errorf("%s: %q", c.vector, got)
			}
			v := protocol.Value(nil)
			if c.answer != "" {
				v, _ = protocol.NewValue(c.answer)
			}
			h.send(&protocol.Result{Stream: stream, Value: v})
		}()
		if got, err := c.ask(); got != c.answer || err != nil {
			t.Errorf("%s: %v, %v, want %v", c.vector, got, err, c.answer)
		}
	}
	go func() {
		stream += 2
		expect[*protocol.Call](&call{h, stream, h.stream(stream)})
		h.send(&protocol.Result{Stream: stream, Error: "write it into allow", Code: protocol.CallPermissionDenied})
	}()
	_, err := conns.Dial(prices)
	if refused := (*CallError)(nil); !errors.As(err, &refused) || refused.Code != protocol.CallPermissionDenied ||
		!strings.Contains(err.Error(), "write it into allow") {
		t.Error(err)
	}
}

func TestADialThatMakesNoSenseIsNotAskedFor(t *testing.T) {
	newHost(t, hello)
	conns := Connections(context.WithValue(t.Context(), linkKey{}, current.Load()))
	for want, d := range map[string]DialRequest{
		"ReconnectMax is -1s":   {ReconnectMax: -time.Second},
		"ConnectTimeout is -1s": {ConnectTimeout: -time.Second},
		"X-A":                   {Header: http.Header{"X-A": {"b\r\nc"}}},
		`session's "f"`:         {Session: map[string]any{"f": func() {}}},
		"is the SDK's own":      {Session: map[string]any{versionKey: 1}},
	} {
		if _, err := conns.Dial(d); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: %v, want %q", d, err, want)
		}
	}
	if _, err := (Hub{ctx: t.Context()}).Dial(DialRequest{}); err != ErrNoHost {
		t.Error(err)
	}
	if _, err := (Hub{ctx: t.Context()}).DialID("x"); err != ErrNoHost {
		t.Error(err)
	}
}

func TestAWorkerDialsAsSoonAsItIsReady(t *testing.T) {
	answer := make(chan string, 1)
	h := newHost(t, hello, OnReady(func(ctx context.Context) {
		outcome, err := Connections(ctx).Dial(DialRequest{URL: "ws://a", Name: "n"})
		if err != nil {
			t.Error(err)
		}
		answer <- outcome
		panic("boom")
	}))
	expect[*protocol.Call](&call{h, 2, h.stream(2)})
	v, _ := protocol.NewValue(DialBegun)
	h.send(&protocol.Result{Stream: 2, Value: v})
	if got := <-answer; got != DialBegun {
		t.Error(got)
	}
	h.expectLog("panic in an OnReady hook: boom")
}

func TestEventsTellOfWhichDialTheyAre(t *testing.T) {
	type seen struct {
		dial, subprotocol string
		reconnects        int64
		text, event, id   string
	}
	all := make(chan seen, 5)
	note := func(c *Conn, m Message) {
		all <- seen{c.Dial, c.Subprotocol, c.Reconnects, string(m.Data), m.Event, m.ID}
	}
	h := newEventHost(t, Worker{
		OnOpen: func(_ context.Context, c *Conn, r *http.Request) error {
			if r != nil {
				t.Error("a dial has a request")
			}
			note(c, Message{})
			return nil
		},
		OnMessage: func(_ context.Context, c *Conn, m Message) error { note(c, m); return nil },
	})
	feed := protocol.Connection{ID: "c1", Protocol: "sse", Remote: "192.0.2.1:443", Listener: protocol.ListenerDial,
		Dial: &protocol.Dialed{Name: "prices", Reconnects: 3, Subprotocol: "v2"}}
	expect[*protocol.Done](h.event(&protocol.Open{Connection: feed}))
	plain := feed
	plain.Dial, plain.Listener = nil, ":80"
	expect[*protocol.Done](h.event(&protocol.Open{Connection: plain}))
	expect[*protocol.Done](h.event(&protocol.Incoming{Flags: protocol.FlagEnd, Connection: feed, Bytes: []byte("one"),
		About: []string{"event", "price", "id", "7"}, More: []protocol.Later{
			{Flags: protocol.FlagEnd, Bytes: []byte("two"), About: []string{"id", "8"}},
			{Flags: protocol.FlagEnd, Bytes: []byte("three")}}}))
	for _, want := range []seen{{"prices", "v2", 3, "", "", ""}, {}, {"prices", "v2", 3, "one", "price", "7"},
		{"prices", "v2", 3, "two", "", "8"}, {"prices", "v2", 3, "three", "", ""}} {
		if got := <-all; got != want {
			t.Errorf("%+v, want %+v", got, want)
		}
	}
}
