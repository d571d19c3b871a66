package tasks

import (
	"errors"
	"fmt"
	"runtime"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/workerhost/workerhost/protocol"
)

// lay has n tasks lie with the failed ones, whose ids begin with something.
func (s *stage) lay(t *testing.T, ids string, n int) {
	t.Helper()
	var all []*nats.Msg
	for i := range n {
		all = append(all, message(s.names.failed("q", fmt.Sprintf("%s%05d", ids, i)), "\xc0", headerPlace, "p0"))
		if len(all) == protocol.MaxPushes || i == n-1 {
			s.raw(t, all...)
			all = nil
		}
	}
}

func TestQueuesWhoseNamesBeginAlikeAreCountedApart(t *testing.T) {
	s := newStage(t, well, func(q *Queue) { q.Concurrency = 0 })
	one := *s.find("q").settings.Load()
	two := one
	two.Name = "q-bulk"
	s.Configure("default", []Queue{one, two})
	s.push(t, &protocol.Push{Queue: "q-bulk"}, &protocol.Push{Queue: "q-bulk"}, &protocol.Push{Queue: "q"})
	if all := s.Status(t.Context()); all[0].Ready != 1 || all[1].Ready != 2 {
		t.Fatalf("%+v", all)
	}
}

func TestTheLatestOfMoreThanAThousandFailedTasksAreListed(t *testing.T) {
	s := newStage(t, well, func(q *Queue) { q.Concurrency = 0 })
	s.lay(t, "a", 1100)
	s.push(t, &protocol.Push{Queue: "q"}, &protocol.Push{Queue: "q"}) // what is no failed one lies between
	s.lay(t, "z", 3)
	all, sum, err := s.Failed(t.Context(), "q", 5)
	ids := ""
	for _, f := range all {
		ids += f.ID + " "
	}
	if err != nil || sum != 1103 || ids != "z00002 z00001 z00000 a01099 a01098 " {
		t.Fatal(sum, ids, err)
	}
	if n := s.Status(t.Context())[0]; n.Failed != 1103 {
		t.Fatalf("%+v", n)
	}
	if n, err := s.Delete(t.Context(), "q", ""); n != 1103 || err != nil {
		t.Fatal(n, err)
	}
	if all, sum, err := s.Failed(t.Context(), "q", 5); len(all) != 0 || sum != 0 || err != nil {
		t.Fatal(all, sum, err)
	}
}

func TestToBeCountedCostsNoMemoryForEachTask(t *testing.T) {
	s := newStage(t, well, func(q *Queue) { q.Concurrency = 0 })
	const n = 5000
	for range n / protocol.MaxPushes {
		var all []*protocol.Push
		for range protocol.MaxPushes {
			all = append(all, &protocol.Push{Queue: "q", Delay: time.Hour.Milliseconds()})
		}
		s.push(t, all...)
	}
	s.Status(t.Context())
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	status := s.Status(t.Context())[0]
	runtime.ReadMemStats(&after)
	if took := after.TotalAlloc - before.TotalAlloc; status.Later != n || took > 100*n {
		t.Fatalf("%d bytes for %+v", took, status)
	}
}

func TestATaskIsNotTriedAnewWhileAnotherOfItsIDLives(t *testing.T) {
	s := newStage(t, well, func(q *Queue) { q.Concurrency = 0 })
	s.lay(t, "one", 2)
	s.push(t, &protocol.Push{Queue: "q", ID: "one00000"})
	if n, err := s.Retry(t.Context(), "q", "one00000"); n != 0 || !errors.Is(err, ErrLives) {
		t.Fatal(n, err)
	}
	if n, err := s.Retry(t.Context(), "q", ""); n != 1 || err != nil {
		t.Fatal(n, err)
	}
	if all, sum, err := s.Failed(t.Context(), "q", 5); sum != 1 || err != nil || all[0].ID != "one00000" {
		t.Fatal(all, sum, err)
	}
}
