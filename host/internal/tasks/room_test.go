package tasks

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/workerhost/workerhost/host/internal/engine"
	"github.com/workerhost/workerhost/protocol"
)

func well(*work) *protocol.Failure { return nil }

func TestATaskIsRunWithWhatWasPushed(t *testing.T) {
	s := newStage(t, well, nil)
	s.push(t, &protocol.Push{Queue: "q", Payload: text(t, "hello"), ID: "order 17", Key: "a.b", Priority: 5})
	if r := s.ended(t); r.End != "done" || r.ID != "order 17" || r.Attempt != 1 {
		t.Fatalf("%+v", r)
	}
	got := s.pool.all()[0]
	if got.Queue != "q" || got.ID != "order 17" || string(got.Payload) != string(text(t, "hello")) ||
		got.Key != "a.b" || got.Attempt != 1 || got.Most != 3 || time.Since(time.UnixMilli(got.Pushed)) > deadline {
		t.Fatalf("%+v", got)
	}
	if n := s.Status(t.Context())[0]; n.Ready+n.Away+n.Later+n.Failed != 0 || n.Error != "" || !n.Handled {
		t.Fatalf("%+v", n)
	}
}

func TestWhatOneCommitPushesIsThereAllTogetherOrNotAtAll(t *testing.T) {
	s := newStage(t, well, func(q *Queue) { q.Concurrency = 0 })
	hub := s.Hub(s.hub)
	commit := func(acts ...protocol.Act) error {
		done := make(chan error, 1)
		hub.Commit(nil, acts, func(err error) { done <- err })
		return <-done
	}
	send := &protocol.Send{To: protocol.ToAll}
	if err := commit(&protocol.Push{Queue: "q"}, send, &protocol.Push{Queue: "other"}); err == nil ||
		!strings.Contains(err.Error(), "[queue.other]") {
		t.Fatal(err)
	}
	var all []protocol.Act
	for i := range 100 {
		all = append(all, &protocol.Push{Queue: "q", ID: fmt.Sprint(i % 90)}) // some of them twice
	}
	if n := s.Status(t.Context())[0]; n.Ready != 0 || len(s.hub.acts) != 0 {
		t.Fatalf("%+v, and %d acts", n, len(s.hub.acts))
	}
	if err := commit(append(all, send)...); err != nil {
		t.Fatal(err)
	}
	if n := s.Status(t.Context())[0]; n.Ready != 90 || len(s.hub.acts) != 1 || n.Oldest.IsZero() {
		t.Fatalf("%+v, and %d acts", n, len(s.hub.acts))
	}
}

func TestAnIDIsFreeAgainWhenItsTaskIsDoneOrFailed(t *testing.T) {
	hold := make(chan struct{})
	s := newStage(t, func(w *work) *protocol.Failure {
		<-hold
		if w.ID == "bad" {
			w.act(&protocol.Settle{How: protocol.TaskGivenUp, Reason: "no use"})
		}
		return nil
	}, nil)
	for range 3 { // it is under way from the first on
		s.push(t, &protocol.Push{Queue: "q", ID: "one"}, &protocol.Push{Queue: "q", ID: "bad"})
	}
	s.push(t, &protocol.Push{Queue: "q", ID: "one", Delay: 1000}, &protocol.Push{Queue: "q", ID: "two"})
	close(hold)
	for range 3 {
		s.ended(t)
	}
	if n := len(s.pool.all()); n != 3 {
		t.Fatalf("%d tasks", n)
	}
	s.push(t, &protocol.Push{Queue: "q", ID: "one"}, &protocol.Push{Queue: "q", ID: "bad"})
	s.ended(t)
	s.ended(t)
	if all, n, err := s.Failed(t.Context(), "q", 10); err != nil || n != 1 || all[0].Reason != "no use" {
		t.Fatal(all, n, err)
	}
}

