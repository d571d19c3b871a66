package workers

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/workerhost/workerhost/protocol"
)

func TestABigMessageComesInPartsAndIsCommittedAsOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := new(fakeHub)
		p, _ := newFakePool(t, Settings{Workers: 1, Hub: h}, always(handler(func(w *fakeWorker, m *protocol.Incoming) {
			part := make([]byte, protocol.MaxData)
			for range 4 {
				w.conn.Send(&protocol.Send{Stream: m.Stream, Flags: protocol.FlagMore, To: protocol.ToAll,
					Bytes: part})
			}
			w.conn.Send(&protocol.Send{Stream: m.Stream, Bytes: part[:1]})
			w.conn.Send(&protocol.Send{Stream: m.Stream, Flags: protocol.FlagMore | protocol.FlagNow, Bytes: part})
			w.conn.Send(&protocol.Send{Stream: m.Stream, Bytes: part})
			w.conn.Send(&protocol.Send{Flags: protocol.FlagMore, Bytes: part})
			w.say(m.Stream, 0, "between") // another stream's parts are no matter
			w.conn.Send(&protocol.Send{Bytes: part[:2]})
			w.conn.Send(&protocol.Send{Stream: m.Stream, Flags: protocol.FlagMore, Bytes: part})
			w.conn.Send(&protocol.Send{Stream: m.Stream, Flags: protocol.FlagDone, Bytes: part})
		})))
		defer p.Stop(context.Background())
		s, _ := h.message(p, "m")
		s.result()
		h.expect(t, "c1: SEND of 131072", "nobody: SEND of 65538", "c1: SEND of 262145, SEND between, SEND of 131072",
			"finished")
	})
}

func TestActsThatCantBeCarriedOutHarmNothingElse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := &fakeHub{err: errors.New("the session is too large")}
		p, _ := newFakePool(t, Settings{Workers: 1, Hub: h}, always(handler(echo)))
		defer p.Stop(context.Background())
		for range 2 {
			s, _ := h.message(p, "m")
			s.result()
		}
		h.expect(t, "c1: SEND m", "finished", "c1: SEND m", "finished")
	})
}

// requests runs one request against a worker whose handler sends acts, and gives what was noted; cancel has the client
// leave while it works.
func requestActs(t *testing.T, cancel bool, handle func(w *fakeWorker, r *protocol.Request)) []string {
	h := new(fakeHub)
	synctest.Test(t, func(t *testing.T) {
		p, _ := newFakePool(t, Settings{Workers: 1, Hub: h, RequestTimeout: 10 * time.Second},
			always(serve(1, handle)))
		defer p.Stop(context.Background())
		ready()
		s := &eventSink{testSink: newSink(), note: h.note}
		ticket := p.Submit(&protocol.Exchange{Request: get("/"), Sink: answerSink{s}})
		if cancel {
			time.Sleep(time.Second)
			ticket.Cancel(protocol.ResetCancelled)
		}
		s.result()
	})
	return h.all()
}

// answerSink notes the head of the answer, too.
type answerSink struct{ *eventSink }

func (s answerSink) Respond(m *protocol.Response) {
	s.note("answer")
	s.eventSink.Respond(m)
}

func TestARequestsActsTakeEffectWithItsDone(t *testing.T) {
	respond := func(w *fakeWorker, r *protocol.Request, flags protocol.Flags) {
		w.conn.Send(&protocol.Response{Stream: r.Stream, Flags: flags, Status: 200})
	}
	for name, c := range map[string]struct {
		cancel bool
		handle func(w *fakeWorker, r *protocol.Request)
		want   []string
	}{
		"before the client has the answer, if that is the last word": {false,
			func(w *fakeWorker, r *protocol.Request) {
				w.say(r.Stream, 0, "a")
				respond(w, r, protocol.FlagEnd|protocol.FlagDone)
			}, []string{"nobody: SEND a", "answer", "finished"}},
		"with the end of what runs after the answer": {false, func(w *fakeWorker, r *protocol.Request) {
			w.say(r.Stream, 0, "a")
			respond(w, r, protocol.FlagEnd)
			w.say(r.Stream, protocol.FlagDone, "b")
		}, []string{"answer", "nobody: SEND a, SEND b", "finished"}},
		"also when the client left after the whole answer": {true, func(w *fakeWorker, r *protocol.Request) {
			respond(w, r, protocol.FlagEnd)
			time.Sleep(2 * time.Second)
			w.say(r.Stream, protocol.FlagDone, "a")
		}, []string{"answer", "nobody: SEND a", "finished"}},
		"not when the client left before": {true, func(w *fakeWorker, r *protocol.Request) {
			w.say(r.Stream, 0, "a")
			time.Sleep(2 * time.Second)
			respond(w, r, protocol.FlagEnd|protocol.FlagDone)
		}, []string{"cancelled"}},
		"not when the answer broke off": {false, func(w *fakeWorker, r *protocol.Request) {
			w.say(r.Stream, 0, "a")
			respond(w, r, 0)
			w.conn.Send(&protocol.Done{Stream: r.Stream})
		}, []string{"answer", "reset by worker"}},
		"not when what runs after the answer fails": {false, func(w *fakeWorker, r *protocol.Request) {
			w.say(r.Stream, 0, "a")
			respond(w, r, protocol.FlagEnd)
			w.conn.Send(&protocol.Reset{Stream: r.Stream, Code: protocol.ResetInternal})
			w.conn.Send(&protocol.Done{Stream: r.Stream})
		}, []string{"answer", "finished"}},
		"not when that takes too long": {false, func(w *fakeWorker, r *protocol.Request) {
			w.say(r.Stream, 0, "a")
			respond(w, r, protocol.FlagEnd)
			time.Sleep(10500 * time.Millisecond)
			w.conn.Send(&protocol.Done{Stream: r.Stream})
		}, []string{"answer", "finished"}},
		"not when it dies": {false, func(w *fakeWorker, r *protocol.Request) {
			w.say(r.Stream, 0, "a")
			respond(w, r, protocol.FlagEnd)
			w.conn.Flush()
			w.die("exit status 1")
		}, []string{"answer", "finished"}},
	} {
		t.Run(name, func(t *testing.T) {
			j := journal{seen: requestActs(t, c.cancel, c.handle)}
			j.expect(t, c.want...)
		})
	}
}

