// What the giver's workers still commit, call and end once the hubs are this host's: the desk at which they are
// answered.

package succession

import (
	"context"
	"errors"
	"sync"

	"github.com/workerhost/workerhost/host/internal/handover"
	"github.com/workerhost/workerhost/host/internal/hub"
	"github.com/workerhost/workerhost/protocol"
)

func (t *Taker) onCommit(m handover.Message) error {
	v, err := read[commitMessage](m)
	if err != nil {
		return err
	}
	in, err := t.realm(v.Realm)
	var acts []protocol.Act
	if err == nil {
		acts, err = decodeActs(v.Acts)
	}
	done := func(err error) {
		answer := committedMessage{Number: v.Number}
		if err != nil {
			answer.Error, answer.Unavailable = err.Error(), errors.Is(err, protocol.ErrUnavailable)
		}
		t.tell(kindCommitted, answer)
	}
	if err != nil {
		done(err)
		return nil
	}
	in.CommitOf(v.Subject, v.Refused, acts, done)
	return nil
}

func (t *Taker) onCall(m handover.Message) error {
	var call protocol.Call
	return t.onAsked(m, call.Parse, func(in *hub.Hub, to protocol.Caller) { in.Call(&call, to) })
}

func (t *Taker) onSwap(m handover.Message) error {
	var swap protocol.Swap
	return t.onAsked(m, swap.Parse, func(in *hub.Hub, to protocol.Caller) { in.Swap(&swap, to) })
}

// onAsked has a realm's hub answer what a worker of the giver asks.
func (t *Taker) onAsked(m handover.Message, parse func([]byte) error, ask func(*hub.Hub, protocol.Caller)) error {
	v, err := read[callMessage](m)
	if err != nil {
		return err
	}
	p, err := payload(v.Frame)
	if err == nil {
		err = parse(p)
	}
	if err != nil {
		return err
	}
	to := t.desk.caller(v.Number)
	in, err := t.realm(v.Realm)
	if err != nil {
		to.Fail(protocol.CallUnavailable, "%v", err)
		return nil
	}
	ask(in, to)
	return nil
}

func (t *Taker) onDone(m handover.Message) error {
	v, err := read[doneMessage](m)
	if err != nil {
		return err
	}
	if in, err := t.realm(v.Realm); err == nil {
		in.Done(v.ID, v.Outcome)
	}
	return nil
}

// desk is where calls of the giver's workers are answered. It implements [protocol.Desk].
type desk struct {
	link Sender
	ctx  context.Context

	mu sync.Mutex
	// guarded by mu
	numbers map[uint32]uint64 // by stream, of those that are not answered
	last    uint32
}

func (d *desk) caller(number uint64) protocol.Caller {
	d.mu.Lock()
	defer d.mu.Unlock()
	for {
		d.last += 2
		if _, taken := d.numbers[d.last]; !taken && d.last != 0 {
			break
		}
	}
	d.numbers[d.last] = number
	return protocol.NewCaller(d, d.last)
}

// Reply implements protocol.Desk.
func (d *desk) Reply(stream uint32, r *protocol.Result) {
	d.mu.Lock()
	number, ok := d.numbers[stream]
	delete(d.numbers, stream)
	d.mu.Unlock()
	if ok {
		r.Stream = 2 // any; the giver sets that of its worker
		d.link.Send(kindResult, resultMessage{number, r.AppendFrame(nil)})
	}
}

// Waiting implements protocol.Desk.
func (d *desk) Waiting(uint32) context.Context { return d.ctx }
