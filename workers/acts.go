// Acts: what a worker asks of the hub on a stream is staged until its DONE (SPEC.md §10.1).

package workers

import (
	"fmt"

	"github.com/hashicorp/go-hclog"
	"github.com/workerhost/workerhost/protocol"
)

// staging keeps the acts of a stream, and the SEND whose parts are coming. It belongs to the goroutine that reads the worker's frames.
type staging struct {
	acts    []protocol.Act
	size    int            // bytes of their frames, and actOverhead for each
	partial *protocol.Send // its last part has not come
	parts   int            // bytes of the frames that it came in
}

// actOverhead is what an act costs beside the bytes of its payload (SPEC.md §10.1).
const actOverhead = 128

// put takes an act that came in size bytes, and gives it back once it is whole; until then nil. The act is not kept.
func (s *staging) put(act protocol.Act, size int) (protocol.Act, error) {
	if s.size+s.parts+size > protocol.MaxStaged {
		return nil, &protocol.LinkError{Expected: fmt.Sprintf("at most %d bytes of acts on a stream", protocol.MaxStaged), Got: "more"}
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
		if act, err = w.reader.loose.put(act, len(payload)); act != nil {
			w.commit(nil, []protocol.Act{act})
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
		a.staged = a.worker.newStaging()
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
		a.worker.commit(a.x, []protocol.Act{act})
	}
	return nil
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

// speaks notes that the worker does what can't be undone, so that its death is none without a word any more, nor can the request be recalled. It says
// false if that has happened: then the act is another worker's to do.
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

// commit carries out what was staged, all together, or says why it could not. The reader's own.
func (a *attempt) commit() error {
	if a.staged == nil || len(a.staged.acts) == 0 {
		return nil
	}
	s := a.staged
	a.staged = nil
	err := a.worker.commit(a.x, s.acts)
	if cap(s.acts) > maxSpare {
		return err
	}
	clear(s.acts)
	*s = staging{acts: s.acts[:0]}
	a.worker.reader.spare = s
	return err
}

// maxSpare is how many acts a worker's spare staging has room for.
const maxSpare = 16

// newStaging takes the spare one, if there is one. The reader's own.
func (w *worker) newStaging() *staging {
	s := w.reader.spare
	if w.reader.spare = nil; s == nil {
		s = new(staging)
	}
	return s
}

// commitBeforeAnswer carries out the acts of a request when its answer and its DONE come in one frame: a client that has its answer may count on them.
func (a *attempt) commitBeforeAnswer() {
	a.calls.Lock()
	f := a.facts(byDone)
	a.calls.Unlock()
	sound := f.given == 0 && (f.answer == mute || f.answer == spoken)
	if f.answer, f.resigned = whole, a.resigned; sound && outcome(f).commits {
		a.commit()
	}
}

// commit hands acts to the hub, and gives its error, which the log has then. x is the exchange that they belong to; nil on stream 0.
func (w *worker) commit(x *exchange, acts []protocol.Act) error {
	if w.gen.trial { // it must not touch what is live
		return nil
	}
	hub := w.gen.settings.Hub
	var subject protocol.Subject
	var named []any
	var err error
	if x != nil {
		subject = x.subject
	}
	if hub != nil {
		if err = hub.Commit(subject, acts); err == nil {
			return nil
		}
		named = []any{"error", excerpt(err.Error())}
	}
	if x != nil {
		named = append(x.named(), named...)
	}
	if hub == nil {
		named = append(named, "acts", len(acts), "first", acts[0].Type().String())
		w.voice.say(hclog.Warn, "acts are dropped: nothing here keeps connections", 0, named...)
		return nil
	}
	named = append(named, "acts", len(acts))
	const event = "acts could not be carried out, so none of them was"
	if _, flags := acts[0].On(); x != nil && flags&protocol.FlagNow == 0 {
		w.log.Error(event, named...) // once for an exchange, and all that tells of its loss
	} else {
		w.voice.say(hclog.Error, event, 0, named...)
	}
	return err
}
