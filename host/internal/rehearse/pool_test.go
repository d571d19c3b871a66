package rehearse

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/workerhost/workerhost/protocol"
)

// fakes is a pool that answers by a function.
type fakes func(m *protocol.Request, to protocol.Sink)

func (w fakes) Submit(x *protocol.Exchange) protocol.Ticket {
	t := &ticket{sink: x.Sink}
	w(x.Request.(*protocol.Request), x.Sink)
	return t
}

// ticket ends an exchange that is cancelled, as a pool does.
type ticket struct {
	protocol.Ticket
	sink protocol.Sink
}

func (t *ticket) Cancel(protocol.ResetCode) {
	t.sink.Fail(&protocol.Failure{Kind: protocol.FailedCancelled})
	t.sink.Finished()
}

// stream lets a sink go on.
type stream struct{ protocol.Stream }

func (stream) Consumed(int) {}

func TestOfCodeTheWholeAnswerIsTakenOrTheHeadOfWhatTheHostWouldDo(t *testing.T) {
	for name, c := range map[string]struct {
		pool fakes
		want Answer
	}{
		"whole": {func(m *protocol.Request, to protocol.Sink) {
			to.Begin(stream{})
			to.Respond(&protocol.Response{Status: 200, Headers: []string{"X-A", m.Host + m.Target}, Body: []byte("a")})
			to.Data(&protocol.Data{Bytes: []byte("b")})
			to.Finished()
		}, Answer{Status: 200, Body: []byte("ab"), Length: 2}},
		"a second attempt": {func(_ *protocol.Request, to protocol.Sink) {
			to.Begin(stream{})
			to.Respond(&protocol.Response{Status: 500, Body: []byte("first")})
			to.Begin(stream{})
			to.Respond(&protocol.Response{Status: 200, Body: []byte("b")})
			to.Finished()
		}, Answer{Status: 200, Body: []byte("b"), Length: 1}},
		"a stream": {func(_ *protocol.Request, to protocol.Sink) {
			to.Begin(stream{})
			to.Respond(&protocol.Response{Status: 200, Headers: []string{"Content-Type", "text/event-stream"}})
		}, Answer{Status: 200, Length: -1}},
		"held": {func(_ *protocol.Request, to protocol.Sink) {
			to.Begin(stream{})
			to.Respond(&protocol.Response{Status: 200, Hold: &protocol.Hold{}})
		}, Answer{Status: 200, Form: "a response that is held"}},
		"nobody came to it": {func(_ *protocol.Request, to protocol.Sink) {
			to.Fail(&protocol.Failure{Kind: protocol.FailedQueueFull})
			to.Finished()
		}, Answer{Busy: true}},
		"its worker died": {func(_ *protocol.Request, to protocol.Sink) {
			to.Begin(stream{})
			to.Fail(&protocol.Failure{Kind: protocol.FailedDied})
			to.Finished()
		}, Answer{}},
		"silence": {func(_ *protocol.Request, to protocol.Sink) { to.Begin(stream{}) },
			Answer{Failure: FailedTimeout}},
	} {
		synctest.Test(t, func(t *testing.T) {
			code := NewCode("new", c.pool, "http", "a.example", time.Minute)
			a := code.Ask(t.Context(), &Request{Method: "GET", Target: "/x", Headers: []string{"accept", "b"}})
			if a.Status != c.want.Status || string(a.Body) != string(c.want.Body) || a.Length != c.want.Length ||
				a.Form != c.want.Form || a.Busy != c.want.Busy ||
				c.want.Failure != "" && a.Failure != c.want.Failure ||
				a.Status == 0 && a.Failure == "" {
				t.Errorf("%s: %+v", name, a)
			}
			if name == "whole" && !strings.Contains(a.value("x-a"), "a.example/x") {
				t.Errorf("it was asked %q", a.value("x-a"))
			}
		})
	}
}
