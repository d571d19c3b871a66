package workers

import (
	"bytes"
	"context"
	"fmt"
	"reflect"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/workerhost/workerhost/protocol"
)

// fakeHub notes what is committed, and answers calls.
type fakeHub struct {
	journal
	err error
}

func (h *fakeHub) Commit(subject protocol.Subject, acts []protocol.Act, done func(error)) {
	done(h.carryOut(subject, acts))
}

func (h *fakeHub) carryOut(subject protocol.Subject, acts []protocol.Act) error {
	of := "nobody"
	if subject != nil {
		of = subject.ConnectionID()
	}
	var all []string
	for _, act := range acts {
		switch m := act.(type) {
		case *protocol.Send:
			if len(m.Bytes) > 20 {
				all = append(all, fmt.Sprintf("SEND of %d", len(m.Bytes)))
			} else {
				all = append(all, "SEND "+string(m.Bytes))
			}
		default:
			all = append(all, act.Type().String())
		}
	}
	h.note(of + ": " + strings.Join(all, ", "))
	return h.err
}

// Call answers at once, but for a method "slow", which takes a second, and "wait", which ends when nobody waits for it
// any more.
func (h *fakeHub) Call(m *protocol.Call, to protocol.Caller) {
	switch m.Method {
	case "slow":
		time.AfterFunc(time.Second, func() { to.Reply(&protocol.Result{Value: protocol.Value{7}}) })
	case "wait":
		ctx := to.Context()
		go func() {
			<-ctx.Done()
			h.note("wait ended: " + context.Cause(ctx).Error())
			to.Reply(&protocol.Result{Value: protocol.Value{7}})
		}()
	default:
		to.Reply(&protocol.Result{Value: protocol.Value{7}})
	}
}

func (h *fakeHub) Swap(m *protocol.Swap, to protocol.Caller) {
	to.Reply(&protocol.Result{Value: protocol.Value{0xc3}})
}

// connection is a subject.
type connection string

func (c connection) ConnectionID() string { return string(c) }

// eventSink notes the end of its event where the hub notes what was committed.
type eventSink struct {
	*testSink
	note func(string)
	then func()
}

func (s *eventSink) Finished() {
	end := "finished"
	s.mu.Lock()
	if s.failure != nil {
		end = s.failure.Kind.String()
	}
	s.mu.Unlock()
	s.note(end)
	s.testSink.Finished()
	if s.then != nil {
		s.then()
	}
}

// message submits a MESSAGE of connection c1.
func (h *fakeHub) message(p *Pool, text string) (*testSink, protocol.Ticket) {
	return h.submit(p, &protocol.Incoming{Flags: protocol.FlagEnd,
		Connection: protocol.Connection{ID: "c1", Protocol: protocol.ProtoTCP}, Bytes: []byte(text)}, true)
}

func (h *fakeHub) submit(p *Pool, m protocol.Opening, repeat bool) (*testSink, protocol.Ticket) {
	s := &eventSink{testSink: newSink(), note: h.note}
	return s.testSink, p.Submit(&protocol.Exchange{Request: m, Repeatable: repeat, Patient: true,
		Subject: connection("c1"), Sink: s})
}

// bootWith is boot for a worker that offers features.
func (w *fakeWorker) bootWith(features ...string) bool { return w.bootMany(1, features...) }

func (w *fakeWorker) bootMany(concurrency int, features ...string) bool {
	hello, err := w.conn.Accept()
	if err != nil {
		return false
	}
	w.hello = hello
	time.Sleep(time.Millisecond)
	return w.conn.Send(&protocol.Ready{Version: 1, PID: w.id, SDK: "fake", Concurrency: concurrency,
		Features: features}) == nil
}

// handler is a worker of messages: whatever it sends, DONE is its own to send. Other events are done at once, and
// requests answered.
func handler(handle func(w *fakeWorker, m *protocol.Incoming)) script { return handlers(1, handle) }