func TestATaskThatFailsComesAgainAndLiesWithTheFailedOnesThen(t *testing.T) {
	s := newStage(t, func(w *work) *protocol.Failure {
		if w.Attempt == 1 {
			return &protocol.Failure{Kind: protocol.FailedDied, Detail: "exit 9"}
		}
		w.act(&protocol.Settle{How: protocol.TaskFailed, Reason: "Boom: \"é\"\nmore",
			Trace: strings.Repeat("#0\n", 9000)})
		return &protocol.Failure{Kind: protocol.FailedReset}
	}, nil)
	s.push(t, &protocol.Push{Queue: "q", Payload: text(t, "x"), Key: "k"})
	for i, want := range []string{"retry", "retry", "failed"} {
		if r := s.ended(t); r.End != want || r.Attempt != i+1 {
			t.Fatalf("%d: %+v", i, r)
		}
	}
	all, n, err := s.Failed(t.Context(), "q", 10)
	if err != nil || n != 1 {
		t.Fatal(n, err)
	}
	f, err := s.Show(t.Context(), "q", all[0].ID)
	if err != nil {
		t.Fatal(err)
	}
	if f.Reason != "Boom: \"é\"\nmore" || !strings.HasPrefix(f.Trace, "#0\n#0\n") || f.Attempts != 3 || f.Key != "k" ||
		string(f.Payload) != string(text(t, "x")) {
		t.Fatalf("%+v", f)
	}
	if n, err := s.Retry(t.Context(), "q", ""); n != 1 || err != nil {
		t.Fatal(n, err)
	}
	if r := s.ended(t); r.Attempt != 1 || r.ID != f.ID {
		t.Fatalf("%+v", r)
	}
	for range 2 {
		s.ended(t)
	}
	if n, err := s.Delete(t.Context(), "q", f.ID); n != 1 || err != nil {
		t.Fatal(n, err)
	}
	if _, err := s.Show(t.Context(), "q", f.ID); !errors.Is(err, ErrNoTask) {
		t.Fatal(err)
	}
}

func TestADelayIsKeptAndSoIsARelease(t *testing.T) {
	s := newStage(t, func(w *work) *protocol.Failure {
		if w.Attempt == 1 {
			w.act(&protocol.Settle{How: protocol.TaskReleased, Delay: 300})
		}
		return nil
	}, nil)
	began := time.Now()
	s.push(t, &protocol.Push{Queue: "q", ID: "a", Delay: 400, Payload: text(t, "x")})
	if n := s.Status(t.Context())[0]; time.Since(began) < 400*time.Millisecond && (n.Later != 1 || n.Ready != 0) {
		t.Fatalf("%+v", n)
	}
	if r := s.ended(t); r.End != "released" || time.Since(began) < 400*time.Millisecond {
		t.Fatalf("%+v after %v", r, time.Since(began))
	}
	if r := s.ended(t); r.End != "done" || time.Since(began) < 700*time.Millisecond || r.Attempt != 2 {
		t.Fatalf("%+v after %v", r, time.Since(began))
	}
	if got := s.pool.all()[1]; string(got.Payload) != string(text(t, "x")) || got.ID != "a" {
		t.Fatalf("%+v", got)
	}
}

func TestTasksOfOneKeyRunInOrderAndThoseOfAHigherPriorityFirst(t *testing.T) {
	var mu sync.Mutex
	at, most, order := map[string]int{}, 0, map[string][]string{}
	s := newStage(t, func(w *work) *protocol.Failure {
		mu.Lock()
		at[w.Key]++
		most = max(most, at[w.Key])
		order[w.Key] = append(order[w.Key], w.ID)
		mu.Unlock()
		time.Sleep(time.Millisecond)
		mu.Lock()
		at[w.Key]--
		mu.Unlock()
		if w.ID == "k1 3" && w.Attempt == 1 { // what comes behind it waits
			return &protocol.Failure{Kind: protocol.FailedDied}
		}
		return nil
	}, nil)
	var all []*protocol.Push
	for i := range 8 {
		for _, key := range []string{"k1", "k2", "k3"} {
			all = append(all, &protocol.Push{Queue: "q", Key: key, ID: fmt.Sprintf("%s %d", key, i)})
		}
	}
	s.push(t, all...)
	for range 25 {
		s.ended(t)
	}
	if most != 1 || fmt.Sprint(order["k1"]) != "[k1 0 k1 1 k1 2 k1 3 k1 3 k1 4 k1 5 k1 6 k1 7]" ||
		!slices.IsSorted(order["k2"]) || !slices.IsSorted(order["k3"]) {
		t.Fatal(most, order)
	}

	if err := s.Pause(t.Context(), "q"); err != nil {
		t.Fatal(err)
	}
	order[""] = nil
	for _, p := range []int{0, 9, 3, 9} {
		s.push(t, &protocol.Push{Queue: "q", Priority: p, ID: fmt.Sprintf("%d-%d", p, len(order))})
		order[fmt.Sprint(len(order))] = nil
	}
	next := *s.find("q").settings.Load()
	next.Concurrency = 1
	s.Configure("default", []Queue{next})
	time.Sleep(2 * glance) // nothing must come of it
	mu.Lock()
	began := len(order[""])
	mu.Unlock()
	if began > 0 {
		t.Fatal("a task began in a queue that is paused")
	}
	if err := s.Resume(t.Context(), "q"); err != nil {
		t.Fatal(err)
	}
	for range 4 {
		s.ended(t)
	}
	if got := order[""]; got[0][0] != '9' || got[1][0] != '9' || got[2][0] != '3' || got[3][0] != '0' {
		t.Fatal(got)
	}
}