// TestAHeldResponseIsAConnectionWithDone: without an end, and without a deadline once its worker is free.
func TestAHeldResponseIsAConnectionWithDone(t *testing.T) {
	hold := func(w *fakeWorker, r *protocol.Request, flags protocol.Flags) {
		w.conn.Send(&protocol.Response{Stream: r.Stream, Flags: flags, Status: 200,
			Hold: &protocol.Hold{Groups: []string{"g"}}})
	}
	for name, c := range map[string]struct {
		cancel bool
		handle func(w *fakeWorker, r *protocol.Request)
		want   []string
	}{
		"at once": {false, func(w *fakeWorker, r *protocol.Request) {
			w.say(r.Stream, 0, "a")
			hold(w, r, protocol.FlagDone)
		}, []string{"answer", "nobody: SEND a", "finished"}},
		"after some work": {false, func(w *fakeWorker, r *protocol.Request) {
			hold(w, r, 0)
			time.Sleep(5 * time.Second)
			w.say(r.Stream, protocol.FlagDone, "a")
		}, []string{"answer", "nobody: SEND a", "finished"}},
		"not when its worker dies": {false, func(w *fakeWorker, r *protocol.Request) {
			w.say(r.Stream, 0, "a")
			hold(w, r, 0)
			w.conn.Flush()
			w.die("exit status 1")
		}, []string{"answer", "worker died"}},
		"not when the rest fails": {false, func(w *fakeWorker, r *protocol.Request) {
			w.say(r.Stream, 0, "a")
			hold(w, r, 0)
			w.conn.Send(&protocol.Reset{Stream: r.Stream, Code: protocol.ResetInternal})
			w.conn.Send(&protocol.Done{Stream: r.Stream})
		}, []string{"answer", "reset by worker"}},
		"not when the client leaves": {true, func(w *fakeWorker, r *protocol.Request) {
			hold(w, r, 0)
			time.Sleep(5 * time.Second)
			w.say(r.Stream, protocol.FlagDone, "a")
		}, []string{"answer", "cancelled"}},
		"with first bytes in DATA": {false, func(w *fakeWorker, r *protocol.Request) {
			hold(w, r, 0)
			w.conn.Send(&protocol.Data{Stream: r.Stream, Bytes: []byte("x")})
			w.say(r.Stream, protocol.FlagDone, "a")
		}, []string{"answer", "nobody: SEND a", "finished"}},
		"and has no END": {false, func(w *fakeWorker, r *protocol.Request) {
			hold(w, r, 0)
			w.conn.Send(&protocol.Data{Stream: r.Stream, Flags: protocol.FlagEnd, Bytes: []byte("x")})
			w.hang()
		}, []string{"answer", "link broken"}},
	} {
		t.Run(name, func(t *testing.T) {
			j := journal{seen: requestActs(t, c.cancel, c.handle)}
			j.expect(t, c.want...)
		})
	}
}

func TestActsOfARequestThatWasTriedOnceMoreTakeEffectOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := new(fakeHub)
		p, _ := newFakePool(t, Settings{Workers: 1, Hub: h}, always(serve(1, func(w *fakeWorker, r *protocol.Request) {
			w.say(r.Stream, 0, "a")
			if r.Target == "/now" {
				w.say(r.Stream, protocol.FlagNow, "now")
			}
			if r.Attempt == 1 {
				w.conn.Flush()
				w.die("exit status 1")
				return
			}
			w.answer(r, "ok")
		})))
		defer p.Stop(context.Background())
		if s, _ := submit(p, "GET", "/"); s.result() != "ok" {
			t.Errorf("came to %q", s.result())
		}
		h.expect(t, "nobody: SEND a")
		// what it did can't be undone, so it is not done again
		if s, _ := submit(p, "GET", "/now"); s.result() != "worker died" {
			t.Errorf("came to %q", s.result())
		}
		h.expect(t, "nobody: SEND a", "nobody: SEND now")
	})
}

// TestSmallActsAreCountedWithWhatTheyCost stages acts whose memory is many times their bytes.
func TestSmallActsAreCountedWithWhatTheyCost(t *testing.T) {
	var s staging
	n := 0
	for ; n < 1_000_000; n++ {
		act, err := s.put(&protocol.Leave{Stream: 1}, 10)
		if err != nil {
			break
		}
		s.keep(act, 10)
	}
	if n < 400_000 || n > 500_000 {
		t.Errorf("%d acts of 10 bytes were kept", n)
	}
}