// handlers handles as many messages at once as concurrency says.
func handlers(concurrency int, handle func(w *fakeWorker, m *protocol.Incoming)) script {
	return func(w *fakeWorker) {
		if !w.bootMany(concurrency, "open", "message", "close") {
			return
		}
		var running sync.WaitGroup
		defer running.Wait()
		for {
			payload, err := w.conn.Read()
			if err != nil {
				return
			}
			switch t, stream, _ := protocol.Head(payload); t {
			case protocol.TypeDrain:
				return
			case protocol.TypeMessage:
				var m protocol.Incoming
				if concurrency == 1 {
					m.Parse(payload)
					handle(w, &m)
				} else {
					m.Parse(bytes.Clone(payload))
					running.Go(func() { handle(w, &m) })
				}
			case protocol.TypeRequest:
				w.answer(&protocol.Request{Stream: stream}, "ok")
			case protocol.TypeOpen, protocol.TypeClose, protocol.TypeBuffer:
				w.conn.Send(&protocol.Done{Stream: stream})
			}
		}
	}
}

func (w *fakeWorker) say(stream uint32, flags protocol.Flags, text string) {
	w.conn.Send(&protocol.Send{Stream: stream, Flags: flags, Bytes: []byte(text)})
}

// echo answers a message and is done.
func echo(w *fakeWorker, m *protocol.Incoming) { w.say(m.Stream, protocol.FlagDone, string(m.Bytes)) }

func (j *journal) expect(t *testing.T, want ...string) {
	t.Helper()
	if got := j.all(); !reflect.DeepEqual(got, want) {
		t.Errorf("noted\n%q, expected\n%q", got, want)
	}
}

func TestActsTakeEffectWithDoneAllTogetherAndInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := new(fakeHub)
		p, _ := newFakePool(t, Settings{Workers: 1, Hub: h}, always(handler(func(w *fakeWorker, m *protocol.Incoming) {
			w.say(m.Stream, 0, "a")
			w.conn.Send(&protocol.Join{Stream: m.Stream, Groups: []string{"g"}})
			time.Sleep(time.Second)
			h.note("at work")
			w.conn.Send(&protocol.Set{Stream: m.Stream, Flags: protocol.FlagDone})
		})))
		defer p.Stop(context.Background())
		h.message(p, "1")
		s, _ := h.message(p, "2")
		s.result()
		h.expect(t, "at work", "c1: SEND a, JOIN, SET", "finished", "at work", "c1: SEND a, JOIN, SET", "finished")
	})
}

func TestActsOfAHandlerThatDiedDoNothingAndItsEventIsDeliveredOnceMore(t *testing.T) {
	for name, end := range map[string]func(w *fakeWorker){
		"exit":   func(w *fakeWorker) { w.die("exit status 255") },
		"broken": func(w *fakeWorker) { w.conn.Send(raw("Fatal error: oops")) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := new(fakeHub)
				p, _ := newFakePool(t, Settings{Workers: 2, Hub: h},
					always(handler(func(w *fakeWorker, m *protocol.Incoming) {
						h.note(fmt.Sprint(string(m.Bytes), " attempt ", m.Attempt))
						w.say(m.Stream, 0, "half")
						if m.Attempt == 1 {
							time.Sleep(time.Millisecond)
							end(w)
							return
						}
						w.say(m.Stream, protocol.FlagDone, "whole")
					})))
				defer p.Stop(context.Background())
				ready()
				s, _ := h.message(p, "m")
				s.result()
				h.expect(t, "m attempt 1", "m attempt 2", "c1: SEND half, SEND whole", "finished")
				if got := p.Metrics().Generations[0].Events["message"]; got.Done != 1 || got.Retries != 1 ||
					len(got.Failures) != 0 {
					t.Errorf("counted %+v", got)
				}
			})
		})
	}
}

