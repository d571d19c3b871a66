package sdk

import (
	"context"
	"errors"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/workerhost/workerhost/protocol"
)

// newTaskHost is a host with queues, whose worker is w.
func newTaskHost(t *testing.T, w Worker) *fakeHost {
	t.Helper()
	h := startHost(t, protocol.Hello{Pool: "web", Features: []string{protocol.FeatureTasks}}, w.Handler, w.option())
	h.awaitReady()
	t.Cleanup(func() {
		h.out.Close()
		<-h.gone
		h.in.Close()
	})
	return h
}

// on is a worker whose handler of the queue "q" is f.
func on(f func(ctx context.Context, t *Task) error) Worker {
	return Worker{Handler: http.NotFoundHandler(), OnTask: map[string]func(context.Context, *Task) error{"q": f}}
}

func valueOf(t *testing.T, v any) protocol.Value {
	t.Helper()
	encoded, err := protocol.NewValue(v)
	if err != nil {
		t.Fatal(err)
	}
	return encoded
}

func TestReadyNamesTheQueuesAndATaskOfAnotherIsRefused(t *testing.T) {
	w := on(func(context.Context, *Task) error { return nil })
	w.OnTask["b"] = w.OnTask["q"]
	h := newTaskHost(t, w)
	if !slices.Equal(h.ready.Queues, []string{"b", "q"}) {
		t.Fatal(h.ready.Queues)
	}
	c := h.event(&protocol.Task{Queue: "other"})
	c.expectReset(protocol.ResetRefused)
	expect[*protocol.Done](h.event(&protocol.Task{Queue: "q"}))
}

func TestAHandlerGetsItsTaskWithWhatWasPushed(t *testing.T) {
	got := make(chan Task, 1)
	h := newTaskHost(t, on(func(ctx context.Context, task *Task) error {
		var to struct {
			Name string `msgpack:"name"`
		}
		if err := task.Payload(&to); err != nil || to.Name != "é" || Attempt(ctx) != 2 {
			t.Error(to, err, Attempt(ctx))
		}
		if err := task.Payload(new(int)); err == nil {
			t.Error("a map was decoded into a number")
		}
		got <- *task
		return nil
	}))
	expect[*protocol.Done](h.event(&protocol.Task{Queue: "q", ID: "7", Attempt: 2, Most: 5, Pushed: 1700000000123,
		Key: "k", Priority: 3, Payload: valueOf(t, map[string]string{"name": "é"})}))
	task := <-got
	task.s, task.payload = nil, nil
	want := Task{Queue: "q", ID: "7", Attempt: 2, Attempts: 5, Pushed: time.UnixMilli(1700000000123), Key: "k",
		Priority: 3}
	if !reflect.DeepEqual(task, want) {
		t.Fatalf("%+v", task)
	}
}

func TestWhatBecomesOfATaskIsSaidWithItsDone(t *testing.T) {
	do := map[string]func(*Task) error{
		"release": func(t *Task) error { t.Fail("first"); t.Release(1500*time.Microsecond + 1); return nil },
		"fail":    func(t *Task) error { t.Fail("no such user"); return nil },
		"return":  func(t *Task) error { return t.Return([]int{1}) },
		"large":   func(t *Task) error { return t.Return(strings.Repeat("x", 1<<20)) },
		"error":   func(t *Task) error { t.Release(time.Hour); return errors.New("boom") },
		"given":   func(t *Task) error { t.Fail("first"); return errors.New("boom") },
	}
	h := newTaskHost(t, on(func(ctx context.Context, task *Task) error {
		_ = Connections(ctx).SendToAll([]byte("with it"))
		return do[task.ID](task)
	}))
	well := map[string]protocol.Settle{
		"release": {How: protocol.TaskReleased, Delay: 2},
		"fail":    {How: protocol.TaskGivenUp, Reason: "no such user"},
		"return":  {How: protocol.TaskDone, Value: valueOf(t, []int{1})},
	}
	for id, want := range well {
		c := h.event(&protocol.Task{Queue: "q", ID: id})
		expect[*protocol.Send](c)
		expectSame(c, &want)
		expect[*protocol.Done](c)
	}
	for id, want := range map[string]protocol.Settle{
		"large": {How: protocol.TaskFailed,
			Reason: "sdk: the task's result has 1048581 bytes: at most 1048576 are possible"},
		"error": {How: protocol.TaskFailed, Reason: "boom"},
		"given": {How: protocol.TaskGivenUp, Reason: "boom"},
	} {
		want.Flags = protocol.FlagNow
		c := h.event(&protocol.Task{Queue: "q", ID: id})
		expectSame(c, &want)
		c.expectReset(protocol.ResetInternal)
	}
}

func TestATaskThatPanicsHasFailedWithItsStack(t *testing.T) {
	h := newTaskHost(t, on(func(ctx context.Context, task *Task) error {
		_, _ = Tasks(ctx).Push("q", nil, PushOptions{}) // is not pushed
		panic("oh")
	}))
	c := h.event(&protocol.Task{Queue: "q"})
	m := expect[*protocol.Settle](c)
	if m.How != protocol.TaskFailed || m.Reason != "panic: oh" || !strings.Contains(m.Trace, "task_test.go") {
		t.Errorf("%+v", m)
	}
	c.expectReset(protocol.ResetInternal)
}

