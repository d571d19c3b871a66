package workers

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/workerhost/workerhost/protocol"
)

// slowHub takes a second for acts that begin with "slow", and twelve for "lame"; "away" fails after a second, "full"
// at once, and of "never" nothing is heard until forget.
type slowHub struct {
	fakeHub
	unheard []func(error)
}

func (h *slowHub) Commit(subject protocol.Subject, acts []protocol.Act, done func(error)) {
	carryOut := func() { done(h.carryOut(subject, acts)) }
	m, _ := acts[0].(*protocol.Send)
	if m == nil {
		carryOut()
		return
	}
	switch word, _, _ := strings.Cut(string(m.Bytes[:min(len(m.Bytes), 8)]), " "); word {
	case "slow":
		time.AfterFunc(time.Second, carryOut)
	case "lame":
		time.AfterFunc(12*time.Second, carryOut)
	case "away":
		time.AfterFunc(time.Second, func() { done(fmt.Errorf("%w: nobody is there", protocol.ErrUnavailable)) })
	case "full":
		done(fmt.Errorf("%w: it is full", protocol.ErrUnavailable))
	case "wrong":
		time.AfterFunc(time.Second, func() { done(errors.New("the session is too large")) })
	case "never":
		h.unheard = append(h.unheard, done)
	default:
		carryOut()
	}
}

// forget confirms what nobody was to wait for any more.
func (h *slowHub) forget() {
	for _, done := range h.unheard {
		done(nil)
	}
}

func (h *slowHub) Call(m *protocol.Call, to protocol.Caller) {
	h.note("CALL " + m.Method)
	h.fakeHub.Call(m, to)
}

func (h *slowHub) Swap(m *protocol.Swap, to protocol.Caller) {
	h.note("SWAP " + m.Connection)
	h.fakeHub.Swap(m, to)
}

// wordy notes what the client gets, and when.
type wordy struct {
	*eventSink
	began time.Time
}

func (s wordy) Respond(m *protocol.Response) {
	s.note(fmt.Sprintf("%d %s %s after %v", m.Status, m.Headers, m.Body, time.Since(s.began)))
	s.eventSink.Respond(m)
}

func (h *slowHub) get(p *Pool, target string) (wordy, protocol.Ticket) {
	s := wordy{&eventSink{testSink: newSink(), note: h.note}, time.Now()}
	return s, p.Submit(&protocol.Exchange{Request: get(target), Sink: s})
}

// asTold answers a request with the acts that its path names, with DONE in the answer: those in capitals before it
// with NOW.
func asTold(w *fakeWorker, r *protocol.Request) {
	for word := range strings.SplitSeq(strings.TrimPrefix(r.Target, "/"), "/") {
		if low := strings.ToLower(word); low != word {
			w.say(r.Stream, protocol.FlagNow, low)
		} else if word != "" {
			w.say(r.Stream, 0, word)
		}
	}
	w.conn.Send(&protocol.Response{
		Stream: r.Stream, Flags: protocol.FlagEnd | protocol.FlagDone, Status: 200, Headers: []string{"for", r.Target},
		Body: []byte("ok"),
	})
}

// withSlowHub runs what a hub is asked for by one worker.
func withSlowHub(t *testing.T, set Settings, s script, run func(p *Pool, h *slowHub)) (h *slowHub) {
	h = new(slowHub)
	synctest.Test(t, func(t *testing.T) {
		set.Hub = h
		if set.Workers == 0 {
			set.Workers = 1
		}
		p, _ := newFakePool(t, set, always(s))
		defer p.Stop(context.Background())
		ready()
		run(p, h)
	})
	return h
}

// TestTheReaderOfFramesWaitsForNoCommit: neither the worker's next request, nor one that it has beside it, nor one
// whose answer overwrites in the pool's memory what waits.
func TestTheReaderOfFramesWaitsForNoCommit(t *testing.T) {
	for _, concurrency := range []int{1, 2} {
		h := withSlowHub(t, Settings{}, serve(concurrency, asTold), func(p *Pool, h *slowHub) {
			first, _ := h.get(p, "/slow")
			second, _ := h.get(p, "/quick")
			third, _ := h.get(p, "/")
			first.result()
			second.result()
			third.result()
		})
		h.expect(t,
			"nobody: SEND quick", "200 [for /quick] ok after 0s", "finished", "200 [for /] ok after 0s", "finished",
			"nobody: SEND slow", "200 [for /slow] ok after 1s", "finished")
	}
}