func TestAnEventThatKillsTwoWorkersIsGivenUp(t *testing.T) {
	for name, c := range map[string]struct {
		repeat bool
		want   []string
	}{
		"at least once": {true, []string{"attempt 1", "attempt 2", "worker died"}},
		"at most once":  {false, []string{"attempt 1", "worker died"}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := new(fakeHub)
				p, _ := newFakePool(t, Settings{Workers: 1, Hub: h},
					always(handler(func(w *fakeWorker, m *protocol.Incoming) {
						h.note(fmt.Sprint("attempt ", m.Attempt))
						w.say(m.Stream, 0, "half")
						w.conn.Flush()
						w.die("signal: segmentation fault")
					})))
				defer p.Stop(context.Background())
				s, _ := h.submit(p, &protocol.Incoming{Flags: protocol.FlagEnd}, c.repeat)
				s.failed(t)
				h.expect(t, c.want...)
				if got := p.Metrics().Generations[0]; got.Events["message"].Failures["worker died"] != 1 ||
					got.Failures["worker died"] != 0 {
					t.Errorf("counted %+v among events and %v among requests", got.Events["message"], got.Failures)
				}
			})
		})
	}
}

func TestActsThatCantWaitTakeEffectAtOnceAndStayWhenTheHandlerDies(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := new(fakeHub)
		p, _ := newFakePool(t, Settings{Workers: 1, Hub: h}, always(handler(func(w *fakeWorker, m *protocol.Incoming) {
			if m.Attempt == 1 {
				w.say(m.Stream, 0, "staged")
				w.say(m.Stream, protocol.FlagNow, "now")
				w.say(0, 0, "loose")
				w.conn.Flush()
				w.die("exit status 1")
				return
			}
			w.conn.Send(&protocol.Done{Stream: m.Stream})
		})))
		defer p.Stop(context.Background())
		s, _ := h.message(p, "")
		s.result()
		h.expect(t, "c1: SEND now", "nobody: SEND loose", "finished")
	})
}

func TestAHandlerThatFailsDoesNothingAndItsConnectionHearsWhy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := new(fakeHub)
		p, _ := newFakePool(t, Settings{Workers: 1, Hub: h}, always(handler(func(w *fakeWorker, m *protocol.Incoming) {
			w.say(m.Stream, 0, "before")
			w.conn.Send(&protocol.Reset{Stream: m.Stream, Code: protocol.ResetInternal, Reason: "oops"})
			w.say(m.Stream, protocol.FlagDone, "after")
		})))
		defer p.Stop(context.Background())
		s, _ := h.message(p, "")
		if f := s.failed(t); f.Kind != protocol.FailedReset || !strings.Contains(f.Detail, "oops") {
			t.Errorf("failed with %v", f)
		}
		h.expect(t, "reset by worker")
		if s, _ := h.message(p, ""); s.failed(t).Kind != protocol.FailedReset { // the worker goes on
			t.Error("the second one did not reach it")
		}
	})
}

func TestAnEventThatTakesTooLongIsGivenUpWithItsActs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := new(fakeHub)
		var log bytes.Buffer
		set := Settings{Workers: 1, Hub: h, RequestTimeout: time.Second,
			Logger: hclog.New(&hclog.LoggerOptions{Output: &log})}
		p, f := newFakePool(t, set, always(handler(func(w *fakeWorker, m *protocol.Incoming) {
			w.say(m.Stream, 0, "half")
			if string(m.Bytes) == "hang" {
				w.hang()
				return
			}
			time.Sleep(1500 * time.Millisecond)
			w.conn.Send(&protocol.Done{Stream: m.Stream})
		})))
		defer p.Stop(context.Background())
		s, _ := h.message(p, "slow")
		s.failed(t)
		h.expect(t, "request timeout")
		s, _ = h.message(p, "hang")
		s.failed(t)
		h.expect(t, "request timeout", "request timeout")
		if ready(); f.count() != 2 {
			t.Errorf("%d workers were started: the one that hung was to be replaced, and no other", f.count())
		}
		synctest.Wait()
		if !strings.Contains(log.String(), `"MESSAGE of tcp c1" request_id=c1`) {
			t.Errorf("the log does not name the event:\n%s", log.String())
		}
	})
}

func TestARefusedEventGoesToAnotherWorker(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := new(fakeHub)
		refused := -1
		p, _ := newFakePool(t, Settings{Workers: 2, Hub: h}, always(handler(func(w *fakeWorker, m *protocol.Incoming) {
			switch refused {
			case -1:
				refused = w.hello.Slot
				w.conn.Send(&protocol.Reset{Stream: m.Stream, Code: protocol.ResetRefused})
				w.conn.Send(&protocol.Done{Stream: m.Stream})
			case w.hello.Slot:
				t.Error("it came back to the worker that refused it")
				fallthrough
			default:
				echo(w, m)
			}
		})))
		defer p.Stop(context.Background())
		ready()
		s, _ := h.message(p, "m")
		s.result()
		h.expect(t, "c1: SEND m", "finished")
	})
}

