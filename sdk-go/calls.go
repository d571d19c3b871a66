// Calls: questions to the host, and their answers (SPEC.md §10.4). Any number of goroutines may ask; as many are
// unanswered at a time as the host takes.

package sdk

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/workerhost/workerhost/protocol"
)

// calls is a link's unanswered questions.
type calls struct {
	slots chan struct{} // one for each unanswered question, taken in call, given back in result

	mu      sync.Mutex // held while a question is sent, so that stream numbers grow on the wire
	last    uint32
	waiting map[uint32]chan protocol.Result
}

// newCalls has room for most unanswered questions (§10.5).
func newCalls(most int) calls {
	return calls{slots: make(chan struct{}, most), waiting: make(map[uint32]chan protocol.Result)}
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
	answer, err := l.pose(question)
	if err != nil {
		return nil, err
	}
	select {
	case r := <-answer:
		if r.Error != "" {
			return nil, errors.New("sdk: the host says: " + r.Error)
		}
		return r.Value, nil
	case <-ctx.Done(): // the slot stays taken until the answer comes
		return nil, context.Cause(ctx)
	case <-l.gone:
		return nil, ErrHostGone
	}
}

// pose sends a question, for which the caller has taken a slot.
func (l *link) pose(question func(stream uint32) protocol.Message) (<-chan protocol.Result, error) {
	answer := make(chan protocol.Result, 1)
	l.calls.mu.Lock()
	defer l.calls.mu.Unlock()
	stream := l.calls.last + 2
	m := question(stream)
	if _, _, err := l.append(nil, m); err != nil {
		<-l.calls.slots
		return nil, err
	}
	l.calls.last = stream
	l.calls.waiting[stream] = answer
	return answer, l.send(m)
}

// result hands an answer to whoever waits for it. It is called by the reader; an error is a link error.
func (l *link) result(payload []byte) error {
	var m protocol.Result
	if err := m.Parse(payload); err != nil {
		return err
	}
	l.calls.mu.Lock()
	defer l.calls.mu.Unlock()
	answer, ok := l.calls.waiting[m.Stream]
	if !ok {
		return &protocol.LinkError{Expected: "RESULT of an unanswered CALL or SWAP", Got: fmt.Sprintf("one on stream %d", m.Stream)}
	}
	delete(l.calls.waiting, m.Stream)
	answer <- m
	<-l.calls.slots
	return nil
}
