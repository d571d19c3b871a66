package workers

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/workerhost/workerhost/protocol"
)

// ask sends a call and reads its answer, passing over what else comes.
func (w *fakeWorker) ask(m protocol.Message) string {
	w.conn.Send(m)
	payload, ok := w.next(protocol.TypeResult)
	if !ok {
		return "the end"
	}
	var r protocol.Result
	if err := r.Parse(payload); err != nil {
		return err.Error()
	}
	if r.Code != 0 {
		r.Error = r.Code.String() + ": " + r.Error
	}
	return fmt.Sprintf("%d %s %x", r.Stream, r.Error, []byte(r.Value))
}

func TestCallsAreAnsweredWhetherTheWorkerIsLeasedOrNot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := new(fakeHub)
		p, _ := newFakePool(t, Settings{Workers: 1, Hub: h}, always(func(w *fakeWorker) {
			if !w.bootWith("message") {
				return
			}
			h.note(w.ask(&protocol.Call{Stream: 2, Method: "count"}))
			w.conn.Read()
			h.note(w.ask(&protocol.Call{Stream: 4, Method: "count"}))
			h.note(w.ask(&protocol.Swap{Stream: 1000, Connection: "c1"}))
			w.conn.Send(&protocol.Done{Stream: 1})
			w.loop(nil)
		}))
		defer p.Stop(context.Background())
		ready()
		s, _ := h.message(p, "m")
		s.result()
		h.expect(t, "2  07", "4  07", "1000  c3", "finished")
	})
}

func TestAPoolWithoutAHubAnswersCallsWithAnErrorAndDropsActs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		answers := make(chan string, 2)
		p, _ := newFakePool(t, Settings{Workers: 1}, always(serve(1, func(w *fakeWorker, r *protocol.Request) {
			w.say(r.Stream, 0, "to nobody")
			answers <- w.ask(&protocol.Call{Stream: 2, Method: "count"})
			answers <- w.ask(&protocol.Swap{Stream: 4})
			w.answer(r, "ok")
		})))
		defer p.Stop(context.Background())
		if s, _ := submit(p, "GET", "/"); s.result() != "ok" {
			t.Errorf("the request came to %q", s.result())
		}
		for range 2 {
			if got := <-answers; !strings.Contains(got, "UNIMPLEMENTED: nothing here keeps connections") {
				t.Errorf("answered %q", got)
			}
		}
	})
}

func TestAWorkerOnTrialKnowsItAndAsksAHubOfItsOwn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, own := new(fakeHub), new(fakeHub)
		var told journal
		set := Settings{Workers: 1, Hub: h, Warmup: []Warmup{{Request: get("/")}}}
		p, _ := newFakePool(t, set, func(n int) script {
			return serve(1, func(w *fakeWorker, r *protocol.Request) {
				told.note(fmt.Sprint(n, w.hello.Features))
				if n == 2 {
					w.say(r.Stream, protocol.FlagNow, "now")
					w.say(r.Stream, 0, "staged")
				}
				w.answer(r, "")
			})
		})
		defer p.Stop(context.Background())
		ready()
		set.Command, set.Directory, set.Hub = []string{"/bin/sh"}, t.TempDir(), own
		if _, err := p.Try(context.Background(), set, nil); err != nil {
			t.Fatal(err)
		}
		h.expect(t)
		own.expect(t, "nobody: SEND now", "nobody: SEND staged")
		told.expect(t, "1 []", "2 [trial]")
	})
}

func TestATrialIsLookedAtWhileItsWorkerIsThere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, f := newFakePool(t, Settings{Workers: 1}, func(n int) script {
			return func(w *fakeWorker) {
				w.features = []string{protocol.FeatureUpgrade}
				if !w.boot(1) {
					return
				}
				if n == 3 {
					time.Sleep(time.Second)
					return
				}
				w.loop(nil)
			}
		})
		defer p.Stop(context.Background())
		ready()
		look := func(ctx context.Context, has func(string) bool) error {
			if f.alive() != 2 || !has(protocol.FeatureUpgrade) || has("message") {
				t.Errorf("%d workers are there", f.alive())
			}
			select {
			case <-ctx.Done():
				return context.Cause(ctx)
			case <-time.After(time.Minute):
				return nil
			}
		}
		if trial, err := p.Try(context.Background(), *p.settings, look); err != nil || trial.SDK != "fake" {
			t.Error(err)
		}
		if _, err := p.Try(context.Background(), *p.settings, look); err == nil ||
			!strings.Contains(err.Error(), "the worker has ended") {
			t.Errorf("the worker's end is told as %v", err)
		}
	})
}

func TestAnAnswerThatNoFrameTakesIsAnError(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := &hugeHub{}
		answers := make(chan string, 1)
		p, _ := newFakePool(t, Settings{Workers: 1, Hub: h}, always(serve(1, func(w *fakeWorker, r *protocol.Request) {
			answers <- w.ask(&protocol.Call{Stream: 2, Method: "ids"})
			w.answer(r, "ok")
		})))
		defer p.Stop(context.Background())
		submit(p, "GET", "/")
		if got := <-answers; !strings.Contains(got, "TOO_LARGE") || !strings.Contains(got, "ask for less") {
			t.Errorf("answered %.100q", got)
		}
	})
}

type hugeHub struct{ fakeHub }

func (*hugeHub) Call(_ *protocol.Call, to protocol.Caller) {
	to.Reply(&protocol.Result{Value: make(protocol.Value, protocol.MaxFrame)})
}

