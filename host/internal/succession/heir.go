// The heir as the giver's hubs see it: what is asked of it goes over the link, and its answers come back.

package succession

import (
	"errors"
	"fmt"

	"github.com/workerhost/workerhost/host/internal/handover"
	"github.com/workerhost/workerhost/host/internal/hub"
	"github.com/workerhost/workerhost/host/internal/peer"
	"github.com/workerhost/workerhost/protocol"
)

// heir implements [hub.Heir] for a realm.
type heir struct {
	giver *Giver
	realm string
}

// wait is for an answer of the heir: to acts, or to a call.
type wait struct {
	done func(error)
	to   *protocol.Caller
}

func (w wait) lost() {
	if w.to != nil {
		w.to.Fail(protocol.CallUnavailable, "%v", errGone)
		return
	}
	w.done(fmt.Errorf("%w: %w", protocol.ErrUnavailable, errGone))
}

// ask sends a question, to which w is what waits for the answer.
func (g *Giver) ask(w wait, kind string, body func(number uint64) any) {
	g.mu.Lock()
	if g.ended != nil {
		g.mu.Unlock()
		w.lost()
		return
	}
	g.number++
	n := g.number
	g.waits[n] = w
	err := g.link.Send(kind, body(n))
	if err != nil {
		delete(g.waits, n)
	}
	g.mu.Unlock()
	if err != nil {
		w.lost()
	}
}

// answered finds who waits for an answer.
func (g *Giver) answered(number uint64) (w wait, ok bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	w, ok = g.waits[number]
	delete(g.waits, number)
	return w, ok
}

// Commit implements hub.Heir.
func (h heir) Commit(subject string, refused bool, acts []protocol.Act, done func(error)) {
	if len(acts) == 0 {
		done(nil)
		return
	}
	encoded := encodeActs(acts)
	h.giver.ask(wait{done: done}, kindCommit, func(n uint64) any {
		return commitMessage{n, h.realm, subject, refused, encoded}
	})
}

// Call implements hub.Heir.
func (h heir) Call(m *protocol.Call, to protocol.Caller) {
	h.giver.ask(wait{to: &to}, kindCall, func(n uint64) any { return callMessage{n, h.realm, m.AppendFrame(nil)} })
}

// Swap implements hub.Heir.
func (h heir) Swap(m *protocol.Swap, to protocol.Caller) {
	h.giver.ask(wait{to: &to}, kindSwap, func(n uint64) any { return callMessage{n, h.realm, m.AppendFrame(nil)} })
}

// tell sends what has no answer.
func (h heir) tell(kind string, body any) {
	if err := h.giver.link.Send(kind, body); err != nil {
		h.giver.log.Debug("the new host was not told", "what", kind, "error", err)
	}
}

// Done implements hub.Heir.
func (h heir) Done(id string, o hub.Outcome) { h.tell(kindDone, doneMessage{h.realm, id, o}) }

// Open implements hub.Heir.
func (h heir) Open(c *hub.Connection) { h.introduce(kindOpen, c) }

// Hold implements hub.Heir.
func (h heir) Hold(c *hub.Connection) { h.introduce(kindHold, c) }

func (h heir) introduce(kind string, c *hub.Connection) {
	one := connection{ID: c.ID(), Hub: c.Record()}
	if m, ok := c.Peer().(peer.Mover); ok && one.Hub != nil {
		one.Peer = m.Record()
		if h.giver.link.Send(kind, singleMessage{h.realm, one}) == nil {
			return
		}
	}
	h.giver.realms[h.realm].Answered(c.ID(), hub.Admission{Failure: unavailable()})
	if kind == kindHold {
		go c.Peer().Abort() // its front may hold a lock
	}
}

func unavailable() *protocol.Failure {
	return &protocol.Failure{Kind: protocol.FailedStopping, Detail: errGone.Error()}
}

// Closed implements hub.Heir.
func (h heir) Closed(id string, code int, reason string, clean bool) {
	h.tell(kindClosed, closedMessage{h.realm, id, code, reason, clean})
}

func (g *Giver) onCommitted(m handover.Message) error {
	m.Discard()
	var c committedMessage
	if err := m.Decode(&c); err != nil {
		return err
	}
	w, ok := g.answered(c.Number)
	switch {
	case !ok || w.done == nil:
	case c.Error == "":
		w.done(nil)
	case c.Unavailable:
		w.done(fmt.Errorf("%w: %s", protocol.ErrUnavailable, c.Error))
	default:
		w.done(errors.New(c.Error))
	}
	return nil
}

func (g *Giver) onResult(m handover.Message) error {
	m.Discard()
	var r resultMessage
	if err := m.Decode(&r); err != nil {
		return err
	}
	p, err := payload(r.Frame)
	if err != nil {
		return err
	}
	var result protocol.Result
	if err := result.Parse(p); err != nil {
		return err
	}
	if w, ok := g.answered(r.Number); ok && w.to != nil {
		w.to.Reply(&result)
	}
	return nil
}

func (g *Giver) onAnswered(m handover.Message) error {
	m.Discard()
	var a answeredMessage
	if err := m.Decode(&a); err != nil {
		return err
	}
	h := g.realms[a.Realm]
	if h == nil {
		return fmt.Errorf("the other host answers for a realm %q, which it was never told of", a.Realm)
	}
	admission := hub.Admission{Accepted: a.Accepted, Subprotocol: a.Subprotocol, Headers: a.Headers}
	if a.Failure != 0 {
		admission.Failure = &protocol.Failure{Kind: protocol.FailureKind(a.Failure), Detail: a.Detail}
	}
	if len(a.Response) > 0 {
		p, err := payload(a.Response)
		if err != nil {
			return err
		}
		admission.Response = new(protocol.Response)
		if err := admission.Response.Parse(p); err != nil {
			return err
		}
		admission.Response = admission.Response.Clone()
	}
	h.Answered(a.ID, admission)
	return nil
}

func (g *Giver) onCut(m handover.Message) error {
	m.Discard()
	var c cutMessage
	if err := m.Decode(&c); err != nil {
		return err
	}
	if h := g.realms[c.Realm]; h != nil {
		h.Cut(c.ID)
	}
	return nil
}
