package workers

import (
	"context"
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/workerhost/workerhost/protocol"
)

// result reads the next RESULT, passing over what else comes.
func (w *fakeWorker) result() string {
	var r protocol.Result
	payload, ok := w.next(protocol.TypeResult)
	if !ok {
		return "the end"
	}
	if err := r.Parse(payload); err != nil {
		return err.Error()
	}
	if r.Error != "" {
		return fmt.Sprintf("%d %s", r.Stream, r.Code)
	}
	return fmt.Sprintf("%d %x", r.Stream, []byte(r.Value))
}

func TestACallThatTakesASecondHoldsNothingUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, began := new(fakeHub), time.Now()
		p, _ := newFakePool(t, Settings{Workers: 1, Hub: h}, always(func(w *fakeWorker) {
			if !w.boot(2) {
				return
			}
			w.conn.Send(&protocol.Call{Stream: 2, Method: "slow"})
			w.conn.Send(&protocol.Call{Stream: 4, Method: "count"})
			w.conn.Send(&protocol.Swap{Stream: 6})
			began = time.Now()
			for range 3 {
				h.note(fmt.Sprint(w.result(), " after ", time.Since(began)))
			}
			w.conn.Send(&protocol.Call{Stream: 8, Method: "slow"})
			w.loop(func(w *fakeWorker, r *protocol.Request) { w.answer(r, "ok") })
		}))
		defer p.Stop(context.Background())
		time.Sleep(1500 * time.Millisecond) // in the midst of the call on stream 8
		before := time.Now()
		if s, _ := submit(p, "GET", "/"); s.result() != "ok" {
			t.Errorf("a request came to %q", s.result())
		}
		if took := time.Since(before); took != 0 {
			t.Errorf("a request took %v while a call was under way", took)
		}
		h.expect(t, "4 07 after 0s", "6 c3 after 0s", "2 07 after 1s")
	})
}

func TestACallEndsWithItsTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := new(fakeHub)
		p, _ := newFakePool(t, Settings{Workers: 1, Hub: h}, always(serve(1, func(w *fakeWorker, r *protocol.Request) {
			began := time.Now()
			w.conn.Send(&protocol.Call{Stream: 2, Method: "wait", Timeout: 300})
			w.conn.Send(&protocol.Call{Stream: 4, Method: "slow", Timeout: 1500})
			w.conn.Send(&protocol.Call{Stream: 6, Method: "count", Timeout: 1})
			w.conn.Send(&protocol.Call{Stream: 8, Method: "slow", Timeout: 1<<63 - 1})
			for range 4 {
				h.note(fmt.Sprint(w.result(), " after ", time.Since(began)))
			}
			w.answer(r, "ok")
		})))
		defer p.Stop(context.Background())
		s, _ := submit(p, "GET", "/")
		s.result()
		time.Sleep(2 * time.Second)
		all := h.all()
		slices.Sort(all) // a method hears of its end when its worker does
		want := []string{
			"2 DEADLINE_EXCEEDED after 300ms", "4 07 after 1s", "6 07 after 0s", "8 07 after 1s",
			"wait ended: there was no answer within 300 ms",
		}
		if !slices.Equal(all, want) {
			t.Errorf("it went so: %q", all)
		}
	})
}

// TestAWorkerGivesCallsUp: each has one RESULT all the same, whether the RESET crosses its answer, its method
// heeds it, or not.
func TestAWorkerGivesCallsUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := new(fakeHub)
		p, _ := newFakePool(t, Settings{Workers: 1, Hub: h}, always(serve(1, func(w *fakeWorker, r *protocol.Request) {
			for stream, method := range []string{2: "count", 4: "wait", 6: "slow"} {
				if method != "" {
					w.conn.Send(&protocol.Call{Stream: uint32(stream), Method: method})
				}
			}
			for _, stream := range []uint32{6, 2, 4, 4} {
				w.conn.Send(&protocol.Reset{Stream: stream, Code: protocol.ResetCancelled})
			}
			for range 3 {
				h.note(w.result())
			}
			time.Sleep(2 * time.Second)
			h.note(w.ask(&protocol.Call{Stream: 8, Method: "count"})) // no other RESULT is before it
			w.answer(r, "ok")
		})))
		defer p.Stop(context.Background())
		s, _ := submit(p, "GET", "/")
		s.result()
		all := h.all()
		slices.Sort(all)
		want := []string{"2 07", "4 CANCELLED", "6 CANCELLED", "8  07", "wait ended: the worker gave the call up"}
		if !slices.Equal(all, want) {
			t.Errorf("it went so: %q", all)
		}
	})
}

