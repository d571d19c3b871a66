// ask.go: what workers ask of the connections of all hosts, and the answers of others.

package cluster

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/vmihailenco/msgpack/v5"
	"github.com/workerhost/workerhost/host/internal/hub"
	"github.com/workerhost/workerhost/protocol"
)

// AskTime is how long the others have for an answer.
const AskTime = 2 * time.Second

// askMessage is a question: a CALL's or a SWAP's frame, of a realm, or of a kind that rooms of this host answer.
type askMessage struct {
	Realm string `msgpack:"realm"`
	Frame []byte `msgpack:"frame"`
}

// answerMessage is a RESULT.
type answerMessage struct {
	Error string         `msgpack:"error"`
	Code  int            `msgpack:"code"`
	Value protocol.Value `msgpack:"value"`
}

// question is one that is under way.
type question struct {
	from    map[string]string // the stations whose answers are to come, with their hosts' names
	one     bool              // the first answer is the only one
	parts   chan partMessage  // of an order; nil for all others
	answers []answerMessage
	err     error
	done    chan struct{} // closed when there is nothing to come
}

// ask asks, and gives the answers that have come when ctx ends, or when all are there, and who is silent. With one the
// first answer is the last, and nobody may be there to give it.
func (r *Room) ask(ctx context.Context, subject string, m any, one bool) (answers []answerMessage, silent []string,
	err error) {
	q := &question{one: one, done: make(chan struct{})}
	if !one {
		q.from = r.others()
		if len(q.from) == 0 {
			return nil, nil, nil
		}
	}
	reply, forget := r.expect(q)
	defer forget()
	ctx, cancel := context.WithTimeout(ctx, AskTime)
	defer cancel()
	r.say(saying{subjects: []string{subject}, reply: reply, body: m, failed: func(err error) {
		r.mu.Lock()
		defer r.mu.Unlock()
		if q.err = err; !q.over() {
			close(q.done)
		}
	}})
	select {
	case <-q.done:
	case <-ctx.Done():
	case <-r.ctx.Done():
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	silent = slices.Sorted(maps.Values(q.from))
	if one && !q.over() {
		silent = []string{"the host that has it"}
	}
	return q.answers, silent, q.err
}

// expect has what comes on a subject be an answer to q, until forget is called.
func (r *Room) expect(q *question) (reply string, forget func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.serial++
	reply = r.prefix + subjectReplies + r.life + "." + strconv.FormatUint(r.serial, 36)
	r.questions[reply] = q
	return reply, func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		delete(r.questions, reply)
	}
}

func (q *question) over() bool {
	select {
	case <-q.done:
		return true
	default:
		return false
	}
}

// answered notes an answer; nil: there is nobody to give one.
func (r *Room) answered(subject, from string, body []byte) {
	r.mu.Lock()
	defer r.mu.Unlock()
	q := r.questions[subject]
	if q == nil || q.over() {
		return
	}
	if q.parts != nil {
		q.onPart(body)
		return
	}
	var a answerMessage
	if body != nil && msgpack.Unmarshal(body, &a) != nil {
		return
	}
	_, expected := q.from[from]
	switch {
	case body == nil: // of a question to all, too: none of them is there
		close(q.done)
	case q.one:
		q.answers = append(q.answers, a)
		close(q.done)
	case expected:
		q.answers = append(q.answers, a)
		if delete(q.from, from); len(q.from) == 0 {
			close(q.done)
		}
	}
}

// silent has nobody wait for a host that is lost: it is named at once.
func (r *Room) silent(station string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, q := range r.questions {
		if _, waits := q.from[station]; waits && len(q.from) == 1 && !q.over() {
			close(q.done)
		}
	}
}

// onAsked answers another host.
func (r *Room) onAsked(m *nats.Msg, body []byte) error {
	var q askMessage
	if err := msgpack.Unmarshal(body, &q); err != nil {
		return err
	}
	if m.Reply == "" {
		return errors.New("a question without a place for the answer")
	}
	r.mu.Lock()
	realm := r.realms[q.Realm]
	r.mu.Unlock()
	answer := func(a answerMessage) {
		r.say(saying{subjects: []string{m.Reply}, body: &a, size: len(a.Value), failed: func(error) {}})
	}
	if realm == nil { // its value is that of nothing
		answer(answerMessage{})
		return nil
	}
	const length = 4
	if len(q.Frame) < length {
		return errors.New("half a frame")
	}
	to := protocol.NewCaller(desk{r.ctx, answer}, 1)
	kind, _, err := protocol.Head(q.Frame[length:])
	if err != nil {
		return err
	}
	switch kind {
	case protocol.TypeCall:
		var call protocol.Call
		if err := call.Parse(q.Frame[length:]); err != nil {
			return err
		}
		realm.hub.Call(&call, to)
	case protocol.TypeSwap:
		var swap protocol.Swap
		if err := swap.Parse(q.Frame[length:]); err != nil {
			return err
		}
		realm.hub.Swap(&swap, to)
	default:
		return fmt.Errorf("%v is no question", kind)
	}
	return nil
}

