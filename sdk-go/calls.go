// Calls: questions to the host, and their answers (SPEC.md §10.4). Any number of goroutines may ask; as many are
// unanswered at a time as the host takes.

package sdk

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/workerhost/workerhost/protocol"
)

// CallError is the host's refusal of a question, or of a change of a session; errors.As finds it. Where the host
// gave up for the call's time or since its context had ended, errors.Is finds [context.DeadlineExceeded] or
// [context.Canceled] as well.
type CallError struct {
	Code    protocol.CallCode // of which kind it is (SPEC.md §10.4); 0 if the host did not say
	Message string            // the host's words, for a person to read
}

// Error gives the host's words.
func (e *CallError) Error() string { return "sdk: the host says: " + e.Message }

// Is implements what errors.Is asks for.
func (e *CallError) Is(target error) bool {
	switch target {
	case context.DeadlineExceeded:
		return e.Code == protocol.CallDeadlineExceeded
	case context.Canceled:
		return e.Code == protocol.CallCancelled
	}
	return false
}

// calls is a link's unanswered questions.
type calls struct {
	slots chan struct{} // one for each unanswered question, taken in call, given back in result

	mu      sync.Mutex // held while a question is sent, so that stream numbers grow on the wire
	last    uint32
	waiting map[uint32]*waiting
	joined  int // bytes of all pieces whose answers are not whole
}

// waiting is a question without its answer.
type waiting struct {
	answer chan protocol.Result
	pieces *protocol.Joined // nil: none has come
}

// newCalls has room for most unanswered questions (§10.5).
func newCalls(most int) calls {
	return calls{slots: make(chan struct{}, most), waiting: make(map[uint32]*waiting)}
}

// call sends a question on a stream of its own, and waits for the answer, for ctx, or for the link's end.
func (l *link) call(ctx context.Context, question func(stream uint32) protocol.Message) (protocol.Value, error) {
	if !l.ready.Load() {
		return nil, ErrNotReady
	}
	select {
	case l.calls.slots <- struct{}{}:
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	case <-l.gone:
		return nil, ErrHostGone
	}
	stream, answer, err := l.pose(question)
	if err != nil {
		return nil, err
	}
	select {
	case r := <-answer:
		if r.Error != "" {
			return nil, &CallError{r.Code, r.Error}
		}
		return r.Value, nil
	case <-ctx.Done(): // the slot stays taken until the answer comes, which it does now if not before
		_ = l.send(&protocol.Reset{Stream: stream, Code: protocol.ResetCancelled}) // a broken pipe ends the link
		return nil, context.Cause(ctx)
	case <-l.gone:
		return nil, ErrHostGone
	}
}

// timeLeft is how many milliseconds ctx leaves for a question, for CALL; 0 if it sets no end.
func timeLeft(ctx context.Context) int64 {
	end, ok := ctx.Deadline()
	if !ok {
		return 0
	}
	return max(1, (time.Until(end) + time.Millisecond - 1).Milliseconds())
}

// pose sends a question, for which the caller has taken a slot.
func (l *link) pose(question func(stream uint32) protocol.Message) (stream uint32, answer <-chan protocol.Result,
	err error) {
	q := &waiting{answer: make(chan protocol.Result, 1)}
	l.calls.mu.Lock()
	defer l.calls.mu.Unlock()
	stream = l.calls.last + 2
	m := question(stream)
	if _, _, err := l.append(nil, m); err != nil {
		<-l.calls.slots
		return 0, nil, err
	}
	l.calls.last = stream
	l.calls.waiting[stream] = q
	return stream, q.answer, l.send(m)
}

// result hands an answer to whoever waits for it, once it is whole. It is called by the reader; an error is a link
// error.
func (l *link) result(payload []byte) error {
	var m protocol.Result
	if err := m.Parse(payload); err != nil {
		return err
	}
	c := &l.calls
	c.mu.Lock()
	defer c.mu.Unlock()
	q, ok := c.waiting[m.Stream]
	if !ok {
		return &protocol.LinkError{Expected: "RESULT of an unanswered CALL or SWAP",
			Got: fmt.Sprintf("one on stream %d", m.Stream)}
	}
	if whole, err := c.join(q, &m); !whole {
		return err
	}
	delete(c.waiting, m.Stream)
	q.answer <- m
	<-c.slots
	return nil
}

// join keeps a piece of an answer, and says whether m is all of it by now. Under mu.
func (c *calls) join(q *waiting, m *protocol.Result) (whole bool, err error) {
	if q.pieces == nil {
		if !m.More {
			return true, nil
		}
		q.pieces = new(protocol.Joined)
	}
	if m.Error == "" {
		grown, err := q.pieces.Add(m.Value)
		if err != nil {
			return false, err
		}
		if c.joined += grown; c.joined > protocol.MaxResult {
			most := fmt.Sprintf("at most %d bytes of RESULTs in pieces", protocol.MaxResult)
			return false, &protocol.LinkError{Expected: most, Got: "more"}
		}
		if m.More {
			return false, nil
		}
		m.Value = q.pieces.Value()
	}
	c.joined -= q.pieces.Size()
	return true, nil
}
