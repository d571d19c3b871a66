// Reading a worker's frames: one goroutine a worker, which calls the sinks and never waits for its own writes (SPEC.md
// §6.3).

package workers

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/workerhost/workerhost/protocol"
	"github.com/workerhost/workerhost/workers/internal/wait"
)

// reader is the reader's own part of a worker.
type reader struct {
	greeted bool    // READY came
	loose   staging // the SEND on stream 0 whose parts are coming
}

// read runs until the link ends. A link error kills the worker.
func (w *worker) read() {
	err := w.readMagic()
	if err == nil {
		err = w.readFrames()
	}
	w.printed.end()
	switch {
	case err == io.EOF || errors.Is(err, io.ErrUnexpectedEOF):
		w.awaitEnd()
		return
	case errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, os.ErrClosed):
		return // its process's exit says the rest
	}
	why := err.Error()
	var link *protocol.LinkError
	if errors.As(err, &link) && link.NoFrame {
		why = "it wrote something other than frames to its output: " + why
	}
	if w.isBooted() { // else the report of its boot says so
		w.log.Error("link broken, the worker is replaced", "error", why, "stderr", w.tail.String())
	}
	w.kill(why)
}

// endGrace is how long a worker may live on after it closed its output, which is no more than the way that some
// programs exit.
const endGrace = time.Second

// awaitEnd waits for the exit of a worker that can say nothing more. One that lives on would hold its requests for
// ever.
func (w *worker) awaitEnd() {
	if wait.Within(w.end.exited, endGrace) {
		return
	}
	if w.dispatchState() == Draining && len(w.attempts()) == 0 { // stop sees to it
		return
	}
	w.log.Error("worker closed its output and lives on, it is replaced")
	w.kill("it closed its output and lived on")
}

func (w *worker) readMagic() error {
	stray, err := w.conn.ReadMagic()
	w.spoke.Store(err == nil)
	var link *protocol.LinkError
	if errors.As(err, &link) && len(link.Bytes) == len(stray) { // it shows all of it
		return err
	}
	if text := printable(strings.TrimSpace(strings.TrimPrefix(string(stray), "\ufeff"))); text != "" {
		w.tail.add([]byte(text))
		w.voice.enter(entry{level: hclog.Warn, text: "output before the first frame", same: text,
			args: []any{"text", text}})
	}
	return err
}

// messages are reused from frame to frame.
type messages struct {
	response protocol.Response
	inform   protocol.Inform
	data     protocol.Data
	window   protocol.Window
	reset    protocol.Reset
	entry    protocol.Log
	pong     protocol.Pong
	ping     protocol.Ping
	call     protocol.Call
	swap     protocol.Swap
}

func (w *worker) readFrames() error {
	var m messages
	for {
		payload, err := w.conn.Read()
		if err != nil {
			return err
		}
		t, stream, err := protocol.Head(payload)
		if err == nil {
			err = protocol.CheckStream(t, stream)
		}
		if err != nil {
			return err
		}
		if stream == 0 || t == protocol.TypeLog {
			err = w.onLink(&m, t, payload)
		} else {
			err = w.onStream(&m, t, stream, payload)
		}
		if unknown, ok := err.(*protocol.UnknownError); ok {
			err = w.onUnknown(unknown.What, stream)
		}
		if err != nil {
			return err
		}
	}
}

// onLink handles the messages of the link itself.
func (w *worker) onLink(m *messages, t protocol.Type, payload []byte) error {
	switch t {
	case protocol.TypeReady:
		return w.onReady(payload)
	case protocol.TypeFailed:
		if w.isBooted() {
			return &protocol.LinkError{Expected: "one READY or FAILED", Got: "FAILED after that"}
		}
		var failed protocol.Failed
		if err := failed.Parse(payload); err != nil {
			return err
		}
		w.settleBoot(&BootError{Message: excerpt(failed.Message), Trace: excerpt(failed.Trace)})
	case protocol.TypeLog:
		if err := m.entry.Parse(payload); err != nil {
			return err
		}
		w.logEntry(&m.entry)
	case protocol.TypePing:
		if err := m.ping.Parse(payload); err != nil {
			return err
		}
		return unread(w.conn.Send(&protocol.Pong{Token: m.ping.Token}))
	case protocol.TypePong:
		if err := m.pong.Parse(payload); err != nil {
			return err
		}
		w.mu.Lock()
		w.link.pongSeq, w.link.pongAt = max(w.link.pongSeq, m.pong.Token), time.Now()
		w.mu.Unlock()
		w.pool.dispatch.readmit(w)
	case protocol.TypeEnding:
		var ending protocol.Ending
		if err := ending.Parse(payload); err != nil {
			return err
		}
		w.onEnding(&ending)
	case protocol.TypeSend, protocol.TypeHangup, protocol.TypeJoin, protocol.TypeLeave, protocol.TypeBind,
		protocol.TypeSet, protocol.TypeAccept, protocol.TypePush, protocol.TypeSettle, protocol.TypeProgress,
		protocol.TypePurge:
		_, _, err := w.onAct(t, 0, payload)
		return err
	case protocol.TypeHello, protocol.TypeDrain:
		return hostsOwn(t, 0)
	default:
		return &protocol.UnknownError{What: t.String()}
	}
	return nil
}

