package tasks

import (
	"context"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/nats-io/nats.go"
	"github.com/workerhost/workerhost/host/internal/engine"
	"github.com/workerhost/workerhost/host/internal/goroutines"
	"github.com/workerhost/workerhost/protocol"
)

func TestMain(m *testing.M) { os.Exit(goroutines.Main(m, "internal/tasks.")) }

// deadline bounds what a test waits for.
const deadline = 20 * time.Second

// pool is a backend whose workers do what run says, each task in a goroutine of its own.
type pool struct {
	queues []string
	hub    protocol.Hub // where acts go
	run    func(w *work) *protocol.Failure
	tasks  sync.WaitGroup

	mu    sync.Mutex
	seen  []protocol.Task
	works []*work
}

// work is a task at a worker.
type work struct {
	protocol.Task
	pool      *pool
	x         *protocol.Exchange
	cancelled chan struct{}
	once      sync.Once
}

func (w *work) Send([]byte, bool, []string) (n int, more bool) { return 0, false }
func (w *work) Consumed(int)                                   {}
func (w *work) Worker() (slot int, generation uint64)          { return 1, 2 }
func (w *work) Cancel(protocol.ResetCode)                      { w.once.Do(func() { close(w.cancelled) }) }

// act carries acts out.
func (w *work) act(acts ...protocol.Act) error {
	done := make(chan error, 1)
	w.pool.hub.Commit(w.x.Subject, acts, func(err error) { done <- err })
	return <-done
}

func (p *pool) Traits() protocol.Traits { return protocol.Traits{Queues: p.queues} }

func (p *pool) Submit(x *protocol.Exchange) protocol.Ticket {
	w := &work{Task: *x.Request.(*protocol.Task), pool: p, x: x, cancelled: make(chan struct{})}
	p.mu.Lock()
	p.seen, p.works = append(p.seen, w.Task), append(p.works, w)
	p.mu.Unlock()
	p.tasks.Go(func() {
		x.Sink.Begin(w)
		if failure := p.run(w); failure != nil {
			x.Sink.Fail(failure)
		}
		x.Sink.Finished()
	})
	return w
}

// tasks gives all that came to a worker.
func (p *pool) all() []protocol.Task {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]protocol.Task{}, p.seen...)
}

// end cuts all tasks, as a pool does at its end.
func (p *pool) end() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, w := range p.works {
		w.Cancel(protocol.ResetDrained)
	}
}

// nothing is a hub whose acts are noted.
type nothing struct {
	protocol.Hub
	mu   sync.Mutex
	acts []protocol.Act
	err  error
}

func (h *nothing) Commit(_ protocol.Subject, acts []protocol.Act, done func(error)) {
	h.mu.Lock()
	h.acts = append(h.acts, acts...)
	err := h.err
	h.mu.Unlock()
	done(err)
}

// stage is a room with an engine of its own, a pool and a hub.
type stage struct {
	*Room
	engine *engine.Engine
	pool   *pool
	hub    *nothing
	ends   chan *Record
}

// newStage has a queue "q" that run handles; change may say otherwise.
func newStage(t *testing.T, run func(*work) *protocol.Failure, change func(*Queue)) *stage {
	t.Helper()
	return stageIn(t, t.TempDir(), run, change)
}

func stageIn(t *testing.T, folder string, run func(*work) *protocol.Failure, change func(*Queue)) *stage {
	log := hclog.New(&hclog.LoggerOptions{Output: t.Output(), Level: hclog.Debug})
	return stageOf(t, engine.New(engine.Settings{Folder: func() (string, error) { return folder, nil },
		Name: t.Name(), Log: log}), run, change)
}

// stageOf has an engine, which it closes.
func stageOf(t *testing.T, e *engine.Engine, run func(*work) *protocol.Failure, change func(*Queue)) *stage {
	log := hclog.New(&hclog.LoggerOptions{Output: t.Output(), Level: hclog.Debug})
	s := &stage{engine: e, hub: new(nothing), ends: make(chan *Record, 10000)}
	s.Room = New(Settings{Engine: e, Log: log, Ended: func(r *Record) { s.ends <- r }})
	s.pool = &pool{queues: []string{"q"}, hub: s.Hub(s.hub), run: run}
	q := Queue{Name: "q", Pool: "app", Backend: s.pool, Concurrency: 4, Attempts: 3,
		Backoff: []time.Duration{10 * time.Millisecond}, KeepFailed: time.Hour}
	if change != nil {
		change(&q)
	}
	s.Configure("default", []Queue{q})
	s.Start()
	t.Cleanup(func() { s.shut(); e.Close() })
	return s
}

func (s *stage) shut() {
	ctx, cancel := context.WithTimeout(context.Background(), deadline)
	defer cancel()
	s.Close(ctx)
	s.pool.tasks.Wait()
}

// push pushes by an act of nobody's.
func (s *stage) push(t *testing.T, all ...*protocol.Push) {
	t.Helper()
	for began := time.Now(); ; { // a machine may be busy for longer than the engine is waited for
		_, err := s.Push(t.Context(), all, "")
		if err == nil {
			return
		} else if !engine.Away(err) || time.Since(began) > deadline {
			t.Fatal(err)
		}
	}
}

// ended waits for an attempt's end.
func (s *stage) ended(t *testing.T) *Record {
	t.Helper()
	select {
	case r := <-s.ends:
		return r
	case <-time.After(deadline):
		t.Fatal("no attempt has ended")
		return nil
	}
}

func text(t *testing.T, s string) protocol.Value {
	v, err := protocol.NewValue(s)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// raw writes messages of anybody's.
func (s *stage) raw(t *testing.T, all ...*nats.Msg) {
	t.Helper()
	js, err := s.engine.JetStream(t.Context())
	if err == nil {
		err = s.place(t.Context(), js, "q", "p0")
	}
	if err == nil {
		err = s.writeAll(t.Context(), js, all)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func message(subject, data string, header ...string) *nats.Msg {
	m := nats.NewMsg(subject)
	m.Data = []byte(data)
	for i := 0; i < len(header); i += 2 {
		m.Header.Set(header[i], header[i+1])
	}
	return m
}
