package sdk

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/workerhost/workerhost/protocol"
)

func hello(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "Hello, World!") }

func TestReadyStatesConcurrencyAndWindow(t *testing.T) {
	h := newHost(t, hello, WithConcurrency(3))
	if r := h.ready; r.Version != 1 || r.Concurrency != 3 || r.Window != protocol.DefaultWindow || r.PID == 0 ||
		r.SDK == "" {
		t.Errorf("READY is %+v", r)
	}
	if h := newHost(t, hello); h.ready.Concurrency != 256 {
		t.Errorf("the default concurrency is %d", h.ready.Concurrency)
	}
}

func TestASmallResponseIsOneFrame(t *testing.T) {
	h := newHost(t, hello)
	for range 3 {
		m := h.open(protocol.Request{}).whole()
		if m.Status != 200 || string(m.Body) != "Hello, World!" ||
			!slices.Equal(m.Headers, []string{"Content-Type", "text/plain; charset=utf-8"}) {
			t.Errorf("RESPONSE is %+v", m)
		}
	}
}

func TestAFailedStartIsToldToTheHost(t *testing.T) {
	for name, hook := range map[string]func(context.Context) error{
		"no database": func(context.Context) error { return errors.New("no database") },
		"panic: boom": func(context.Context) error { panic("boom") },
	} {
		h := startHost(t, protocol.Hello{}, nil, OnStart(hook), OnStop(func() {
			t.Error("OnStop ran after a failed boot")
		}))
		m, ok := h.link.take().(*protocol.Failed)
		if !ok || m.Message != name {
			t.Errorf("FAILED is %+v", m)
		}
		if panicked := strings.HasPrefix(name, "panic"); panicked != strings.Contains(m.Trace, "serve_test.go") {
			t.Errorf("%s: the trace is %q", name, m.Trace)
		}
		if err := <-h.gone; err == nil || !strings.Contains(err.Error(), strings.TrimPrefix(name, "panic: ")) {
			t.Errorf("Serve returned %v", err)
		}
		h.in.Close()
		h.out.Close()
	}
}

func TestHooksRunInOrderAroundTheRequests(t *testing.T) {
	var order []string
	start := func(name string) Option {
		return OnStart(func(ctx context.Context) error {
			order = append(order, fmt.Sprint(name, " in slot ", Self(ctx).Slot))
			return nil
		})
	}
	stop := func(name string) Option { return OnStop(func() { order = append(order, name) }) }
	h := startHost(t, protocol.Hello{Slot: 4}, http.HandlerFunc(hello), start("a"), start("b"), stop("y"), stop("z"))
	h.awaitReady()
	h.open(protocol.Request{}).whole()
	h.send(&protocol.Drain{})
	if err := <-h.gone; err != nil {
		t.Error(err)
	}
	if want := []string{"a in slot 4", "b in slot 4", "z", "y"}; !slices.Equal(order, want) {
		t.Errorf("the hooks ran as %q", order)
	}
	h.in.Close()
	h.out.Close()
}

func TestDrainDuringTheBootCallsItOff(t *testing.T) {
	began := make(chan struct{})
	h := startHost(t, protocol.Hello{}, nil, OnStart(func(ctx context.Context) error {
		close(began)
		<-ctx.Done()
		return ctx.Err()
	}))
	<-began
	h.send(&protocol.Drain{})
	if err := <-h.gone; err != nil {
		t.Error(err)
	}
	if m := h.link.take(); m != nil {
		t.Errorf("the worker sent %+v", m)
	}
	h.in.Close()
	h.out.Close()
}

func TestDrainFinishesWhatHasBegunAndRefusesWhatHasNot(t *testing.T) {
	release := make(chan struct{})
	h := startHost(t, protocol.Hello{}, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.NewResponseController(w).Flush()
		<-release
		hello(w, r)
	}))
	h.awaitReady()
	begun := h.open(protocol.Request{})
	expect[*protocol.Response](begun)
	h.send(&protocol.Drain{})
	h.open(protocol.Request{}).expectReset(protocol.ResetRefused)
	close(release)
	if m := expect[*protocol.Data](begun); string(m.Bytes) != "Hello, World!" || m.Flags != last {
		t.Errorf("the rest is %+v", m)
	}
	if err := <-h.gone; err != nil {
		t.Error(err)
	}
	h.in.Close()
	h.out.Close()
}

func TestAStreamLearnsOfTheDrainAndComesToAnEnd(t *testing.T) {
	leaving := make(chan struct{})
	var order []string
	h := startHost(t, protocol.Hello{}, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.NewResponseController(w).Flush()
		select {
		case <-leaving:
			io.WriteString(w, "bye")
		case <-r.Context().Done():
		}
	}), OnDrain(func() { panic("boom") }), OnDrain(func() { close(leaving); order = append(order, "drain") }),
		OnStop(func() { order = append(order, "stop") }))
	h.awaitReady()
	begun := h.open(protocol.Request{})
	expect[*protocol.Response](begun)
	h.send(&protocol.Drain{})
	h.expectLog("panic in an OnDrain hook: boom")
	if m := expect[*protocol.Data](begun); string(m.Bytes) != "bye" || m.Flags != last {
		t.Errorf("the rest is %+v", m)
	}
	if err := <-h.gone; err != nil {
		t.Error(err)
	}
	if want := []string{"drain", "stop"}; !slices.Equal(order, want) {
		t.Errorf("the hooks ran as %q", order)
	}
	h.in.Close()
	h.out.Close()
}

