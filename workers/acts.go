// Acts: what a worker asks of the hub on a stream is staged until its DONE (SPEC.md §10.1).

package workers

import (
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/workerhost/workerhost/protocol"
)

// staging keeps the acts of a stream, and the SEND whose parts are coming. It belongs to the goroutine that reads the
// worker's frames, until that hands it on; commit.go has the rest of its way.
type staging struct {
	acts    []protocol.Act
	size    int            // bytes of their frames, and actOverhead for each
	partial *protocol.Send // its last part has not come
	parts   int            // bytes of the frames that it came in

	worker   *worker
	of       *attempt     // whose acts they are; nil on stream 0
	progress atomic.Int32 // gathered, handed, …
	pending  *pending     // set before it is awaited
	err      error        // of done, once it is confirmed
	done     func(error)  // its confirm; made once, since it is recycled
}

// stagings are for all workers: who is done with one need not be its worker's reader.
var stagings sync.Pool

// maxSpare is how many acts a staging that is kept for later has room for.
const maxSpare = 16

// newStaging is for acts of an attempt; nil: of stream 0.
func (w *worker) newStaging(a *attempt) *staging {
	s, _ := stagings.Get().(*staging)
	if s == nil {
		s = new(staging)
		s.done = s.confirm
	}
	s.worker, s.of = w, a
	return s
}

// drop forgets the acts.
func (s *staging) drop() {
	clear(s.acts)
	s.acts, s.size = s.acts[:0], 0
}

// recycle keeps it for other acts. Nobody has it any more, the hub included.
func (s *staging) recycle() {
	if cap(s.acts) > maxSpare {
		return
	}
	s.drop()
	s.worker, s.of, s.pending, s.err, s.partial, s.parts = nil, nil, nil, nil, nil, 0
	s.progress.Store(gathered)
	stagings.Put(s)
}

// named is for logs: see [exchange.named]. The exchange is the pool's until all of its acts are settled.
func (s *staging) named() []any {
	if s.of == nil {
		return nil
	}
	return s.of.x.named()
}

// actOverhead is what an act costs beside the bytes of its payload (SPEC.md §10.1).
const actOverhead = 128

// put takes an act that came in size bytes, and gives it back once it is whole; until then nil. The act is not kept.
func (s *staging) put(act protocol.Act, size int) (protocol.Act, error) {
	if s.size+s.parts+size > protocol.MaxStaged {
		return nil, &protocol.LinkError{
			Expected: fmt.Sprintf("at most %d bytes of acts on a stream", protocol.MaxStaged), Got: "more"}
	}
	_, flags := act.On()
	more := flags&protocol.FlagMore != 0 && act.Type() == protocol.TypeSend
	if more && flags&protocol.FlagDone != 0 {
		return nil, &protocol.LinkError{Expected: "DONE after the last part of a SEND", Got: "DONE with MORE"}
	}
	s.parts += size
	if s.partial != nil {
		next, ok := act.(*protocol.Send)
		if !ok {
			return nil, s.cutShort(act.Type())
		}
		s.partial.Bytes = append(s.partial.Bytes, next.Bytes...)
		act = s.partial
	}
	if more {
		s.partial = act.(*protocol.Send)
		return nil, nil
	}
	s.partial, s.parts = nil, 0
	return act, nil
}

func (s *staging) cutShort(by protocol.Type) error {
	return &protocol.LinkError{Expected: "the rest of a SEND with MORE", Got: by.String()}
}

// keep stages an act until DONE.
func (s *staging) keep(act protocol.Act, size int) {
	s.acts = append(s.acts, act)
	s.size += size + actOverhead
}

// onAct handles an act, on any stream. The act's DONE is left to the caller.
func (w *worker) onAct(t protocol.Type, stream uint32, payload []byte) (a *attempt, flags protocol.Flags, err error) {
	if !w.reader.greeted {
		return nil, 0, &protocol.LinkError{Expected: "READY before any act", Got: t.String()}
	}
	if stream != 0 {
		if a, err = w.find(stream, t.String()); err != nil {
			return nil, 0, err
		}
	}
	act := protocol.NewAct(t)
	if err = act.Parse(payload); err != nil {
		return nil, 0, err
	}
	if stream == 0 {
		whole := w.reader.loose.parts + len(payload)
		if act, err = w.reader.loose.put(act, len(payload)); act != nil {
			w.commitNow(nil, act, whole)
		}
		return nil, 0, err
	}
	if a == nil {
		return nil, 0, nil
	}
	_, flags = act.On()
	return a, flags, a.stage(act, len(payload))
}

// stage keeps an act until DONE, or has one that can't wait carried out.
func (a *attempt) stage(act protocol.Act, size int) error {
	a.answers(0)
	if a.resigned {
		return a.outspoken(act.Type())
	}
	if a.staged == nil {
		a.staged = a.worker.newStaging(a)
	}
	s := a.staged
	whole := s.parts + size
	act, err := s.put(act, size)
	if act == nil {
		return err
	}
	if _, flags := act.On(); flags&protocol.FlagNow == 0 {
		s.keep(act, whole)
	} else if a.speaks() {
		a.worker.commitNow(a, act, whole)
	}
	return nil
}

// commitNow has an act that does not wait for DONE carried out; a is nil on stream 0.
func (w *worker) commitNow(a *attempt, act protocol.Act, size int) {
	s := w.newStaging(a)
	s.keep(act, size)
	if settled, _ := w.commit(s); settled {
		s.recycle()
	} else {
		w.afterwards(s, nil)
	}
}

// outspoken refuses an act after REFUSED, and lets it pass after any other RESET.
func (a *attempt) outspoken(t protocol.Type) error {
	a.calls.Lock()
	defer a.calls.Unlock()
	if a.answer == refused {
		return a.afterDecline(t)
	}
	return nil
}

// speaks notes that the worker does what can't be undone, so that its death is none without a word any more, nor can
// the request be recalled. It says false if that has happened: then the act is another worker's to do.
func (a *attempt) speaks() bool {
	a.calls.Lock()
	defer a.calls.Unlock()
	w := a.worker
	w.mu.Lock()
	recalled := a.recalled
	w.mu.Unlock()
	if !recalled && a.answer == mute {
		a.hears(spoken)
	}
	return !recalled
}

// resign forgets what was staged: the worker gave the stream up. The reader's own.
func (a *attempt) resign() { a.resigned, a.staged = true, nil }

// unfinished says that DONE came in the midst of a SEND. The reader's own.
func (a *attempt) unfinished() error {
	if a.staged != nil && a.staged.partial != nil {
		return a.staged.cutShort(protocol.TypeDone)
	}
	return nil
}

// defers says whether there are acts that have to take effect before the client has the answer m, since DONE comes
// with it: a client that has its answer may count on them. The reader's own.
func (a *attempt) defers(m *protocol.Response) bool {
	return m.Flags == protocol.FlagEnd|protocol.FlagDone && m.Hold == nil && !a.x.isEvent() && a.unfinished() == nil &&
		(a.staged != nil && len(a.staged.acts) > 0 || a.worker.commits.has(a))
}

// owed is what has to be settled before the exchange is over: what was staged, if it counts, after what was to be done
// at once and is not yet; nil: nothing. The reader's own, or that of who comes after it.
func (a *attempt) owed(counts bool) *staging {
	s, waits := a.staged, a.worker.commits.has(a)
	a.staged = nil
	switch {
	case s == nil && !waits:
		return nil
	case s == nil:
		return a.worker.newStaging(a)
	case !counts:
		s.drop()
	}
	if len(s.acts) == 0 && !waits {
		s.recycle()
		return nil
	}
	return s
}