// TestCallsThatWereGivenUpAndRunOnAreNotWithoutLimit: a worker that always gives up could otherwise have any
// number of methods run.
func TestCallsThatWereGivenUpAndRunOnAreNotWithoutLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := new(fakeHub)
		p, _ := newFakePool(t, Settings{Workers: 1, Hub: h}, always(serve(1, func(w *fakeWorker, r *protocol.Request) {
			stream := uint32(0)
			for range protocol.MaxCalls {
				stream += 2
				w.conn.Send(&protocol.Call{Stream: stream, Method: "slow"})
				w.conn.Send(&protocol.Reset{Stream: stream, Code: protocol.ResetCancelled})
				w.result()
			}
			w.conn.Send(&protocol.Call{Stream: stream + 2, Method: "count"})
			h.note(w.result())
			time.Sleep(2 * time.Second) // now they have ended
			w.conn.Send(&protocol.Call{Stream: stream + 4, Method: "count"})
			h.note(w.result())
			w.answer(r, "ok")
		})))
		defer p.Stop(context.Background())
		s, _ := submit(p, "GET", "/")
		s.result()
		h.expect(t, "130 UNAVAILABLE", "132 07")
	})
}

func TestAWorkerThatDiesLeavesNoCallBehind(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := new(fakeHub)
		p, _ := newFakePool(t, Settings{Workers: 1, Hub: h}, func(n int) script {
			return serve(1, func(w *fakeWorker, r *protocol.Request) {
				if n == 1 {
					w.conn.Send(&protocol.Call{Stream: 2, Method: "wait", Timeout: 60000})
					w.conn.Send(&protocol.Call{Stream: 4, Method: "slow"})
					w.conn.Flush()
					synctest.Wait()
					w.die("signal: killed")
					return
				}
				w.answer(r, "ok")
			})
		})
		defer p.Stop(context.Background())
		s, _ := submit(p, "POST", "/")
		s.result()
		time.Sleep(2 * time.Second) // the slow one answers nobody
		h.expect(t, "wait ended: the worker that called is gone")
	})
}

// bulk answers with a value of its own for each method.
type bulk struct {
	fakeHub
	half func() protocol.Value
}

func (h *bulk) Call(m *protocol.Call, to protocol.Caller) {
	v := bulkValues()[m.Method]
	switch m.Method {
	case "half":
		v = h.half()
	case "limit":
		v = zeros(protocol.MaxResult)
	}
	to.Reply(&protocol.Result{Value: v})
}

func newBulk() *bulk {
	return &bulk{half: sync.OnceValue(func() protocol.Value { return zeros(protocol.MaxResult / 2) })}
}

// bulkValues are made once, since they are many megabytes.
var bulkValues = sync.OnceValue(func() map[string]protocol.Value {
	const count = 17 << 10
	ids := protocol.Value{0xdc, count >> 8, count & 0xff}
	for range count {
		ids = append(append(ids, 0xc5, 4, 0), make([]byte, 1<<10)...)
	}
	text := zeros(17 << 20)
	return map[string]protocol.Value{
		"ids": ids, "count": {7}, "text": text, "map": append(protocol.Value{0x81, 0xa1, 'a'}, text...),
		"element": append(protocol.Value{0x92, 1}, text...),
	}
})

// zeros is a bin of n bytes.
func zeros(n int) protocol.Value {
	v := make(protocol.Value, 5+n)
	v[0] = 0xc6
	binary.BigEndian.PutUint32(v[1:], uint32(n))
	return v
}

// collect reads RESULTs until each of these streams has its last one, and tells how they ended, in that order.
func (w *fakeWorker) collect(streams int) (ended []string) {
	joined := map[uint32]*protocol.Joined{}
	for len(ended) < streams {
		payload, ok := w.next(protocol.TypeResult)
		if !ok {
			return append(ended, "the end")
		}
		var r protocol.Result
		if err := r.Parse(payload); err != nil {
			return append(ended, err.Error())
		}
		j := joined[r.Stream]
		if j == nil && r.More {
			j = new(protocol.Joined)
			joined[r.Stream] = j
		}
		if j != nil && r.Error == "" {
			if _, err := j.Add(r.Value); err != nil {
				return append(ended, err.Error())
			}
		}
		switch {
		case r.More:
		case r.Error != "":
			ended = append(ended, fmt.Sprintf("%d %s", r.Stream, r.Code))
		case j != nil:
			ended = append(ended, fmt.Sprintf("%d %d bytes", r.Stream, len(j.Value())))
		default:
			ended = append(ended, fmt.Sprintf("%d whole", r.Stream))
		}
		if !r.More {
			delete(joined, r.Stream)
		}
	}
	return ended
}