// hostsOwn refuses a message that is not a worker's to send.
func hostsOwn(t protocol.Type, stream uint32) error {
	got := fmt.Sprintf("%s on stream %d, which only hosts send", t, stream)
	return &protocol.LinkError{Expected: "a message that workers send", Got: got, Section: "4.6"}
}

// unread picks the error that means that the worker sends and never reads. A broken pipe is no news: the exit tells.
func unread(err error) error {
	if _, ok := err.(*protocol.LinkError); ok {
		return err
	}
	return nil
}

func (w *worker) onReady(payload []byte) error {
	if w.reader.greeted || w.isBooted() {
		return &protocol.LinkError{Expected: "one READY or FAILED", Got: "READY after that"}
	}
	var ready protocol.Ready
	if err := ready.Parse(payload); err != nil {
		return err
	}
	if err := protocol.CheckReady(&ready); err != nil {
		return err
	}
	ready.SDK = excerpt(ready.SDK)
	w.offer.ready = ready
	w.offer.concurrency = ready.Concurrency
	if limit := w.gen.settings.Concurrency; limit > 0 {
		w.offer.concurrency = min(w.offer.concurrency, limit)
	}
	// Not one that we hold to 1: it would begin them all at once. Nor one that tunnels: it begins one beside a tunnel.
	w.offer.readsAhead = ready.Concurrency == 1 && ready.Has(aheadFeature) && !ready.Has(protocol.FeatureTunnel)
	w.offer.deadlines = ready.Has(deadlineFeature)
	w.reader.greeted = true
	if len(w.warmups)+len(w.recent) == 0 {
		w.settleBoot(nil)
	} else {
		go w.warmUp() // it waits for what is read here
	}
	return nil
}

// onStream handles what belongs to a request.
func (w *worker) onStream(m *messages, t protocol.Type, stream uint32, payload []byte) error {
	switch t {
	case protocol.TypeResponse, protocol.TypeData, protocol.TypeInform, protocol.TypeWindow, protocol.TypeReset,
		protocol.TypeDone:
	case protocol.TypeRequest, protocol.TypeOpen, protocol.TypeMessage, protocol.TypeClose, protocol.TypeBuffer,
		protocol.TypeFetched, protocol.TypeTask, protocol.TypeResult:
		return hostsOwn(t, stream)
	case protocol.TypeSend, protocol.TypeHangup, protocol.TypeJoin, protocol.TypeLeave, protocol.TypeBind,
		protocol.TypeSet, protocol.TypeAccept, protocol.TypePush, protocol.TypeSettle, protocol.TypeProgress,
		protocol.TypePurge:
		a, flags, err := w.onAct(t, stream, payload)
		if err == nil && a != nil && flags&protocol.FlagDone != 0 {
			w.done(a, nil)
		}
		return err
	case protocol.TypeCall, protocol.TypeSwap:
		return w.onCall(m, t, stream, payload)
	default:
		return &protocol.UnknownError{What: t.String()}
	}
	if t == protocol.TypeReset && stream%2 == 0 {
		if err := m.reset.Parse(payload); err != nil {
			return err
		}
		return w.onCancel(&m.reset)
	}
	a, err := w.find(stream, t.String())
	if err == nil && a == nil {
		err = w.hearsProfile(t, stream, payload)
	}
	if err != nil {
		return err
	}
	var flags protocol.Flags
	var untold *protocol.Response
	switch t {
	case protocol.TypeResponse:
		if err = m.response.Parse(payload); err == nil && a != nil {
			flags = m.response.Flags
			if untold, err = a.respond(&m.response); err == nil {
				w.pool.dispatch.openTunnel(a)
			}
		}
	case protocol.TypeData:
		if err = m.data.Parse(payload); err == nil && a != nil {
			flags, err = m.data.Flags, a.receive(&m.data)
		}
	case protocol.TypeInform:
		if err = m.inform.Parse(payload); err == nil && a != nil {
			err = a.inform(&m.inform)
		}
	case protocol.TypeWindow:
		if err = m.window.Parse(payload); err == nil && a != nil {
			err = a.grow(m.window.Bytes)
		}
	case protocol.TypeReset:
		if err = m.reset.Parse(payload); err == nil && a != nil {
			if a.onReset(&m.reset); m.reset.Code == protocol.ResetUnknown {
				flags = protocol.FlagDone // a worker that does not know what opened the stream owes none
			}
		}
	case protocol.TypeDone:
		var done protocol.Done
		err, flags = done.Parse(payload), protocol.FlagDone
	}
	if err == nil && a != nil && flags&protocol.FlagDone != 0 {
		if err = a.unfinished(); err == nil {
			w.done(a, untold)
		}
	}
	return err
}