// TestActsOfAStreamTakeEffectInItsOrder, however long each of them takes, and before the answer and the end.
func TestActsOfAStreamTakeEffectInItsOrder(t *testing.T) {
	for target, want := range map[string][]string{
		"/SLOW/b":     {"SEND slow", "SEND b", "200", "finished"},
		"/SLOW/B":     {"SEND slow", "SEND b", "200", "finished"},
		"/SLOW":       {"SEND slow", "200", "finished"},
		"/a/SLOW":     {"SEND slow", "SEND a", "200", "finished"},
		"/B/SLOW/A/b": {"SEND b", "SEND slow", "SEND a", "SEND b", "200", "finished"},
		"/AWAY/b":     {"SEND b", "200", "finished"},
		"/SLOW/slow":  {"SEND slow", "SEND slow", "200", "finished"},
	} {
		h := withSlowHub(t, Settings{}, serve(1, asTold), func(p *Pool, h *slowHub) {
			s, _ := h.get(p, target)
			s.result()
		})
		var got []string
		for _, line := range h.all() {
			word, _, _ := strings.Cut(strings.TrimPrefix(line, "nobody: "), " [")
			got = append(got, word)
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s: %q", target, got)
		}
	}
}

func TestActsOnStream0TakeEffectInTheirOrderAndHoldNobodyElseUp(t *testing.T) {
	h := withSlowHub(t, Settings{}, serve(1, func(w *fakeWorker, r *protocol.Request) {
		for _, word := range []string{"slow 1", "2", "slow 3", "4"} {
			w.say(0, 0, word)
		}
		w.say(r.Stream, 0, "quick")
		w.answer(r, "ok")
	}), func(p *Pool, h *slowHub) {
		s, _ := submit(p, "GET", "/")
		s.result()
		h.note("answered")
		time.Sleep(2 * time.Second)
	})
	h.expect(t, "nobody: SEND quick", "answered", "nobody: SEND slow 1", "nobody: SEND 2", "nobody: SEND slow 3",
		"nobody: SEND 4")
}

// TestACallFindsInEffectWhatItsWorkerWroteBefore, on whichever stream, and calls keep their order.
func TestACallFindsInEffectWhatItsWorkerWroteBefore(t *testing.T) {
	h := withSlowHub(t, Settings{}, serve(1, func(w *fakeWorker, r *protocol.Request) {
		if r.Target != "/ask" {
			asTold(w, r)
			return
		}
		w.say(0, 0, "lame")
		w.conn.Send(&protocol.Call{Stream: 2, Method: "first"})
		w.conn.Send(&protocol.Swap{Stream: 4, Connection: "second"})
		w.conn.Send(&protocol.Call{Stream: 6, Method: "late", Timeout: 300})
		w.conn.Send(&protocol.Call{Stream: 8, Method: "given up"})
		w.conn.Send(&protocol.Reset{Stream: 8, Code: protocol.ResetCancelled})
		w.conn.Send(&protocol.Call{Stream: 10, Method: "last"})
		for range 2 { // of those that are not made
			w.say(r.Stream, protocol.FlagNow, w.result())
		}
		// The last call is made at the same time as the worker is told of those before it.
		for _, told := range []string{w.result(), w.result(), w.result()} {
			w.say(r.Stream, protocol.FlagNow, told)
		}
		asTold(w, r)
	}), func(p *Pool, h *slowHub) {
		before, _ := h.get(p, "/slow")
		s, _ := h.get(p, "/ask")
		before.result()
		s.result()
	})
	h.expect(t,
		"nobody: SEND 8 CANCELLED", "nobody: SEND 6 DEADLINE_EXCEEDED", "nobody: SEND slow",
		"200 [for /slow] ok after 1s", "finished",
		"nobody: SEND lame", "CALL first", "SWAP second", "CALL last", "nobody: SEND 2 07", "nobody: SEND 4 c3",
		"nobody: SEND 10 07", "nobody: SEND ask", "200 [for /ask] ok after 12s", "finished")
}

