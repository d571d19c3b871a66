package sdk

import (
	"context"
	"errors"
	"net/http"
	"reflect"
	"testing"
	"time"

	"github.com/workerhost/workerhost/protocol"
)

// played runs f, answers its calls one after the other, and gives them.
func played(t *testing.T, h *fakeHost, first uint32, f func(), answers ...any) (calls []*protocol.Call) {
	t.Helper()
	done := make(chan struct{})
	go func() { f(); close(done) }()
	for i, answer := range answers {
		stream := first + 2*uint32(i)
		m := expect[*protocol.Call](&call{h, stream, h.stream(stream)})
		v, err := protocol.NewValue(answer)
		if err != nil {
			t.Fatal(err)
		}
		calls = append(calls, m)
		h.send(&protocol.Result{Stream: stream, Value: v})
	}
	<-done
	return calls
}

func TestStoresAndLocksAskWhatSpecSays(t *testing.T) {
	h := newHost(t, hello)
	ctx := context.WithValue(context.Background(), linkKey{}, current.Load())
	s := Store(ctx, "s")
	check := func(got, want any, err error) {
		t.Helper()
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%v, want %v (%v)", got, want, err)
		}
	}
	calls := played(t, h, 2, func() {
		var text string
		version, err := s.Get("k", &text)
		check([]any{version, text}, []any{int64(7), "v"}, err)
		version, err = s.Get("none", &text)
		check(version, int64(0), err)
		version, err = s.Set("k", []int{1}, StoreTTL)
		check(version, int64(8), err)
		version, err = s.Add("k", 1, 1500*time.Microsecond)
		check(version, int64(0), err)
		version, err = s.CompareAndSet("k", 8, nil, 0)
		check(version, int64(9), err)
		n, err := s.Increment("n", -2, time.Second)
		check(n, int64(-2), err)
		n, err = s.Delete("a", "b")
		check(n, int64(1), err)
		found := map[string]int{}
		err = s.GetMany([]string{"a", "b", "c"}, func(key string, decode func(any) error) error {
			var n int
			err := decode(&n)
			found[key] = n
			return err
		})
		check(found, map[string]int{"a": 1, "c": 3}, err)
		keys, err := s.Scan("p", "", 10)
		check(keys, []string{"p1"}, err)
		n, err = s.Clear()
		check(n, int64(4), err)
		m, err := Lock(ctx, "l", LockOptions{Wait: time.Second, Memory: true})
		check(m.Token(), int64(5), err)
		was, err := m.Renew(time.Minute)
		check(was, true, err)
		was, err = m.Release()
		check(was, true, err)
		was, err = m.Release()
		check(was, false, err)
		m, err = Lock(ctx, "l", LockOptions{Keep: true})
		check(m == nil, true, err)
		version, err = s.Local().Get("k", &text)
		check(version, int64(0), err)
	}, []any{"v", 7}, nil, 8, nil, 9, -2, 1, []any{[]any{1, 1}, nil, []any{3, 2}},
		[]string{"p1"}, 4, 5, true, true, nil, nil)
	for i, local := range map[int]bool{0: false, len(calls) - 1: true} {
		got, err := protocol.ParseStore(calls[i].Method, calls[i].Arguments)
		check(got.Local, local, err)
	}
	for i, want := range []protocol.LockCall{
		{Method: protocol.CallLockAcquire, Name: "l", TTL: 30000, Wait: 1000, Kind: "memory"},
		{Method: protocol.CallLockRenew, Name: "l", Token: 5, TTL: 60000, Kind: "memory"},
		{Method: protocol.CallLockRelease, Name: "l", Token: 5, Kind: "memory"},
		{Method: protocol.CallLockAcquire, Name: "l", TTL: 30000, Kind: "disk", Keep: true},
	} {
		m := calls[10+i]
		got, err := protocol.ParseLock(m.Method, m.Arguments)
		check(got, want, err)
	}
	for i, ttl := range map[int]int64{2: protocol.OwnTTL, 3: 2, 4: 0, 5: 1000} {
		got, err := protocol.ParseStore(calls[i].Method, calls[i].Arguments)
		check(got.TTL, ttl, err)
	}
}

func TestALockThatComesTooLateIsReleased(t *testing.T) {
	h := newHost(t, hello)
	ctx, leave := context.WithCancelCause(context.WithValue(context.Background(), linkKey{}, current.Load()))
	gone := errors.New("gone")
	calls := played(t, h, 2, func() {
		leave(gone)
		if _, err := Lock(ctx, "l", LockOptions{Wait: time.Hour}); err != gone {
			t.Error(err)
		}
	}, 5, true)
	if calls[1].Method != protocol.CallLockRelease {
		t.Error(calls[1].Method)
	}
}

func TestALockIsReleasedAfterTheHandlerThatHasAcquiredIt(t *testing.T) {
	h := newHost(t, func(_ http.ResponseWriter, r *http.Request) {
		if m, err := Lock(r.Context(), "l", LockOptions{}); err != nil || m.Token() != 5 {
			t.Error(m, err)
		}
	})
	c := h.open(protocol.Request{Method: "GET", Flags: protocol.FlagEnd})
	for i, answer := range []any{5, true} {
		m := h.nextCall(uint32(2 + 2*i))
		if want := []string{protocol.CallLockAcquire, protocol.CallLockRelease}[i]; m.Method != want {
			t.Errorf("%s, not %s", m.Method, want)
		}
		if i == 1 {
			c.whole() // was said before
		}
		v, _ := protocol.NewValue(answer)
		h.send(&protocol.Result{Stream: m.Stream, Value: v})
	}
}