func TestAWorkerThatDoesNotKnowAnEventIsFreeAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := new(fakeHub)
		p, _ := newFakePool(t, Settings{Workers: 1, Hub: h}, always(handler(func(w *fakeWorker, m *protocol.Incoming) {
			w.conn.Send(&protocol.Reset{Stream: m.Stream, Code: protocol.ResetUnknown, Reason: "MESSAGE"})
		})))
		defer p.Stop(context.Background())
		s, _ := h.message(p, "")
		if f := s.failed(t); f.Kind != protocol.FailedReset {
			t.Errorf("failed with %v", f)
		}
		if s, _ := submit(p, "GET", "/"); s.result() != "ok" {
			t.Error("the worker got no request any more")
		}
	})
}

func TestOnlyOpenIsAnsweredAndWhole(t *testing.T) {
	whole := &protocol.Response{Flags: protocol.FlagEnd | protocol.FlagDone, Status: 403}
	open := &protocol.Response{Status: 403}
	for name, c := range map[string]struct {
		event  protocol.Opening
		answer protocol.Message
		want   string
	}{
		"a refusal":          {&protocol.Open{}, whole, ""},
		"one without an end": {&protocol.Open{}, open, "link broken"},
		"RESPONSE to CLOSE":  {&protocol.Close{}, whole, "link broken"},
		"INFORM":             {&protocol.Open{}, &protocol.Inform{Status: 103}, "link broken"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := new(fakeHub)
				p, _ := newFakePool(t, Settings{Workers: 1, Hub: h}, always(func(w *fakeWorker) {
					if !w.bootWith("open", "close") {
						return
					}
					payload, err := w.conn.Read()
					for ; err == nil; payload, err = w.conn.Read() {
						_, stream, _ := protocol.Head(payload)
						switch m := c.answer.(type) {
						case *protocol.Response:
							m.Stream = stream
						case *protocol.Inform:
							m.Stream = stream
						}
						if w.conn.Send(c.answer) != nil {
							return
						}
					}
				}))
				defer p.Stop(context.Background())
				s, _ := h.submit(p, c.event, true)
				if got := s.result(); got != c.want {
					t.Errorf("came to %q, expected %q", got, c.want)
				}
			})
		})
	}
}

func TestALongMessageFollowsAsDataUnderTheWorkersWindow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := new(fakeHub)
		body := strings.Repeat("0123456789abcdef", 64<<10)
		p, _ := newFakePool(t, Settings{Workers: 1, Hub: h}, always(handler(func(w *fakeWorker, m *protocol.Incoming) {
			got := string(m.Bytes)
			for end := false; !end; {
				payload, ok := w.next(protocol.TypeData)
				if !ok {
					return
				}
				var d protocol.Data
				d.Parse(payload)
				got, end = got+string(d.Bytes), d.Flags&protocol.FlagEnd != 0
				w.conn.Send(&protocol.Window{Stream: m.Stream, Bytes: max(1, len(d.Bytes))})
			}
			if got != body {
				t.Errorf("%d bytes came, of %d", len(got), len(body))
			}
			w.conn.Send(&protocol.Done{Stream: m.Stream})
		})))
		defer p.Stop(context.Background())
		s := &eventSink{testSink: newSink(), note: h.note}
		rest := []byte(body[protocol.MaxData:])
		var mu sync.Mutex
		feed := func(st protocol.Stream) {
			mu.Lock()
			defer mu.Unlock()
			n, _ := st.Send(rest, true, nil)
			rest = rest[n:]
		}
		s.onBegin, s.onWrite = feed, feed
		p.Submit(&protocol.Exchange{Request: &protocol.Incoming{Bytes: []byte(body[:protocol.MaxData])}, Patient: true,
			Subject: connection("c1"), Sink: s})
		s.result()
		h.expect(t, "finished")
	})
}
