package workers

import (
	"context"
	"io"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/workerhost/workerhost/protocol"
	"github.com/workerhost/workerhost/workers/internal/process"
)

// fakeProcess is a worker that is a goroutine: it speaks the real protocol over pipes in memory, so that tests run in
// virtual time.
type fakeProcess struct {
	id       int
	out, err *io.PipeReader
	in       *io.PipeWriter
	died     chan struct{}
	once     sync.Once
	how      string
	deafTERM atomic.Bool
	usr2     chan struct{} // SIGUSR2 came
	features []string      // for READY
	resident atomic.Int64
	used     time.Duration
	end      func()
}

func (f *fakeProcess) PID() int                            { return f.id }
func (f *fakeProcess) Frames() (io.Reader, io.WriteCloser) { return f.out, f.in }
func (f *fakeProcess) Stderr() io.Reader                   { return f.err }
func (f *fakeProcess) Wait() string                        { <-f.died; return f.how }
func (f *fakeProcess) Kill()                               { f.die("signal: killed") }
func (f *fakeProcess) KernelState() string                 { return "state S (sleeping), in read" }
func (f *fakeProcess) AskBacktrace(int) bool {
	select {
	case f.usr2 <- struct{}{}:
	default:
	}
	return true
}
func (f *fakeProcess) Expire(time.Time)   {}
func (f *fakeProcess) Unread() int        { return 0 } // a pipe in memory holds nothing
func (f *fakeProcess) Memory() int64      { return f.resident.Load() }
func (f *fakeProcess) CPU() time.Duration { return f.used }
func (f *fakeProcess) Close()             { f.out.Close(); f.err.Close() }
func (f *fakeProcess) Terminate() {
	if !f.deafTERM.Load() {
		f.die("signal: terminated")
	}
}

func (f *fakeProcess) die(how string) {
	f.once.Do(func() {
		f.how = how
		f.end()
		close(f.died)
	})
}

// fakeWorker is the worker's side, for a script to act with.
type fakeWorker struct {
	*fakeProcess
	conn  *protocol.Conn
	hello *protocol.Hello
	errs  io.Writer
	outW  *io.PipeWriter
	asked uint32 // the last stream of askFor
}

func (w *fakeWorker) closeOutput() { w.outW.Close() }

// script is a worker's program. When it returns the process exits with status 0.
type script func(w *fakeWorker)

// fakes launches the script that choose names for each start, counted from 1. Without one the start fails.
type fakes struct {
	mu      sync.Mutex
	started int
	all     []*fakeProcess
	dirs    []string
	choose  func(n int) script
	scripts sync.WaitGroup
}

func (f *fakes) launch(g *generation, _ []string) (process.Process, error) {
	f.mu.Lock()
	f.dirs = append(f.dirs, g.directory)
	f.started++
	n := f.started
	f.mu.Unlock()
	run := f.choose(n)
	if run == nil {
		return nil, errNoProcess
	}
	outR, outW := io.Pipe()
	errR, errW := io.Pipe()
	inR, inW := io.Pipe()
	p := &fakeProcess{id: 1000 + n, out: outR, err: errR, in: inW, died: make(chan struct{}),
		usr2: make(chan struct{}, 1)}
	p.end = func() { outW.Close(); errW.Close(); inR.CloseWithError(io.ErrClosedPipe) }
	f.mu.Lock()
	f.all = append(f.all, p)
	f.mu.Unlock()
	w := &fakeWorker{fakeProcess: p, conn: protocol.NewConn(inR, outW), errs: errW, outW: outW}
	f.scripts.Go(func() {
		run(w)
		w.conn.Flush()
		p.die("exit status 0")
	})
	return p, nil
}

func (f *fakes) process(n int) *fakeProcess {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.all[n-1]
}

// alive is how many processes there are.
func (f *fakes) alive() (n int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, p := range f.all {
		select {
		case <-p.died:
		default:
			n++
		}
	}
	return n
}

// directories are those that the workers were started in.
func (f *fakes) directories() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.dirs
}

// count is how many workers were started so far.
func (f *fakes) count() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.started
}

// serve is the program of a well-behaved worker that answers with handle.
func serve(concurrency int, handle func(w *fakeWorker, r *protocol.Request)) script {
	return func(w *fakeWorker) {
		if !w.boot(concurrency) {
			return
		}
		w.loop(handle)
	}
}

func (w *fakeWorker) boot(concurrency int) bool {
	hello, err := w.conn.Accept()
	if err != nil {
		return false
	}
	w.hello = hello
	time.Sleep(time.Millisecond) // loading code; by then the host knows that HELLO was read
	return w.conn.Send(&protocol.Ready{Version: 1, PID: w.id, SDK: "fake", Concurrency: concurrency,
		Features: w.features}) == nil
}

// loop answers until the end of input, which comes once all is done.
func (w *fakeWorker) loop(handle func(w *fakeWorker, r *protocol.Request)) {
	for {
		payload, err := w.conn.Read()
		if err != nil {
			return
		}
		t, _, _ := protocol.Head(payload)
		switch t {
		case protocol.TypePing:
			var m protocol.Ping
			m.Parse(payload)
			w.conn.Send(&protocol.Pong{Token: m.Token})
		case protocol.TypeRequest:
			var m protocol.Request
			m.Parse(payload)
			handle(w, &m)
		}
	}
}

