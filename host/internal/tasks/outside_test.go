package tasks

import (
	"strings"
	"testing"
	"time"

	"github.com/workerhost/workerhost/protocol"
)

func TestATimeWithoutARateIsNotMadeUpForAfterwards(t *testing.T) {
	s := newStage(t, well, func(q *Queue) { q.Concurrency = 100 })
	for range 3 {
		var all []*protocol.Push
		for range 100 {
			all = append(all, &protocol.Push{Queue: "q"})
		}
		s.push(t, all...)
	}
	for range 300 {
		s.ended(t)
	}
	next := *s.find("q").settings.Load()
	next.Rate = 2
	s.Configure("default", []Queue{next})
	s.push(t, &protocol.Push{Queue: "q"})
	began := time.Now()
	if s.ended(t); time.Since(began) > 5*time.Second {
		t.Fatal(time.Since(began))
	}
}

func TestWhatIsNoTaskOfOursLiesWithTheFailedOnes(t *testing.T) {
	s := newStage(t, well, nil)
	for id, c := range map[string]struct{ data, why string }{
		"json":  {`{"to": "a"}`, "no MessagePack"},
		"large": {"\xc6\x00\x10\x00\x00" + strings.Repeat("x", 1<<20), "at most 1048576"},
		"empty": {"", "no MessagePack"},
	} {
		s.raw(t, message(s.names.live("q", id, "ready", "p0"), c.data))
		if r := s.ended(t); r.End != "failed" || r.ID != id || !strings.Contains(r.Reason, c.why) {
			t.Errorf("%s: %+v", id, r)
		}
	}
	if n := len(s.pool.all()); n > 0 {
		t.Errorf("%d of them came to a worker", n)
	}
	if n, err := s.Retry(t.Context(), "q", "json"); n != 0 || err == nil || !strings.Contains(err.Error(), "deleted") {
		t.Error(n, err)
	}
	if n, err := s.Delete(t.Context(), "q", ""); n != 3 || err != nil {
		t.Error(n, err)
	}
}

func TestAPlaceWhoseConsumerIsGoneIsMadeAnew(t *testing.T) {
	s := newStage(t, well, nil)
	s.push(t, &protocol.Push{Queue: "q", Priority: 3})
	s.ended(t)
	js, err := s.engine.JetStream(t.Context())
	if err == nil {
		err = js.DeleteConsumer(t.Context(), s.names.stream, consumer("q", "p3"))
	}
	if err != nil {
		t.Fatal(err)
	}
	for there := true; there; { // it looks by itself, and this is sooner
		s.find("q").stale.Store(true)
		s.find("q").ring()
		time.Sleep(time.Millisecond)
		s.mu.Lock()
		there = s.places[consumer("q", "p3")]
		s.mu.Unlock()
	}
	s.push(t, &protocol.Push{Queue: "q", Priority: 3})
	s.ended(t)
}

func TestAnEndIsToldToNobodyButWhoeverWaits(t *testing.T) {
	s := newStage(t, well, nil)
	conn, err := s.engine.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	heard, err := conn.SubscribeSync("elsewhere.>")
	if err != nil {
		t.Fatal(err)
	}
	defer heard.Unsubscribe()
	for _, reply := range []string{"elsewhere.x", "_INBOX.*", "_INBOXelse"} {
		s.raw(t, message(s.names.live("q", "one", "ready", "p0"), "\xc0", headerReply, reply))
		s.ended(t)
	}
	if err := conn.FlushTimeout(deadline); err != nil {
		t.Fatal(err)
	}
	if n, _, _ := heard.Pending(); n > 0 {
		t.Fatalf("%d messages", n)
	}
}