func TestAHostThatGoesWhileNothingRunsIsNoError(t *testing.T) {
	h := startHost(t, protocol.Hello{}, http.HandlerFunc(hello))
	h.awaitReady()
	h.open(protocol.Request{}).whole()
	h.out.Close()
	if err := <-h.gone; err != nil {
		t.Error(err)
	}
	h.in.Close()
}

func TestAHostThatGoesCancelsWhatRuns(t *testing.T) {
	causes := make(chan error, 1)
	h := startHost(t, protocol.Hello{}, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.(http.Flusher).Flush()
		<-r.Context().Done()
		causes <- context.Cause(r.Context())
	}))
	h.awaitReady()
	expect[*protocol.Response](h.open(protocol.Request{}))
	h.out.Close()
	if err := <-h.gone; !errors.Is(err, ErrHostGone) {
		t.Errorf("Serve returned %v", err)
	}
	if err := <-causes; err != ErrHostGone {
		t.Errorf("the cause was %v", err)
	}
	h.in.Close()
}

func TestAStuckHandlerDoesNotKeepTheWorkerAliveWithoutAHost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		workerIn, hostOut := io.Pipe()
		hostIn, workerOut := io.Pipe()
		h := joinHost(t, hostIn, hostOut, protocol.Hello{})
		go func() {
			h.gone <- serve(workerIn, workerOut, http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
				<-release
			}), nil)
		}()
		go h.read()
		h.awaitReady()
		h.open(protocol.Request{})
		synctest.Wait()
		h.out.Close()
		if err := <-h.gone; !errors.Is(err, ErrHostGone) {
			t.Errorf("Serve returned %v", err)
		}
		close(release)
		h.in.Close()
	})
}

func TestBeyondItsConcurrencyAWorkerRefuses(t *testing.T) {
	release := make(chan struct{})
	h := newHost(t, func(w http.ResponseWriter, r *http.Request) { <-release }, WithConcurrency(2))
	a, b := h.open(protocol.Request{}), h.open(protocol.Request{})
	h.open(protocol.Request{}).expectReset(protocol.ResetRefused)
	close(release)
	a.whole()
	b.whole()
	h.open(protocol.Request{}).whole()
}

func TestPingIsAnsweredWhileEveryHandlerWaits(t *testing.T) {
	release := make(chan struct{})
	h := newHost(t, func(w http.ResponseWriter, r *http.Request) { <-release }, WithConcurrency(1))
	c := h.open(protocol.Request{})
	h.send(&protocol.Ping{Token: 42})
	if m, ok := h.link.take().(*protocol.Pong); !ok || m.Token != 42 {
		t.Errorf("PONG is %+v", m)
	}
	close(release)
	c.whole()
}

// odd is a message of any type.
type odd struct {
	t      protocol.Type
	stream byte
}

func (m odd) Type() protocol.Type         { return m.t }
func (m odd) AppendFrame(b []byte) []byte { return append(b, 0, 0, 0, 3, 0x92, byte(m.t), m.stream) }

func TestMessagesOfUnknownTypeAreRefusedByName(t *testing.T) {
	began := make(chan struct{}, 1)
	h := newHost(t, func(w http.ResponseWriter, r *http.Request) {
		began <- struct{}{}
		<-r.Context().Done()
	})
	h.send(odd{60, 0})
	h.expectLog("type 60")

	known := h.open(protocol.Request{})
	<-began
	h.send(odd{61, byte(known.id)})
	if m := expect[*protocol.Reset](known); m.Code != protocol.ResetInternal ||
		!strings.Contains(m.Reason, "type 61") {
		t.Errorf("RESET is %+v", m)
	}
	expect[*protocol.Done](known)

	h.send(odd{62, 99}) // a stream that no message we know has opened: no DONE
	fresh := &call{h, 99, h.stream(99)}
	if m := expect[*protocol.Reset](fresh); m.Code != protocol.ResetUnknown {
		t.Errorf("RESET is %+v", m)
	}
	h.send(odd{62, 1}) // done already: dropped
	h.send(&protocol.Ping{Token: 1})
	h.link.take()
	if len(fresh.messages) > 0 || len(known.messages) > 0 {
		t.Errorf("more came: %v %v", fresh.messages, known.messages)
	}
}

func TestABrokenLinkSaysWhatCame(t *testing.T) {
	h := startHost(t, protocol.Hello{}, nil)
	h.awaitReady()
	h.send(&protocol.Done{Stream: 1})
	if err := <-h.gone; err == nil || !strings.Contains(err.Error(), "DONE") {
		t.Errorf("Serve returned %v", err)
	}
	h.in.Close()
	h.out.Close()
}