// piecewise runs one worker, with the feature or without, over what talk does.
func piecewise(t *testing.T, feature string, talk func(w *fakeWorker)) {
	synctest.Test(t, func(t *testing.T) {
		p, _ := newFakePool(t, Settings{Workers: 1, Hub: newBulk()}, always(func(w *fakeWorker) {
			w.features = []string{feature}
			serve(1, func(w *fakeWorker, r *protocol.Request) {
				talk(w)
				w.answer(r, "ok")
			})(w)
		}))
		defer p.Stop(context.Background())
		if s, _ := submit(p, "GET", "/"); s.result() != "ok" {
			t.Errorf("the request came to %q", s.result())
		}
	})
}

func (w *fakeWorker) askFor(methods ...string) {
	for i, method := range methods {
		w.conn.Send(&protocol.Call{Stream: w.asked + 2*uint32(i+1), Method: method})
	}
	w.asked += 2 * uint32(len(methods))
	w.conn.Flush()
}

func TestAnAnswerThatNoFrameTakesComesInPieces(t *testing.T) {
	piecewise(t, protocol.FeaturePieces, func(w *fakeWorker) {
		w.askFor("ids", "text")
		ended := w.collect(2)
		slices.Sort(ended)
		if got := strings.Join(ended, ", "); got != "2 17878019 bytes, 4 17825797 bytes" {
			t.Errorf("the answers: %s", got)
		}
		w.askFor("ids")
		w.next(protocol.TypeResult) // a piece
		w.askFor("count")
		if ended := w.collect(1); ended[0] != "8 whole" {
			t.Errorf("a short answer waited for a long one: %s", ended)
		}
	})
}

func TestAnAnswerTooLargeForPiecesIsAnErrorWithACode(t *testing.T) {
	piecewise(t, protocol.FeaturePieces, func(w *fakeWorker) {
		w.askFor("map", "element", "limit")
		ended := w.collect(3)
		slices.Sort(ended)
		if got := strings.Join(ended, ", "); got != "2 TOO_LARGE, 4 TOO_LARGE, 6 TOO_LARGE" {
			t.Errorf("the answers: %s", got)
		}
		w.askFor("half")
		w.next(protocol.TypeResult)
		w.askFor("half", "count") // together above the limit, and the first is under way
		ended = w.collect(2)
		slices.Sort(ended)
		if got := strings.Join(ended, ", "); got != "10 TOO_LARGE, 12 whole" {
			t.Errorf("the answers: %s", got)
		}
		w.conn.Send(&protocol.Reset{Stream: 8, Code: protocol.ResetCancelled})
		if ended = w.collect(1); ended[0] != "8 CANCELLED" {
			t.Errorf("given up it ended as %s", ended)
		}
		w.askFor("half")
		w.next(protocol.TypeResult) // a piece of it
		w.conn.Send(&protocol.Reset{Stream: 14, Code: protocol.ResetCancelled})
		if ended = w.collect(1); ended[0] != "14 CANCELLED" {
			t.Errorf("after the first was given up, another one came to %s", ended)
		}
	})
	piecewise(t, "", func(w *fakeWorker) {
		w.askFor("ids")
		if ended := w.collect(1); ended[0] != "2 TOO_LARGE" {
			t.Errorf("a worker that joins no pieces got %s", ended)
		}
	})
}

func TestAnAnswerInPiecesCanBeGivenUp(t *testing.T) {
	piecewise(t, protocol.FeaturePieces, func(w *fakeWorker) {
		w.askFor("ids")
		w.next(protocol.TypeResult)
		w.conn.Send(&protocol.Reset{Stream: 2, Code: protocol.ResetCancelled})
		w.conn.Flush()
		if ended := w.collect(1); ended[0] != "2 CANCELLED" {
			t.Errorf("it ended as %s", ended)
		}
		w.askFor("count")
		if ended := w.collect(1); ended[0] != "4 whole" {
			t.Errorf("the next one ended as %s", ended)
		}
	})
}