// TestWhatAWorkerAskedForBeforeItsDeathCounts: its answer goes out, and a call that it has left is not made.
func TestWhatAWorkerAskedForBeforeItsDeathCounts(t *testing.T) {
	h := withSlowHub(t, Settings{}, serve(1, func(w *fakeWorker, r *protocol.Request) {
		asTold(w, r)
		if r.Target == "/slow" {
			w.conn.Send(&protocol.Call{Stream: 2, Method: "count"})
			w.conn.Send(&protocol.Swap{Stream: 4})
			w.conn.Flush()
			w.die("exit status 1")
		}
	}), func(p *Pool, h *slowHub) {
		s, _ := h.get(p, "/slow")
		time.Sleep(100 * time.Millisecond)
		next, _ := h.get(p, "/next") // by another worker
		s.result()
		next.result()
		time.Sleep(time.Second)
		if m := p.Metrics().Generations[0]; m.Classes[2] != 2 || m.Failures["worker died"] != 0 {
			t.Errorf("counted %+v", m)
		}
	})
	h.expect(t, "nobody: SEND next", "200 [for /next] ok after 0s", "finished",
		"nobody: SEND slow", "200 [for /slow] ok after 1s", "finished")
}

// TestAnEventIsOverOnlyAfterWhatItDidAtOnce: its second handler, or the one of the connection's next event, finds in
// effect what the first one did.
func TestAnEventIsOverOnlyAfterWhatItDidAtOnce(t *testing.T) {
	die := func(w *fakeWorker, m *protocol.Incoming) {
		w.conn.Flush()
		w.die("exit status 1")
	}
	fail := func(w *fakeWorker, m *protocol.Incoming) {
		w.conn.Send(&protocol.Reset{Stream: m.Stream, Code: protocol.ResetInternal})
		w.conn.Send(&protocol.Done{Stream: m.Stream})
	}
	for name, end := range map[string]struct {
		end    func(w *fakeWorker, m *protocol.Incoming)
		repeat bool
		last   []string
	}{
		"a death, at least once": {die, true, []string{"attempt 2", "c1: SEND whole", "finished"}},
		"a death, at most once":  {die, false, []string{"worker died"}},
		"a failure":              {fail, true, []string{"reset by worker"}},
	} {
		t.Run(name, func(t *testing.T) {
			var hub *slowHub
			hub = withSlowHub(t, Settings{Workers: 2}, handler(func(w *fakeWorker, m *protocol.Incoming) {
				hub.note(fmt.Sprint("attempt ", m.Attempt))
				if m.Attempt == 1 {
					w.say(m.Stream, 0, "half")
					w.say(m.Stream, protocol.FlagNow, "slow")
					end.end(w, m)
					return
				}
				w.say(m.Stream, protocol.FlagDone, "whole")
			}), func(p *Pool, h *slowHub) {
				hub = h
				s, _ := h.submit(p, &protocol.Incoming{Flags: protocol.FlagEnd}, end.repeat)
				s.result()
			})
			hub.expect(t, append([]string{"attempt 1", "c1: SEND slow"}, end.last...)...)
		})
	}
}

func TestAClientThatLeavesWhileItsActsAreOnTheirWayChangesNothing(t *testing.T) {
	h := withSlowHub(t, Settings{}, serve(1, asTold), func(p *Pool, h *slowHub) {
		s, ticket := h.get(p, "/slow")
		time.Sleep(500 * time.Millisecond)
		ticket.Cancel(protocol.ResetCancelled)
		s.result()
	})
	h.expect(t, "nobody: SEND slow", "200 [for /slow] ok after 1s", "finished")
}

func TestAReloadWaitsForNoCommit(t *testing.T) {
	h := withSlowHub(t, Settings{}, serve(1, asTold), func(p *Pool, h *slowHub) {
		s, _ := h.get(p, "/lame")
		began := time.Now()
		events := follow(p.Reload())
		if last := events[len(events)-1]; last.Kind != EventCompleted || time.Since(began) > time.Second {
			t.Errorf("after %v the reload came to %+v", time.Since(began), last)
		}
		s.result()
	})
	h.expect(t, "nobody: SEND lame", "200 [for /lame] ok after 12s", "finished")
}

