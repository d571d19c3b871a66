// watch.go repeats what clients ask for, once they have their answer.

package leaks

import (
	"context"
	"strings"

	"github.com/hashicorp/go-hclog"
	"github.com/workerhost/workerhost/host/internal/hub"
	"github.com/workerhost/workerhost/protocol"
)

// waiting is how many requests may wait to be repeated; more are not.
const waiting = 16

// Watch stands before a pool, and repeats each GET and HEAD without a body, after its client has the answer. What it
// finds it logs, each leak once for a generation. It is a [hub.Backend], safe for concurrent use.
type Watch struct {
	hub.Backend
	log    hclog.Logger
	asked  chan asked
	ctx    context.Context // ends with Close
	cancel context.CancelFunc
	ended  chan struct{}

	generation uint64          // of the worker that was asked last; of run alone, as told is
	told       map[string]bool // what was logged of it
}

// asked is a request that was answered.
type asked struct {
	request    *protocol.Request
	generation uint64
}

// NewWatch makes a watch that repeats nothing before [Watch.Start].
func NewWatch(b hub.Backend, log hclog.Logger) *Watch {
	w := &Watch{Backend: b, log: log, asked: make(chan asked, waiting), ended: make(chan struct{}),
		told: map[string]bool{}}
	w.ctx, w.cancel = context.WithCancel(context.Background())
	return w
}

// Start begins to repeat, once. [Watch.Close] has to follow.
func (w *Watch) Start() { go w.run(w.ctx) }

// Close ends what Start began; what is repeated just now is given up.
func (w *Watch) Close() {
	w.cancel()
	<-w.ended
}

// Submit implements [hub.Backend].
func (w *Watch) Submit(x *protocol.Exchange) protocol.Ticket {
	r, ok := x.Request.(*protocol.Request)
	if !ok || r.Method != "GET" && r.Method != "HEAD" || r.Flags&protocol.FlagEnd == 0 || len(r.Body) > 0 {
		return w.Backend.Submit(x)
	}
	watched := *x
	watched.Sink = &sink{Sink: x.Sink, watch: w, asked: asked{request: copyOf(r)}}
	return w.Backend.Submit(&watched)
}

// sink passes on what comes of a client's request, and has it repeated when all went well.
type sink struct {
	protocol.Sink
	watch  *Watch
	asked  asked
	failed bool
}

// Begin implements [protocol.Sink].
func (s *sink) Begin(to protocol.Stream) {
	_, s.asked.generation = to.Worker()
	s.Sink.Begin(to)
}

// Respond implements [protocol.Sink]. A response that is held is a connection, and has no end.
func (s *sink) Respond(m *protocol.Response) {
	s.failed = s.failed || m.Hold != nil
	s.Sink.Respond(m)
}

// Fail implements [protocol.Sink].
func (s *sink) Fail(f *protocol.Failure) {
	s.failed = true
	s.Sink.Fail(f)
}

// Finished implements [protocol.Sink].
func (s *sink) Finished() {
	s.Sink.Finished()
	if s.failed {
		return
	}
	select {
	case s.watch.asked <- s.asked:
	default:
	}
}

func (w *Watch) run(ctx context.Context) {
	defer close(w.ended)
	for {
		select {
		case a := <-w.asked:
			if a.generation != w.generation {
				w.generation = a.generation
				clear(w.told)
			}
			w.repeat(ctx, a.request)
		case <-ctx.Done():
			return
		}
	}
}

func (w *Watch) repeat(ctx context.Context, r *protocol.Request) {
	name := r.Method + " " + r.Target
	found, err := Repeat(ctx, w.Backend, r)
	switch {
	case ctx.Err() != nil:
		return
	case err != nil:
		if w.first("error " + err.Error()) {
			w.log.Warn("leaks could not be looked for", "request", name, "error", err)
		}
		return
	}
	for _, f := range found.Findings {
		if !w.first(string(f.Rank) + " " + f.Path) {
			continue
		}
		fields := []any{"request", name, "what", f.What}
		if f.Class != "" {
			fields = append(fields, "class", f.Class)
		}
		if f.Property != "" {
			fields = append(fields, "property", f.Property)
		}
		if len(f.Places) > 0 {
			fields = append(fields, "written_at", strings.Join(f.Places, ", "))
		}
		if f.Rank.Leaks() {
			w.log.Warn("leak: "+f.Path, fields...)
		} else {
			w.log.Info("not the same after each request: "+f.Path, fields...)
		}
	}
	w.log.Debug("request repeated", "request", name, "compared", found.Runs, "leaks", found.Leaks())
}

// first says whether the text was not told yet, and notes that it is.
func (w *Watch) first(text string) bool {
	told := w.told[text]
	w.told[text] = true
	return !told
}