// TestActsAndCallsThatBreakTheLink says what of §10 a worker must not send.
func TestActsAndCallsThatBreakTheLink(t *testing.T) {
	more := func(s uint32, flags protocol.Flags) protocol.Message {
		return &protocol.Send{Stream: s, Flags: flags | protocol.FlagMore, Bytes: []byte("x")}
	}
	for name, send := range map[string]func(w *fakeWorker, s uint32){
		"a RESET of a call that was never made": func(w *fakeWorker, s uint32) {
			w.ask(&protocol.Call{Stream: 2, Method: "count"})
			w.conn.Send(&protocol.Reset{Stream: 4, Code: protocol.ResetCancelled})
		},
		"more calls than may be under way": func(w *fakeWorker, s uint32) {
			for i := range uint32(protocol.MaxCalls + 1) {
				w.conn.Send(&protocol.Call{Stream: 2 * (i + 1), Method: "slow"})
			}
		},
		"a call on an odd stream": func(w *fakeWorker, s uint32) {
			w.conn.Send(&protocol.Call{Stream: s + 2, Method: "count"})
		},
		"a call on the event's stream": func(w *fakeWorker, s uint32) {
			w.conn.Send(&protocol.Call{Stream: s, Method: "count"})
		},
		"a call on a stream that has not grown": func(w *fakeWorker, s uint32) {
			w.ask(&protocol.Call{Stream: 4, Method: "count"})
			w.conn.Send(&protocol.Swap{Stream: 4})
		},
		"calls whose answers it never reads": func(w *fakeWorker, s uint32) {
			for i := range uint32(protocol.MaxCalls + 2) {
				w.conn.Send(&protocol.Call{Stream: 2 * (i + 1), Method: "count"})
			}
		},
		"an act on a stream of its own": func(w *fakeWorker, s uint32) { w.say(2, 0, "x") },
		"an act on a stream to come":    func(w *fakeWorker, s uint32) { w.say(s+2, 0, "x") },
		"an act after REFUSED": func(w *fakeWorker, s uint32) {
			w.conn.Send(&protocol.Reset{Stream: s, Code: protocol.ResetRefused})
			w.say(s, 0, "x")
		},
		"an event": func(w *fakeWorker, s uint32) { w.conn.Send(&protocol.Open{Stream: s}) },
		"a RESULT": func(w *fakeWorker, s uint32) { w.conn.Send(&protocol.Result{Stream: 2}) },
		"another act in a SEND": func(w *fakeWorker, s uint32) {
			w.conn.Send(more(s, 0))
			w.conn.Send(&protocol.Join{Stream: s})
		},
		"DONE in a SEND": func(w *fakeWorker, s uint32) {
			w.conn.Send(more(s, 0))
			w.conn.Send(&protocol.Done{Stream: s})
		},
		"DONE and MORE": func(w *fakeWorker, s uint32) { w.conn.Send(more(s, protocol.FlagDone)) },
		"another act in a loose SEND": func(w *fakeWorker, s uint32) {
			w.conn.Send(more(0, 0))
			w.conn.Send(&protocol.Join{})
		},
		"more acts than a host keeps":  func(w *fakeWorker, s uint32) { w.flood(s, 0) },
		"a message longer than that":   func(w *fakeWorker, s uint32) { w.flood(s, protocol.FlagMore) },
		"a loose one longer than that": func(w *fakeWorker, s uint32) { w.flood(0, protocol.FlagMore) },
		"a hasty one longer than that": func(w *fakeWorker, s uint32) {
			w.flood(s, protocol.FlagMore|protocol.FlagNow)
		},
		"an audience that does not exist": func(w *fakeWorker, s uint32) {
			w.conn.Send(&protocol.Send{Stream: s, To: 5})
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := new(fakeHub)
				p, _ := newFakePool(t, Settings{Workers: 1, Hub: h},
					always(handler(func(w *fakeWorker, m *protocol.Incoming) {
						send(w, m.Stream)
						select {
						case <-w.died:
						case <-time.After(time.Minute):
							w.conn.Send(&protocol.Done{Stream: m.Stream})
						}
					})))
				defer p.Stop(context.Background())
				s, _ := h.submit(p, &protocol.Incoming{Flags: protocol.FlagEnd}, false)
				s.result()
				h.expect(t, "link broken")
			})
		})
	}
}

func TestACallBeyondThoseUnansweredIsRefused(t *testing.T) {
	c := ledger{open: map[uint32]call{}}
	const size = 10
	stream, sent, read := uint32(0), int64(0), int64(0)
	call := func() error {
		stream += 2
		err := c.admit(protocol.TypeCall, stream, sent, sent, func() int64 { return read })
		if err == nil {
			sent += size
			delete(c.open, stream)
			c.answered(sent)
		}
		return err
	}
	for n := range protocol.MaxCalls {
		if err := call(); err != nil {
			t.Fatalf("call %d: %v", n+1, err)
		}
	}
	if err := call(); err == nil {
		t.Error("one more is admitted while all answers are unread")
	}
	read = size - 1
	if err := call(); err == nil {
		t.Error("one more is admitted while the first answer is half read")
	}
	read = size
	if err := call(); err != nil {
		t.Errorf("one answer was read, and yet: %v", err)
	}
	if err := call(); err == nil {
		t.Error("two more are admitted for one answer that was read")
	}
	read = sent
	for range protocol.MaxCalls {
		if err := call(); err != nil {
			t.Fatalf("all answers were read, and yet: %v", err)
		}
	}
}

// flood sends a little more than protocol.MaxStaged.
func (w *fakeWorker) flood(stream uint32, flags protocol.Flags) {
	part := make([]byte, protocol.MaxData)
	for range protocol.MaxStaged / protocol.MaxData {
		if w.conn.Send(&protocol.Send{Stream: stream, Flags: flags, Bytes: part}) != nil {
			return
		}
		w.conn.Flush()
	}
}
