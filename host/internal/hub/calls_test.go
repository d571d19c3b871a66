package hub

import (
	"context"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/workerhost/workerhost/protocol"
)

func (s *scene) call(method string, arguments ...any) (any, string) {
	s.t.Helper()
	m := &protocol.Call{Method: method}
	for _, a := range arguments {
		m.Arguments = append(m.Arguments, value(s.t, a))
	}
	var got reply
	s.hub.Call(m, protocol.NewCaller(&got, 2))
	return got.decoded(s.t)
}

// reply is a desk that keeps the answer.
type reply struct{ result *protocol.Result }

func (d *reply) Reply(_ uint32, r *protocol.Result) { d.result = r }
func (d *reply) Waiting(uint32) context.Context     { return context.Background() }

// decoded is the answer's value, and its error with the name of the code before it.
func (d *reply) decoded(t testing.TB) (any, string) {
	t.Helper()
	v, err := d.result.Value.Decode()
	switch {
	case err != nil:
		t.Fatal(err)
	case (d.result.Code == 0) != (d.result.Error == ""):
		t.Errorf("the error %q has the %s", d.result.Error, d.result.Code)
	case d.result.Error != "":
		return v, d.result.Code.String() + ": " + d.result.Error
	}
	return v, ""
}

func TestCalls(t *testing.T) {
	s := newScene(t)
	a, b := s.open(&fakePeer{}), s.open(&fakePeer{})
	s.commit(a, &protocol.Join{Groups: []string{"g"}}, &protocol.Bind{UID: "u"},
		&protocol.Set{Set: []protocol.Entry{{Key: "k", Value: value(t, "v")}}})
	s.commit(b, &protocol.Bind{UID: "u"})
	for _, c := range []struct {
		method    string
		arguments []any
		want      any
		err       string
	}{
		{"count", nil, int8(2), ""},
		{"count", []any{nil}, int8(2), ""},
		{"count", []any{"g"}, int8(1), ""},
		{"count", []any{"nobody's"}, int8(0), ""},
		{"ids", []any{"g"}, []any{a.ID()}, ""},
		{"ids", []any{"nobody's"}, []any{}, ""},
		{"uids", nil, []any{"u"}, ""},
		{"online", []any{"u"}, true, ""},
		{"online", []any{"v"}, false, ""},
		{"user", []any{"u"}, []any{a.ID(), b.ID()}, ""},
		{"user", []any{"v"}, []any{}, ""},
		{"user", nil, nil, "takes one argument, the uid"},
		{"groups", nil, []any{"g", int8(1)}, ""},
		{"groups", []any{"g"}, []any{"g", int8(1)}, ""},
		{"groups", []any{"h"}, []any{}, ""},
		{"groups", []any{1}, nil, "groups takes a group's name"},
		{"connection", []any{a.ID()}, []any{a.ID(), "websocket", "192.0.2.1:5000", "u", []any{"g"}, []any{"k", "v"},
			"127.0.0.1:8080"}, ""},
		{"connection", []any{"x"}, nil, ""},
		{"connections", []any{"g"}, []any{[]any{a.ID(), "websocket", "192.0.2.1:5000", "u", []any{"g"},
			[]any{"k", "v"}, "127.0.0.1:8080"}}, ""},
		{"connections", []any{"nobody's"}, []any{}, ""},
		{"session", []any{a.ID()}, []any{int8(1), []any{"k", "v"}}, ""},
		{"session", []any{"x"}, nil, ""},
		{"session", []any{1}, nil, "INVALID_ARGUMENT: session takes one argument, the id, which is text; got int8"},
		{"session", nil, nil, "takes one argument, the id"},
		{"count", []any{"a", "b"}, nil, "got 2 arguments"},
		{"count", []any{true}, nil, "got bool"},
		{"destroy", nil, nil, `UNIMPLEMENTED: there is no method "destroy"`},
	} {
		got, err := s.call(c.method, c.arguments...)
		if c.err == "" && (err != "" || fmt.Sprint(got) != fmt.Sprint(c.want)) ||
			c.err != "" && !strings.Contains(err, c.err) {
			t.Errorf("%s%v gave %v, %q; want %v, %q", c.method, c.arguments, got, err, c.want, c.err)
		}
	}
	a.Closed(1000, "", true)
	b.Closed(1000, "", true)
	if got, _ := s.call("online", "u"); got != false {
		t.Error("a user is online whose connections have closed")
	}
	s.gone()
}