func TestATaskTellsItsProgressAtOnceAndNotWhenItIsOver(t *testing.T) {
	kept := make(chan *Task, 1)
	goOn := make(chan struct{})
	h := newTaskHost(t, on(func(ctx context.Context, task *Task) error {
		if err := task.Progress(strings.Repeat("x", 4<<10)); err == nil {
			t.Error("more than 4 KiB")
		}
		if err := task.Progress(0.5); err != nil {
			t.Error(err)
		}
		<-goOn
		kept <- task
		return nil
	}))
	c := h.event(&protocol.Task{Queue: "q"})
	expectSame(c, &protocol.Progress{Flags: protocol.FlagNow, Value: valueOf(t, 0.5)})
	close(goOn)
	expect[*protocol.Done](c)
	if err := (<-kept).Progress(1); !errors.Is(err, ErrTaskOver) {
		t.Error(err)
	}
}

func TestWhatAHandlerPushesGoesWithItsDoneAndOtherwiseAtOnce(t *testing.T) {
	ids := make(chan []string, 1)
	w := on(func(ctx context.Context, task *Task) error {
		id, err := Tasks(ctx).Push("q", "p", PushOptions{Delay: 1500*time.Microsecond + 1, ID: "one", Key: "k",
			Priority: 9})
		if err != nil || id != "one" {
			t.Error(id, err)
		}
		more, err := Tasks(ctx).PushAll(PushItem{Queue: "q"},
			PushItem{Queue: "r", PushOptions: PushOptions{ID: "two"}})
		if err != nil {
			t.Error(err)
		}
		ids <- more
		return nil
	})
	h := newTaskHost(t, w)
	c := h.event(&protocol.Task{Queue: "q"})
	more := <-ids
	expectSame(c, &protocol.Push{Queue: "q", Payload: valueOf(t, "p"), ID: "one", Delay: 2, Key: "k", Priority: 9})
	if len(more) != 2 || len(more[0]) != 24 || more[1] != "two" {
		t.Fatal(more)
	}
	expectSame(c, &protocol.Push{Queue: "q", ID: more[0]})
	expectSame(c, &protocol.Push{Queue: "r", ID: "two"})
	expect[*protocol.Done](c)

	l := current.Load()
	handlers := context.WithValue(context.Background(), streamKey{}, newBareStream(l, 1, 1, ""))
	outside := context.WithValue(context.Background(), linkKey{}, l)
	calls := played(t, h, 2, func() {
		if _, err := Tasks(outside).Push("q", 1, PushOptions{ID: "a"}); err != nil {
			t.Error(err)
		}
		if _, err := Tasks(handlers).Now().Push("q", 2, PushOptions{ID: "b"}); err != nil {
			t.Error(err)
		}
	}, []string{"a"}, []string{"b"})
	for i, m := range calls {
		all, err := protocol.ParsePushes(m.Arguments)
		if err != nil || m.Method != protocol.CallTasksPush || len(all) != 1 || all[0].ID != "ab"[i:i+1] {
			t.Errorf("%+v: %v", m, err)
		}
	}
}

func TestWhoWaitsForATaskGetsWhatItsHandlerReturnsOrWhyItFailed(t *testing.T) {
	h := newTaskHost(t, on(func(context.Context, *Task) error { return nil }))
	ctx := context.WithValue(context.Background(), linkKey{}, current.Load())
	calls := played(t, h, 2, func() {
		var sum int
		if err := Tasks(ctx).PushAndWait("q", 1, &sum, PushOptions{ID: "a"}); err != nil || sum != 3 {
			t.Error(sum, err)
		}
		if err := Tasks(ctx).PushAndWait("q", 1, nil, PushOptions{}); err != nil {
			t.Error(err)
		}
		var failed *TaskError
		err := Tasks(ctx).PushAndWait("q", 1, &sum, PushOptions{ID: "a"})
		if !errors.As(err, &failed) || *failed != (TaskError{"q", "a", "no use"}) {
			t.Error(err)
		}
		if err := Tasks(ctx).PushAndWait("q", 1, &sum, PushOptions{}); err == nil {
			t.Error("an answer that is none")
		}
	}, []any{0, 3, ""}, []any{0, nil, "", "later"}, []any{3, nil, "no use"}, 7)
	m, err := protocol.ParsePush(calls[0].Arguments)
	if err != nil || calls[0].Method != protocol.CallTasksWait || m.ID != "a" {
		t.Errorf("%+v: %v", calls[0], err)
	}
}

func TestWhatCanNotBePushedIsAClearError(t *testing.T) {
	newTaskHost(t, on(func(context.Context, *Task) error { return nil }))
	ctx := context.WithValue(context.Background(), linkKey{}, current.Load())
	for want, i := range map[string]PushItem{
		"no name of a queue": {Queue: "a b"},
		"at most 1048576":    {Queue: "q", Payload: strings.Repeat("x", 1<<20)},
		"chan int":           {Queue: "q", Payload: make(chan int)},
		"0 or more":          {Queue: "q", PushOptions: PushOptions{Delay: -1}},
		"no id of a task":    {Queue: "q", PushOptions: PushOptions{ID: "\n"}},
		"0 to 9, not 10":     {Queue: "q", PushOptions: PushOptions{Priority: 10}},
		"the key has 1025":   {Queue: "q", PushOptions: PushOptions{Key: strings.Repeat("x", 1025)}},
	} {
		if _, err := Tasks(ctx).PushAll(i); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", want, err)
		}
	}
}

func TestWithoutQueuesAPushSaysWhatToWrite(t *testing.T) {
	newHost(t, hello)
	ctx := context.WithValue(context.Background(), linkKey{}, current.Load())
	if _, err := Tasks(ctx).Push("q", 1, PushOptions{}); !errors.Is(err, ErrNoQueues) {
		t.Error(err)
	}
}