func (w *fakeWorker) answer(r *protocol.Request, body string) {
	w.conn.Send(&protocol.Response{Stream: r.Stream, Flags: protocol.FlagEnd | protocol.FlagDone, Status: 200,
		Body: []byte(body)})
}

// raw is a message of whatever the test wants the worker to write.
type raw []byte

func (raw) Type() protocol.Type           { return protocol.TypeDone }
func (m raw) AppendFrame(b []byte) []byte { return append(b, m...) }

// frame is a frame with a payload that no message has.
func frame(payload ...byte) raw {
	return append(raw{0, 0, 0, byte(len(payload))}, payload...)
}

// next reads the next frame of type t, passing over others.
func (w *fakeWorker) next(t protocol.Type) (payload []byte, ok bool) {
	for {
		payload, err := w.conn.Read()
		if err != nil {
			return nil, false
		}
		if got, _, _ := protocol.Head(payload); got == t {
			return payload, true
		}
	}
}

// hang waits until the process is ended from outside.
func (w *fakeWorker) hang() { <-w.died }

// hello answers at once with the worker's generation.
func generationWorker(w *fakeWorker, r *protocol.Request) {
	w.answer(r, "generation "+string(rune('0'+w.hello.Generation)))
}

// testSink records what comes of an exchange.
type testSink struct {
	mu       sync.Mutex
	begun    int
	stream   protocol.Stream
	status   int
	body     []byte
	ended    bool
	failure  *protocol.Failure
	informed int
	finished chan struct{}
	onBegin  func(protocol.Stream)
	onWrite  func(protocol.Stream)
	hold     bool // do not give DATA back
}

func newSink() *testSink { return &testSink{finished: make(chan struct{})} }

func (s *testSink) Begin(st protocol.Stream) {
	s.mu.Lock()
	s.begun++
	s.stream = st
	s.mu.Unlock()
	if s.onBegin != nil {
		s.onBegin(st)
	}
}
func (s *testSink) Writable() {
	if s.onWrite != nil {
		s.onWrite(s.stream)
	}
}
func (s *testSink) Inform(*protocol.Inform) { s.informed++ }
func (s *testSink) Respond(m *protocol.Response) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.status, s.body, s.ended = m.Status, append(s.body, m.Body...), m.Flags&protocol.FlagEnd != 0
}
func (s *testSink) Data(m *protocol.Data) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.body, s.ended = append(s.body, m.Bytes...), m.Flags&protocol.FlagEnd != 0
	if !s.hold {
		s.stream.Consumed(len(m.Bytes))
	}
}
func (s *testSink) Fail(f *protocol.Failure) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.failure != nil {
		panic("Fail twice")
	}
	s.failure = f
}
func (s *testSink) Finished() { close(s.finished) } // panics if it comes twice

// result waits for the end and gives the body, or the failure's kind.
func (s *testSink) result() string {
	<-s.finished
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.failure != nil {
		return s.failure.Kind.String()
	}
	return string(s.body)
}

// failureKind is 0 while there is none.
func (s *testSink) failureKind() protocol.FailureKind {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.failure == nil {
		return 0
	}
	return s.failure.Kind
}

// failed waits for the end and gives the failure, which must be there.
func (s *testSink) failed(t *testing.T) *protocol.Failure {
	t.Helper()
	<-s.finished
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.failure == nil {
		t.Fatalf("answered with %d %q, and should have failed", s.status, s.body)
	}
	return s.failure
}

func get(target string) *protocol.Request {
	return &protocol.Request{Flags: protocol.FlagEnd, Method: "GET", Target: target, Version: "1.1", Scheme: "http",
		Host: "h", Length: 0}
}

func submit(p *Pool, method, target string) (*testSink, protocol.Ticket) {
	s := newSink()
	r := get(target)
	r.Method = method
	return s, p.Submit(&protocol.Exchange{Request: r, Repeatable: method == "GET", Sink: s})
}

// follow waits for a roll's end and returns its events.
func follow(r *Roll) (events []Event) {
	r.Follow(context.Background(), func(e Event) error { events = append(events, e); return nil })
	return events
}

// pids are those of the slots, in order; 0 for an empty one.
func pids(p *Pool) (all []int) {
	for _, w := range p.Status().Workers {
		all = append(all, w.PID)
	}
	return all
}

// ready passes the time that workers take to start.
func ready() { time.Sleep(time.Second) }

// newFakePool starts a pool of fakes. The test stops it.
func newFakePool(t *testing.T, set Settings, choose func(n int) script) (*Pool, *fakes) {
	t.Helper()
	f := &fakes{choose: choose}
	set.launch = f.launch
	if set.Prepare == nil {
		set.Command = []string{"/bin/sh"}
	}
	if set.Directory == "" {
		set.Directory = t.TempDir()
	}
	t.Cleanup(f.scripts.Wait) // with Stop, that all are gone
	p, err := New(set)
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Start(context.Background()); err != nil {
		t.Fatal(err)
	}
	return p, f
}

func always(s script) func(int) script { return func(int) script { return s } }

// lines collects a log.
type lines struct {
	mu  sync.Mutex
	all strings.Builder
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.all.Write(p)
}

func (l *lines) reset() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.all.Reset()
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.all.String()
}