func TestAStopWaitsForCommitsWithinItsPatience(t *testing.T) {
	const failed, half = "reset by worker", 500 * time.Millisecond
	for name, c := range map[string]struct {
		target string
		within time.Duration // that ctx gives
		took   time.Duration
		want   []string
	}{
		"that comes soon enough": {
			"/slow", time.Hour, time.Second, []string{"nobody: SEND slow", "200 [for /slow] ok after 1s", "finished"},
		},
		"that doesn't come":        {"/never", time.Hour, 30 * time.Second, []string{failed}},
		"that doesn't come in ctx": {"/slow", half, half, []string{failed, "nobody: SEND slow"}},
		"that waits for another":   {"/NEVER/quick", half, half, []string{failed}},
		"that no answer needs": {
			"/NEVER", time.Hour, 30 * time.Second, []string{"200 [for /NEVER] ok after 30s", "finished"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			h := withSlowHub(t, Settings{DrainTimeout: 30 * time.Second}, serve(1, asTold), func(p *Pool, h *slowHub) {
				s, _ := h.get(p, c.target)
				ctx, cancel := context.WithTimeout(context.Background(), c.within)
				defer cancel()
				synctest.Wait()
				began := time.Now()
				if cut := p.Stop(ctx); len(cut) > 0 {
					t.Errorf("cut %q", cut)
				}
				if took := time.Since(began); took != c.took {
					t.Errorf("it took %v", took)
				}
				select {
				case <-s.finished:
				default:
					t.Error("the request was not over when the stop was")
				}
				h.forget() // late, and nobody's
				time.Sleep(time.Second)
			})
			h.expect(t, c.want...)
		})
	}
}

// TestAConfirmationAtTheVeryEndOfAStopEndsARequestOnce: either of the two counts, and the acts that both had are not
// used for another request.
func TestAConfirmationAtTheVeryEndOfAStopEndsARequestOnce(t *testing.T) {
	for range 50 {
		withSlowHub(t, Settings{}, serve(4, asTold), func(p *Pool, h *slowHub) {
			var all []wordy
			for range 8 {
				s, _ := h.get(p, "/SLOW/slow/quick")
				all = append(all, s)
			}
			ctx, cancel := context.WithTimeout(context.Background(), time.Second)
			defer cancel()
			p.Stop(ctx)
			for _, s := range all {
				<-s.finished
			}
			time.Sleep(2 * time.Second)
		})
	}
}

// TestAnAnswerThatCouldNotBeKeptIsNotGiven: of acts that could not be written down the client is not told that all is
// well. Those that were wrong by themselves end as they always did (SPEC.md §10.1).
func TestAnAnswerThatCouldNotBeKeptIsNotGiven(t *testing.T) {
	for target, want := range map[string][]string{
		"/away":  {"reset by worker"},
		"/full":  {"reset by worker"},
		"/wrong": {"200 [for /wrong] ok after 1s", "finished"},
	} {
		var log lines
		set := Settings{Logger: hclog.New(&hclog.LoggerOptions{Output: &log})}
		h := withSlowHub(t, set, serve(1, asTold), func(p *Pool, h *slowHub) {
			s, _ := h.get(p, target)
			s.result()
			m := p.Metrics().Generations[0]
			lost := want[0] == "reset by worker"
			if lost != (m.Failures["reset by worker"] == 1) || lost != (m.Classes[2] == 0) {
				t.Errorf("%s: counted %+v", target, m)
			}
			if f := s.failure; f != nil && !strings.Contains(f.Detail, protocol.ErrUnavailable.Error()) {
				t.Errorf("%s: failed with %v", target, f)
			}
		})
		h.expect(t, want...)
		if text := log.String(); strings.Count(text, "[ERROR]") != 1 ||
			!strings.Contains(text, `request="GET `+target) {
			t.Errorf("%s: the log:\n%s", target, text)
		}
	}
}