func TestSwapChangesASessionThatNobodyElseChanged(t *testing.T) {
	s := newScene(t)
	s.terms.SessionLimit = 100
	c := s.open(&fakePeer{})
	swap := func(version int64, v any) (any, string) {
		var got reply
		s.hub.Swap(&protocol.Swap{Connection: c.ID(), Version: version,
			Set: []protocol.Entry{{Key: "n", Value: value(t, v)}}}, protocol.NewCaller(&got, 2))
		return got.decoded(t)
	}
	s.commit(c, &protocol.Set{Set: []protocol.Entry{{Key: "n", Value: value(t, 1)}}})
	if got, err := swap(0, 9); got != false || err != "" {
		t.Errorf("an old version: %v, %s", got, err)
	}
	if got, err := swap(1, 2); got != true || err != "" {
		t.Errorf("the version: %v, %s", got, err)
	}
	if _, err := swap(2, strings.Repeat("x", 200)); !strings.HasPrefix(err, "TOO_LARGE") ||
		!strings.Contains(err, "session_limit") {
		t.Errorf("beyond the limit: %s", err)
	}
	if got, _ := s.call("session", c.ID()); !reflect.DeepEqual(fmt.Sprint(got), "[2 [n 2]]") {
		t.Errorf("the session is %v", got)
	}
	c.Closed(1000, "", true)
	if got, err := swap(2, 3); got != false || err != "" {
		t.Errorf("a connection that is not there: %v, %s", got, err)
	}
	var got reply
	if s.hub.Swap(&protocol.Swap{}, protocol.NewCaller(&got, 2)); got.result.Code != protocol.CallInvalidArgument {
		t.Errorf("a SWAP of no connection came to %s", got.result.Code)
	}
	s.gone()
}

func TestASampleIsOfThePoolsSessionsThatHoldSomething(t *testing.T) {
	s := newScene(t)
	backend := Backend(nil)
	for i := range 10 {
		c := s.open(&fakePeer{})
		backend = c.Terms().Backend
		if i > 0 {
			s.commit(c, &protocol.Set{Set: []protocol.Entry{{Key: "n", Value: value(t, i)}}})
		}
	}
	sizes := func(of Backend, most, bytes int) (taken, live int) {
		v, taken, live := s.hub.Sample(of, most, bytes)
		all, err := protocol.ParseConnections(v)
		if err != nil || len(all) != taken {
			t.Errorf("%d were taken, and %d given: %v", taken, len(all), err)
		}
		for _, c := range all {
			if len(c.Session) != 1 || s.hub.Get(c.ID) == nil {
				t.Errorf("%+v is in the sample", c)
			}
		}
		return taken, live
	}
	if taken, live := sizes(backend, 100, 1<<20); taken != 9 || live != 9 {
		t.Errorf("%d of %d are taken", taken, live)
	}
	if taken, live := sizes(backend, 4, 1<<20); taken != 4 || live != 9 {
		t.Errorf("%d of %d are taken, where it may be 4", taken, live)
	}
	if taken, live := sizes(backend, 100, 0); taken != 0 || live != 9 {
		t.Errorf("%d of %d are taken, where there is no room", taken, live)
	}
	if taken, live := sizes(nil, 100, 1<<20); taken != 0 || live != 0 {
		t.Errorf("%d of %d of another pool are taken", taken, live)
	}
}