func TestAPushThatIsRepeatedAfterItsTasksAreDoneWritesNothing(t *testing.T) {
	s := newStage(t, func(*work) *protocol.Failure { return nil }, nil)
	js, err := s.engine.JetStream(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, ids := range [][]string{{"one"}, {"two", "three"}} {
		var all []*pushed
		for _, id := range ids {
			m := &protocol.Push{Queue: "q", ID: id}
			all = append(all, &pushed{Push: m, id: engine.Token(id), place: placeOf(m), once: newID()})
		}
		if _, err := s.write(t.Context(), js, all, "", time.Now()); err != nil {
			t.Fatal(err)
		}
		s.find("q").ring()
		for range all {
			s.ended(t)
		}
		if _, err := s.write(t.Context(), js, all, "", time.Now()); err != nil { // as when the answer was lost
			t.Fatal(err)
		}
	}
	time.Sleep(2 * glance) // nothing more must come
	if all := s.pool.all(); len(all) != 3 {
		t.Fatalf("%d tasks ran, 3 were pushed: %+v", len(all), all)
	}
}

func TestATaskWhoseActsCouldNotBeCarriedOutHasFailed(t *testing.T) {
	s := newStage(t, func(w *work) *protocol.Failure {
		w.act(&protocol.Push{Queue: "q"}, &protocol.Send{})
		return nil
	}, func(q *Queue) { q.Attempts = 1 })
	s.hub.err = errors.New("no room")
	s.push(t, &protocol.Push{Queue: "q", ID: "one"})
	if r := s.ended(t); r.End != "failed" || !strings.Contains(r.Reason, "no room") {
		t.Fatalf("%+v", r)
	}
}

func TestWhoWaitsGetsTheResult(t *testing.T) {
	s := newStage(t, func(w *work) *protocol.Failure {
		if w.ID == "bad" {
			w.act(&protocol.Settle{How: protocol.TaskGivenUp, Reason: "no use"})
		} else {
			w.act(&protocol.Settle{Value: text(t, "result")})
		}
		return nil
	}, nil)
	for id, want := range map[string]string{"good": "[0 result ]", "bad": "[3 <nil> no use]"} {
		to := newCaller(t)
		s.Desk().Call(&protocol.Call{Method: protocol.CallTasksWait,
			Arguments: []protocol.Value{(&protocol.Push{Queue: "q", ID: id}).Element()}}, to.caller())
		v, _ := to.answer(t).Value.Decode()
		if fmt.Sprint(v) != want {
			t.Errorf("%v, not %s", v, want)
		}
	}
}

func TestWhatMakesNoSenseIsRefusedWithItsCode(t *testing.T) {
	s := newStage(t, well, nil)
	for name, c := range map[string]struct {
		push *protocol.Push
		code protocol.CallCode
	}{
		"queue":    {&protocol.Push{Queue: "other"}, protocol.CallNotFound},
		"name":     {&protocol.Push{Queue: "a b"}, protocol.CallInvalidArgument},
		"priority": {&protocol.Push{Queue: "q", Priority: 10}, protocol.CallInvalidArgument},
		"large":    {&protocol.Push{Queue: "q", Payload: text(t, strings.Repeat("x", 1<<20))}, protocol.CallTooLarge},
	} {
		to := newCaller(t)
		s.Desk().Call(&protocol.Call{Method: protocol.CallTasksPush,
			Arguments: []protocol.Value{protocol.PushesArgument([]*protocol.Push{c.push})}}, to.caller())
		if r := to.answer(t); r.Code != c.code {
			t.Errorf("%s: %v %s", name, r.Code, r.Error)
		}
	}
	done := make(chan error, 1)
	s.Hub(s.hub).Commit(nil, []protocol.Act{&protocol.Settle{}}, func(err error) { done <- err })
	if err := <-done; err == nil {
		t.Error("SETTLE of no task")
	}
	large := &protocol.Push{Queue: "q", ID: "large", Payload: text(t, strings.Repeat("x", 1<<20-5))}
	s.push(t, large)
	if r := s.ended(t); r.Bytes != 1<<20 {
		t.Fatalf("%+v", r)
	}
}

func TestWhatWasPushedIsThereAfterARestart(t *testing.T) {
	folder := t.TempDir()
	s := stageIn(t, folder, well, func(q *Queue) { q.Concurrency = 0 })
	s.push(t, &protocol.Push{Queue: "q", ID: "one"}, &protocol.Push{Queue: "q", ID: "two", Delay: 1})
	s.shut()
	s.engine.Close()
	next := stageIn(t, folder, well, nil)
	ids := []string{next.ended(t).ID, next.ended(t).ID}
	if slices.Sort(ids); fmt.Sprint(ids) != "[one two]" {
		t.Fatal(ids)
	}
}

func TestAHostThatEndsGivesItsTasksBack(t *testing.T) {
	folder := t.TempDir()
	begun := make(chan struct{}, 1)
	s := stageIn(t, folder, func(w *work) *protocol.Failure {
		begun <- struct{}{}
		<-w.cancelled
		return &protocol.Failure{Kind: protocol.FailedDrained}
	}, func(q *Queue) { q.Attempts = 1 })
	next := stageIn(t, folder, well, func(q *Queue) { q.Concurrency, q.Attempts = 0, 1 })
	s.push(t, &protocol.Push{Queue: "q", ID: "one"})
	<-begun
	s.Leave()
	s.pool.end()
	if r := s.ended(t); r.End != "returned" {
		t.Fatalf("%+v", r)
	}
	s.shut()
	s.engine.Yield() // the next one goes on with the folder
	settings := *next.find("q").settings.Load()
	settings.Concurrency = 1
	next.Configure("default", []Queue{settings})
	if r := next.ended(t); r.End != "done" || r.Attempt != 2 {
		t.Fatalf("%+v", r)
	}
}

func TestWithoutAnEngineAPushFailsInTime(t *testing.T) {
	s := newStage(t, well, nil)
	s.engine.Close()
	began := time.Now()
	done := make(chan error, 1)
	s.Hub(s.hub).Commit(nil, []protocol.Act{&protocol.Push{Queue: "q"}}, func(err error) { done <- err })
	if err := <-done; !errors.Is(err, protocol.ErrUnavailable) || !errors.Is(err, engine.ErrUnavailable) ||
		time.Since(began) > engine.Patience+time.Second {
		t.Fatal(err, time.Since(began))
	}
}

func TestARateIsKept(t *testing.T) {
	s := newStage(t, well, func(q *Queue) { q.Rate = 20 })
	var all []*protocol.Push
	for range 11 {
		all = append(all, &protocol.Push{Queue: "q"})
	}
	s.push(t, all...)
	began := time.Now()
	for range 11 {
		s.ended(t)
	}
	if took := time.Since(began); took < 300*time.Millisecond || took > 5*time.Second {
		t.Fatal(took)
	}
}

func TestEachFailedTaskIsTriedAnewOnceThoughItFailsAgain(t *testing.T) {
	s := newStage(t, func(w *work) *protocol.Failure {
		return &protocol.Failure{Kind: protocol.FailedDied, Detail: "exit 9"}
	}, func(q *Queue) { q.Attempts = 1 })
	for _, id := range []string{"c", "b", "a"} {
		s.push(t, &protocol.Push{Queue: "q", ID: id})
		s.ended(t)
	}
	order := ""
	n, err := s.each(t.Context(), "q", "", func(f *Failed) error {
		order += f.ID
		if order != "cba"[:len(order)] {
			return errors.New("in another order, or once more: " + order)
		}
		s.push(t, &protocol.Push{Queue: "q", ID: f.ID})
		s.ended(t) // it lies there again
		return nil
	})
	if n != 3 || err != nil {
		t.Fatal(n, err, order)
	}
	if _, n, err := s.Failed(t.Context(), "q", 10); n != 3 || err != nil {
		t.Fatal(n, err)
	}
}