// TestAnOpenOrAMessageWhoseActsFailLater ends as if they had failed at once.
func TestAnOpenOrAMessageWhoseActsFailLater(t *testing.T) {
	for _, word := range []string{"away", "full", "wrong"} {
		h := withSlowHub(t, Settings{}, func(w *fakeWorker) {
			if !w.bootWith("open", "message") {
				return
			}
			for {
				payload, err := w.conn.Read()
				if err != nil {
					return
				}
				if _, stream, _ := protocol.Head(payload); stream != 0 {
					w.say(stream, protocol.FlagDone, word)
				}
			}
		}, func(p *Pool, h *slowHub) {
			s, _ := h.message(p, "m")
			s.result()
			s, _ = h.submit(p, &protocol.Open{}, true)
			if f := s.failed(t); !strings.Contains(f.Detail, "could not be carried out") {
				t.Errorf("%s: the client was turned away for %v", word, f)
			}
			events := p.Metrics().Generations[0].Events
			if events["open"].Done != 0 || events["open"].Failures["reset by worker"] != 1 ||
				events["message"].Done != 1 {
				t.Errorf("%s: counted %+v", word, events)
			}
		})
		h.expect(t, "finished", "reset by worker")
	}
}

// TestWhatWaitsForACommitIsBounded in bytes: what is too much fails, and its worker lives on.
func TestWhatWaitsForACommitIsBounded(t *testing.T) {
	const parts = protocol.MaxStaged/protocol.MaxData + 10
	var log lines
	calls := 0
	set := Settings{Logger: hclog.New(&hclog.LoggerOptions{Output: &log}), LogRate: -1}
	h := withSlowHub(t, set, serve(1, func(w *fakeWorker, r *protocol.Request) {
		if r.Target != "/much" {
			asTold(w, r)
			return
		}
		w.say(r.Stream, protocol.FlagNow, "slow")
		part := make([]byte, protocol.MaxData)
		for range parts {
			w.conn.Send(&protocol.Send{Stream: r.Stream, Flags: protocol.FlagNow, Bytes: part})
		}
		w.asked += 2
		w.conn.Send(&protocol.Call{Stream: w.asked, Method: "count",
			Arguments: []protocol.Value{zeros(protocol.MaxData)}})
		if w.result() == fmt.Sprint(w.asked, " UNAVAILABLE") {
			calls++
		}
		w.conn.Send(&protocol.Send{Stream: r.Stream, Bytes: part})
		w.answer(r, "ok")
	}), func(p *Pool, h *slowHub) {
		for range 2 { // by the same worker, which gets all of its room back
			s, _ := h.get(p, "/much")
			if got := s.result(); got != "reset by worker" {
				t.Errorf("came to %q", got)
			}
		}
		if n := p.Status().Workers[0].Restarts; n != 0 {
			t.Errorf("%d restarts", n)
		}
	})
	kept := 0
	for _, line := range h.all() {
		if strings.HasPrefix(line, "nobody: SEND of") {
			kept++
		}
	}
	dropped := strings.Count(log.String(), "acts could not be carried out")
	if kept > 2*(parts-10) || kept < 2*(parts-30) || dropped != 2*(parts+1)-kept || calls != 2 {
		t.Errorf("%d were kept and %d dropped of %d, and %d calls refused", kept, dropped, 2*(parts+1), calls)
	}
}

// TestActsDoNotWaitForOthersForEver: what has waited for too long fails when its time comes, so that a queue grows no
// older than that.
func TestActsDoNotWaitForOthersForEver(t *testing.T) {
	var log lines
	set := Settings{Logger: hclog.New(&hclog.LoggerOptions{Output: &log})}
	h := withSlowHub(t, set, serve(1, func(w *fakeWorker, r *protocol.Request) {
		w.say(0, 0, "lame")
		w.say(0, 0, "too late")
		time.Sleep(5 * time.Second)
		w.say(0, 0, "in time")
		w.answer(r, "ok")
	}), func(p *Pool, h *slowHub) {
		submit(p, "GET", "/")
		time.Sleep(20 * time.Second)
	})
	h.expect(t, "nobody: SEND lame", "nobody: SEND in time")
	if !strings.Contains(log.String(), "were not done") {
		t.Errorf("the log:\n%s", log.String())
	}
}
