package sdk

import (
	"context"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/workerhost/workerhost/protocol"
)

func TestQuestionsAreAskedConcurrentlyAndAnsweredInAnyOrder(t *testing.T) {
	h := newHost(t, hello)
	ctx := Connections(context.WithValue(context.Background(), linkKey{}, current.Load()))
	var all sync.WaitGroup
	for i := range 200 {
		all.Go(func() {
			if n, err := ctx.Count(fmt.Sprint(i)); n != i || err != nil {
				t.Errorf("count of %d is %d, %v", i, n, err)
			}
		})
	}
	answered := uint32(0)
	for answered < 400 {
		var batch []*protocol.Call
		for len(batch) < 8 {
			answered += 2
			m := expect[*protocol.Call](&call{h, answered, h.stream(answered)})
			batch = append(batch, m)
		}
		for _, m := range slices.Backward(batch) {
			text, _ := m.Arguments[0].Decode()
			var n int
			fmt.Sscan(text.(string), &n)
			v, _ := protocol.NewValue(n)
			h.send(&protocol.Result{Stream: m.Stream, Value: v})
		}
	}
	all.Wait()
}

func TestQuestionsAndTheirAnswers(t *testing.T) {
	h := newHost(t, hello)
	base, cancel := context.WithCancelCause(context.WithValue(context.Background(), linkKey{}, current.Load()))
	conns := Connections(base)
	stream := uint32(0)
	answer := func(method string, value any) {
		stream += 2
		m := expect[*protocol.Call](&call{h, stream, h.stream(stream)})
		if m.Method != method {
			t.Errorf("asked for %s, not %s", m.Method, method)
		}
		v, _ := value.(protocol.Value)
		if v == nil && value != nil {
			v, _ = protocol.NewValue(value)
		}
		h.send(&protocol.Result{Stream: stream, Value: v})
	}
	go answer("ids", []string{"a", "b"})
	if ids, err := conns.IDs("g"); !slices.Equal(ids, []string{"a", "b"}) || err != nil {
		t.Error(ids, err)
	}
	go answer("uids", []string{"u"})
	if ids, err := conns.Users(""); !slices.Equal(ids, []string{"u"}) || err != nil {
		t.Error(ids, err)
	}
	go answer("presence.members", []string{"u", "v"})
	if uids, err := conns.Members("g"); !slices.Equal(uids, []string{"u", "v"}) || err != nil {
		t.Error(uids, err)
	}
	go answer("online", true)
	if online, err := conns.IsOnline("u"); !online || err != nil {
		t.Error(online, err)
	}
	go answer("user", []string{"a"})
	if ids, err := conns.IDsOf("u"); !slices.Equal(ids, []string{"a"}) || err != nil {
		t.Error(ids, err)
	}
	go answer("groups", []any{"g", 2, "h", 70000})
	if all, err := conns.Groups("g"); !maps.Equal(all, map[string]int{"g": 2, "h": 70000}) || err != nil {
		t.Error(all, err)
	}
	go answer("groups", []any{"g", "h"})
	if all, err := conns.Groups(""); err == nil {
		t.Error("a name was taken for a number:", all)
	}
	go answer("connection", (&protocol.Connection{ID: "a", Protocol: "tcp", UID: "u", Groups: []string{"g"}}).Value())
	if c, err := conns.Get("a"); err != nil || c.ID != "a" || c.UID() != "u" ||
		!slices.Equal(c.Groups(), []string{"g"}) || c.Session().Set("x", 1) == nil {
		t.Error(c, err)
	}
	go answer("session", nil)
	if _, err := conns.Session("a"); err != ErrNoConnection {
		t.Error(err)
	}
	go answer("count", "many")
	if _, err := conns.Count(""); err == nil {
		t.Error("an answer of the wrong kind was taken")
	}
	go func() {
		stream += 2
		expect[*protocol.Call](&call{h, stream, h.stream(stream)})
		h.send(&protocol.Result{Stream: stream, Error: "no"})
		stream += 2
		expect[*protocol.Call](&call{h, stream, h.stream(stream)})
		cancel(ErrTimeout)
	}()
	if _, err := conns.Count(""); err == nil || !strings.Contains(err.Error(), "no") {
		t.Error(err)
	}
	if _, err := conns.Count(""); err != ErrTimeout {
		t.Error(err)
	}
}