// respond gives the answer back that is told only with its acts, by done.
func (a *attempt) respond(m *protocol.Response) (untold *protocol.Response, err error) {
	if err = a.checkAnswer(protocol.TypeResponse, m); err != nil {
		return nil, err
	}
	deferred := a.defers(m)
	holds := m.Hold != nil && m.Flags&protocol.FlagEnd == 0
	a.answers(m.Flags)
	if holds {
		a.closes(wasHeld) // DATA may follow, and its end is not told: it is DONE
	}
	a.calls.Lock()
	defer a.calls.Unlock()
	switch {
	case a.answer >= headed:
		return nil, &protocol.LinkError{Expected: "one RESPONSE", Got: fmt.Sprintf("another on stream %d", a.id)}
	case a.answer == refused:
		return nil, a.afterDecline(protocol.TypeResponse)
	}
	request, _ := a.x.request.(*protocol.Request)
	switch {
	case a.over:
		a.hears(headed)
	case m.Flags&protocol.FlagEnd != 0:
		a.hears(whole)
	case holds:
		a.hears(held)
	case request != nil && m.Bodyless(request.Method):
		a.hears(bare)
	default:
		a.hears(headed)
		if request != nil && m.Switches(request) {
			a.opensTunnel()
		}
	}
	switch {
	case a.over:
	case deferred:
		untold = m
	default:
		a.tells(m)
	}
	return untold, nil
}

// tells gives the client its answer's head, or all of it. Under calls.
func (a *attempt) tells(m *protocol.Response) {
	if !a.x.isEvent() {
		a.counts().answered(m.Status)
		a.x.meter().bytesOut.Add(uint64(len(m.Body)))
	}
	a.x.sink.Respond(m)
}

// afterDecline refuses what would be a second answer once another worker has the request, and forgets the refusal: who
// knows what was done.
func (a *attempt) afterDecline(t protocol.Type) error {
	a.hears(spoken)
	return &protocol.LinkError{Expected: "DONE after RESET", Got: fmt.Sprintf("%s on stream %d", t, a.id)}
}

func (a *attempt) inform(m *protocol.Inform) error {
	if err := a.checkAnswer(protocol.TypeInform, nil); err != nil {
		return err
	}
	a.calls.Lock()
	defer a.calls.Unlock()
	switch {
	case a.answer >= headed:
		return &protocol.LinkError{Expected: "INFORM before RESPONSE",
			Got: fmt.Sprintf("it after that on stream %d", a.id)}
	case a.answer == refused:
		return a.afterDecline(protocol.TypeInform)
	}
	if a.answer == mute {
		a.hears(spoken)
	}
	if !a.over {
		a.x.sink.Inform(m)
	}
	return nil
}

func (a *attempt) receive(m *protocol.Data) error {
	a.answers(m.Flags)
	a.mu.Lock()
	err := a.allowance.Receive(a.id, len(m.Bytes))
	a.mu.Unlock()
	if err != nil {
		return err
	}
	a.calls.Lock()
	defer a.calls.Unlock()
	switch {
	case a.answer < headed || a.answer == whole:
		return &protocol.LinkError{Expected: "DATA between RESPONSE and END",
			Got: fmt.Sprintf("it elsewhere on stream %d", a.id)}
	case a.answer == held && m.Flags&protocol.FlagEnd != 0:
		return &protocol.LinkError{Expected: "no END of a response that is held",
			Got: fmt.Sprintf("DATA with it on stream %d", a.id)}
	}
	if a.over {
		a.Consumed(len(m.Bytes)) // nobody reads it any more, but the worker may have to get through with it
		return nil
	}
	if m.Flags&protocol.FlagEnd != 0 {
		a.hears(whole)
	}
	a.x.meter().bytesOut.Add(uint64(len(m.Bytes)))
	a.x.sink.Data(m)
	return nil
}

func (a *attempt) grow(n int) error {
	a.mu.Lock()
	err := a.credit.Grant(a.id, n)
	hungry := a.hungry
	a.hungry = false
	a.progress = time.Now()
	a.mu.Unlock()
	if err == nil && hungry {
		a.writable()
	}
	return err
}

func (a *attempt) onReset(m *protocol.Reset) {
	a.resign()
	a.closes(wasGivenUp)
	a.calls.Lock()
	declines := m.Code.NotBegun() && !a.answer.begun()
	if declines && !a.over && a.answer == mute {
		a.hears(refused) // DONE follows, and another worker
	}
	a.calls.Unlock()
	if m.Code == protocol.ResetAborted && !a.x.isEvent() {
		a.fail(&protocol.Failure{Kind: protocol.FailedAborted, Detail: excerpt(m.Reason)})
		return
	}
	if !declines {
		a.spoil(a.worker.flaw(strings.TrimSpace("it gave up: "+m.Code.String()+" "+excerpt(m.Reason)), "§7.1"))
	}
}
