package sdk

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/workerhost/workerhost/protocol"
)

// asker is the connections of a fake host, with a context of its own.
func asker(h *fakeHost) (context.Context, Hub) {
	ctx := context.WithValue(context.Background(), linkKey{}, current.Load())
	return ctx, Connections(ctx)
}

func (h *fakeHost) nextCall(stream uint32) *protocol.Call {
	return expect[*protocol.Call](&call{h, stream, h.stream(stream)})
}

func TestARefusedQuestionSaysOfWhichKindTheErrorIs(t *testing.T) {
	h := newHost(t, hello)
	_, conns := asker(h)
	stream := uint32(0)
	for _, c := range []struct {
		code protocol.CallCode
		is   error
	}{
		{0, nil}, {protocol.CallUnavailable, nil}, {protocol.CallDeadlineExceeded, context.DeadlineExceeded},
		{protocol.CallCancelled, context.Canceled}, {299, nil},
	} {
		stream += 2
		go func() {
			h.nextCall(stream)
			h.send(&protocol.Result{Stream: stream, Error: "no", Code: c.code})
		}()
		_, err := conns.Count("")
		var refused *CallError
		if !errors.As(err, &refused) || refused.Code != c.code || refused.Message != "no" {
			t.Errorf("%s: the error is %#v", c.code, err)
		}
		for _, other := range []error{context.DeadlineExceeded, context.Canceled} {
			if errors.Is(err, other) != (other == c.is) {
				t.Errorf("%s: is it %v? %v", c.code, other, errors.Is(err, other))
			}
		}
	}
}

func TestAQuestionWhoseContextEndsIsGivenUp(t *testing.T) {
	h := newHost(t, hello)
	ctx, _ := asker(h)
	ended, end := context.WithCancelCause(ctx)
	asked := make(chan error, 1)
	go func() {
		_, err := Connections(ended).Count("")
		asked <- err
	}()
	if m := h.nextCall(2); m.Timeout != 0 {
		t.Errorf("a context without an end gives %d ms", m.Timeout)
	}
	end(errThrown)
	if m := expect[*protocol.Reset](&call{h, 2, h.stream(2)}); m.Code != protocol.ResetCancelled {
		t.Errorf("the call was RESET with %s", m.Code)
	}
	if err := <-asked; !errors.Is(err, errThrown) {
		t.Errorf("it came to %v", err)
	}
	h.send(&protocol.Result{Stream: 2, Error: "given up", Code: protocol.CallCancelled})

	limited, cancel := context.WithTimeout(ctx, time.Hour)
	defer cancel()
	go func() {
		_, err := Connections(limited).Count("")
		asked <- err
	}()
	if m := h.nextCall(4); m.Timeout <= 3590_000 || m.Timeout > 3600_000 {
		t.Errorf("an hour gives %d ms", m.Timeout)
	}
	h.send(&protocol.Result{Stream: 4, Value: protocol.Value{1}})
	if err := <-asked; err != nil {
		t.Error(err)
	}
}

func TestAnAnswerInPiecesIsPutTogether(t *testing.T) {
	h := newHost(t, hello)
	_, conns := asker(h)
	piece := func(stream uint32, more bool, ids ...string) {
		v, _ := protocol.NewValue(append([]string{}, ids...))
		h.send(&protocol.Result{Stream: stream, Value: v, More: more})
	}
	many := slices.Repeat([]string{"x"}, 100)
	go func() {
		h.nextCall(2)
		piece(2, true, "a", "b")
		piece(2, true)
		piece(2, true, many...)
		piece(2, false, "c")
		h.nextCall(4)
		piece(4, true, "a")
		h.send(&protocol.Result{Stream: 4, Error: "no", Code: protocol.CallInternal})
	}()
	if ids, err := conns.IDs(""); err != nil || strings.Join(ids, "") != "ab"+strings.Join(many, "")+"c" {
		t.Errorf("the pieces came to %q, %v", ids, err)
	}
	if ids, err := conns.IDs(""); err == nil || ids != nil {
		t.Errorf("a failed piece came to %q, %v", ids, err)
	}
	if c := &current.Load().calls; c.joined != 0 {
		t.Errorf("%d bytes are held when all is whole", c.joined)
	}
}

func TestPiecesAreBounded(t *testing.T) {
	const piece, most = 1 << 20, 3
	c := calls{joined: protocol.MaxResult - most*piece} // the rest belongs to other answers
	q := &waiting{}
	m := protocol.Result{More: true, Value: append(protocol.Value{0xc6, 0, piece >> 16, 0, 0}, make([]byte, piece)...)}
	n := 0
	for ; n < 100; n++ {
		if _, err := c.join(q, &m); err != nil {
			break
		}
	}
	if n != most {
		t.Errorf("%d pieces were put together, beside others, where there was room for %d", n, most)
	}
}