func TestASessionIsUpdatedOnceNobodyElseChangesIt(t *testing.T) {
	h := newHost(t, hello)
	conns := Connections(context.WithValue(context.Background(), linkKey{}, current.Load()))
	go func() {
		for i := range 2 {
			id := uint32(4*i + 2)
			expect[*protocol.Call](&call{h, id, h.stream(id)})
			v, _ := protocol.NewValue([]any{40 + i, []any{"n", i, "gone", true}})
			h.send(&protocol.Result{Stream: id, Value: v})
			m := expect[*protocol.Swap](&call{h, id + 2, h.stream(id + 2)})
			if m.Connection != "a" || m.Version != int64(40+i) ||
				!reflect.DeepEqual(m.Set, []protocol.Entry{entry(t, "n", i+1)}) ||
				!slices.Equal(m.Unset, []string{"gone"}) {
				t.Errorf("SWAP is %+v", m)
			}
			v, _ = protocol.NewValue(i == 1)
			h.send(&protocol.Result{Stream: id + 2, Value: v})
		}
	}()
	calls := 0
	err := conns.UpdateSession("a", func(s *Session) error {
		calls++
		s.Delete("gone")
		return s.Set("n", s.Int("n")+1)
	})
	if err != nil || calls != 2 {
		t.Errorf("%d calls, %v", calls, err)
	}
}

func TestQuestionsEndWithTheLink(t *testing.T) {
	h := startHost(t, protocol.Hello{}, nil)
	h.awaitReady()
	conns := Connections(context.WithValue(context.Background(), linkKey{}, current.Load()))
	go func() {
		expect[*protocol.Call](&call{h, 2, h.stream(2)})
		h.out.Close()
	}()
	if _, err := conns.Count(""); err != ErrHostGone {
		t.Error(err)
	}
	<-h.gone
	h.in.Close()
}

func TestNobodyIsReachedBeforeTheWorkerIsReady(t *testing.T) {
	h := startHost(t, protocol.Hello{}, nil, OnStart(func(ctx context.Context) error {
		if err := Connections(ctx).SendToAll(nil); err != ErrNotReady {
			t.Error(err)
		}
		if _, err := Connections(ctx).Count(""); err != ErrNotReady {
			t.Error(err)
		}
		return nil
	}))
	h.awaitReady()
	h.out.Close()
	<-h.gone
	h.in.Close()
	if err := Connections(context.Background()).SendToAll(nil); err != ErrNoHost {
		t.Errorf("without a host: %v", err)
	}
}

func TestAConnectionThatWasLookedUpIsAskedWithTheHandlersDone(t *testing.T) {
	release := make(chan struct{})
	h := newEventHost(t, Worker{OnMessage: func(ctx context.Context, c *Conn, m Message) error {
		other, err := Connections(ctx).Get("c2")
		if err != nil {
			return err
		}
		other.Send([]byte("x"))
		other.Join("g")
		if len(other.Groups()) > 0 {
			t.Error("what was looked up changed")
		}
		<-release
		return nil
	}})
	c := h.event(text("x"))
	expect[*protocol.Call](&call{h, 2, h.stream(2)})
	h.send(&protocol.Result{Stream: 2, Value: (&protocol.Connection{ID: "c2", Protocol: "tcp"}).Value()})
	close(release)
	expectSame(c, &protocol.Send{To: protocol.ToConnections, Names: []string{"c2"}, Bytes: []byte("x")})
	expectSame(c, &protocol.Join{Connection: "c2", Groups: []string{"g"}})
	expect[*protocol.Done](c)
}

func TestManyGoroutinesMayUseOneConnectionDuringItsHandlerAndAfter(t *testing.T) {
	const each = 50
	var all sync.WaitGroup
	began := make(chan struct{})
	h := newEventHost(t, Worker{OnMessage: func(ctx context.Context, c *Conn, m Message) error {
		defer close(began)
		for i := range 8 {
			all.Go(func() {
				for n := range each {
					c.Send(m.Data)
					c.Session().Set(fmt.Sprint(i), n)
					c.Session().Keys()
					c.Groups()
				}
			})
		}
		return nil
	}})
	c := h.event(text("x"))
	<-began
	all.Wait()
	sent := 0
	for done := false; !done; {
		switch c.take().(type) {
		case *protocol.Send:
			sent++
		case *protocol.Set:
		case *protocol.Done:
			done = true
		default:
			t.Fatal("neither SEND nor SET nor DONE")
		}
	}
	for ; sent < 8*each; sent++ {
		if _, ok := h.link.take().(*protocol.Send); !ok {
			t.Fatalf("%d messages, not %d", sent, 8*each)
		}
	}
	h.send(&protocol.Ping{Token: 1})
	h.link.take()
	if c.mu.Lock(); len(c.messages) > 0 {
		t.Errorf("after DONE came %+v", c.messages)
	}
	c.mu.Unlock()
}