// desk is where a hub's answer goes. It implements [protocol.Desk].
type desk struct {
	ctx    context.Context
	answer func(answerMessage)
}

// Reply implements [protocol.Desk].
func (d desk) Reply(_ uint32, r *protocol.Result) {
	d.answer(answerMessage{Error: r.Error, Code: int(r.Code), Value: slices.Clone(r.Value)})
}

// Waiting implements [protocol.Desk].
func (d desk) Waiting(uint32) context.Context { return d.ctx }

// Call implements [protocol.Hub].
func (r *Realm) Call(m *protocol.Call, to protocol.Caller) {
	merge := merges[m.Method]
	byID := m.Method == "connection" || m.Method == "session"
	switch {
	case merge != nil && len(r.room.others()) > 0:
		r.askAll(m, to, merge)
	case byID && r.foreign(firstText(m.Arguments)):
		r.askOne(firstText(m.Arguments), m.AppendFrame(nil), to)
	default:
		r.hub.Call(m, to)
	}
}

// Swap implements [protocol.Hub].
func (r *Realm) Swap(m *protocol.Swap, to protocol.Caller) {
	if r.foreign(m.Connection) {
		r.askOne(m.Connection, m.AppendFrame(nil), to)
		return
	}
	r.hub.Swap(m, to)
}

// firstText is the first argument, if it is text.
func firstText(values []protocol.Value) string {
	if len(values) == 0 {
		return ""
	}
	v, _ := values[0].Decode()
	text, _ := v.(string)
	return text
}

// askAll answers by what all hosts say. It does not wait.
func (r *Realm) askAll(m *protocol.Call, to protocol.Caller, merge merging) {
	frame := m.AppendFrame(nil)
	own := make(chan answerMessage, 1)
	r.hub.Call(m, protocol.NewCaller(desk{to.Context(), func(a answerMessage) { own <- a }}, 1))
	method := m.Method
	go func() { // ends in AskTime at most
		q := askMessage{r.name.Load().(string), frame}
		answers, silent, err := r.room.ask(to.Context(), r.room.prefix+subjectAsked, &q, false)
		if err == nil && len(silent) == 0 {
			var local answerMessage
			select {
			case local = <-own:
			case <-to.Context().Done():
			}
			value, failed, mergeErr := merge.all(append([]answerMessage{local}, answers...))
			if failed != nil {
				to.Fail(protocol.CallCode(failed.Code), "%s", failed.Error)
				return
			}
			if err = mergeErr; err == nil {
				to.Reply(&protocol.Result{Value: value})
				return
			}
		}
		to.Fail(protocol.CallUnavailable, "%s: %s", method, missing(silent, err))
	}()
}

func missing(silent []string, err error) string {
	if err != nil {
		return fmt.Sprintf("the other hosts can't be asked: %v", err)
	}
	return fmt.Sprintf("no answer within %v from %s", AskTime, strings.Join(silent, ", "))
}

// askOne has the host answer that has the connection. It does not wait.
func (r *Realm) askOne(id string, frame []byte, to protocol.Caller) {
	go func() { // ends in AskTime at most
		q := askMessage{r.name.Load().(string), frame}
		answers, silent, err := r.room.ask(to.Context(), r.subject(byOrigin, hub.Origin(id)), &q, true)
		switch {
		case err != nil:
			to.Fail(protocol.CallUnavailable, "connection %s: %s", id, missing(nil, err))
		case len(silent) > 0:
			to.Fail(protocol.CallDeadlineExceeded, "connection %s: %s", id, missing(silent, nil))
		case len(answers) == 0: // nobody has it: what this hub says of one that is not there
			r.askHere(frame, to)
		case answers[0].Error != "":
			to.Fail(protocol.CallCode(answers[0].Code), "%s", answers[0].Error)
		default:
			to.Reply(&protocol.Result{Value: answers[0].Value})
		}
	}()
}

func (r *Realm) askHere(frame []byte, to protocol.Caller) {
	const length = 4
	var call protocol.Call
	var swap protocol.Swap
	if call.Parse(frame[length:]) == nil {
		r.hub.Call(&call, to)
	} else if swap.Parse(frame[length:]) == nil {
		r.hub.Swap(&swap, to)
	}
}
