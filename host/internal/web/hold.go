// How a response becomes a connection (SPEC.md §10.6): its head and first bytes go out as those of any other; with
// DONE the hub has it, and the exchange ends. Package peer has what it is from then on.

package web

import (
	"errors"
	"fmt"
	"mime"
	"net/http"
	"strings"

	"github.com/workerhost/workerhost/host/internal/peer"
	"github.com/workerhost/workerhost/protocol"
)

var errCrowded = errors.New("its client has as many connections as max_connections_per_address allows")

// holding is a response that is to become a connection.
type holding struct {
	peer  *peer.Held     // nil if that can't be
	wish  *protocol.Hold // until the hub has it; guarded by the exchange's mu, as all below
	wrong error          // why it can't be held
	open  bool           // the hub has it
	taken bool           // the handler's: the peer is no more the exchange's
}

// drop ends what was never handed over. The exchange's handler calls it, when it has left.
func (h *holding) drop() {
	if h.peer != nil && !h.taken {
		h.peer.Drop()
	}
}

// keep notes that the worker wants its response held. x.mu is held, and the response is there.
func (x *exchange) keep(wish *protocol.Hold) {
	h := &holding{wish: wish}
	x.kept = h
	if h.wrong = x.checkHold(); h.wrong != nil {
		return
	}
	peers := x.handler.peers
	who, ok := peers.Count.Enter(x.request.Remote, x.terms.Sockets.MaxPerAddress)
	if !ok {
		h.wrong = errCrowded
		return
	}
	h.peer = peers.NewHeld(who, eventStream(x.response.Headers), x.request.Version == "1.1")
}

// checkHold says why a response can't be held.
func (x *exchange) checkHold() error {
	m := &x.response
	switch {
	case x.terms.Hub == nil:
		return errors.New("it can't be held, since this listener keeps no connections")
	case x.request.Method == http.MethodHead:
		return errors.New("it can't be held, since a response to HEAD has no body: answer HEAD without hold")
	case m.Status == http.StatusNoContent || m.Status == http.StatusResetContent || m.Status == http.StatusNotModified:
		return fmt.Errorf("it can't be held, since one with the status %d has no body", m.Status)
	}
	length, err := x.checkHead(false)
	switch {
	case err != nil:
		return err
	case length >= 0:
		return errors.New(
			"it has a Content-Length, and can't be held: leave that away, since nobody knows what will be sent")
	}
	for i := 0; i+1 < len(m.Headers); i += 2 {
		if strings.EqualFold(m.Headers[i], "Content-Encoding") && !strings.EqualFold(m.Headers[i+1], "identity") {
			return fmt.Errorf(
				"it has the Content-Encoding %q, and can't be held: what is sent to it later goes as it is",
				m.Headers[i+1])
		}
	}
	return nil
}

func eventStream(headers []string) bool {
	for i := 0; i+1 < len(headers); i += 2 {
		if strings.EqualFold(headers[i], "Content-Type") {
			kind, _, err := mime.ParseMediaType(headers[i+1])
			return err == nil && kind == "text/event-stream"
		}
	}
	return false
}

// enter makes it a connection. x.mu is held: the client's handler has not left.
func (x *exchange) enter() {
	h := x.kept
	h.wrong = h.peer.Enter(x.request.Remote, &x.terms.peers, h.wish, pairOf(x.request.Headers, "Last-Event-ID"))
	h.wish, h.open = nil, h.wrong == nil
	if h.open {
		h.peer.Under(&x.span)
	}
}

// hold tells the client the head and the first bytes, and waits for the worker's DONE. What it returns has to stay
// once the exchange is over; nil is a response that has left net/http behind. It panics as respond does.
func (x *exchange) hold(v *visit) *peer.Held {
	m, p := &x.response, x.kept
	x.mu.Lock()
	wrong := p.wrong
	x.mu.Unlock()
	switch {
	case wrong == errCrowded:
		x.handler.log.Debug("refused to hold a response: its address has as many connections as it may", "request",
			x.name(), "remote", v.r.RemoteAddr)
		v.tooMany()
		return nil
	case wrong != nil:
		x.handler.log.Error("a worker's response can't be held", x.about("error", wrong)...)
		v.blame("malformed response")
		v.answer(verdict{status: http.StatusBadGateway}, wrong.Error())
		return nil
	}
	h := v.w.Header()
	x.copyHeaders(h, m.Headers)
	if _, ok := h["Content-Type"]; !ok {
		h["Content-Type"] = nil // no guessing
	}
	if v.r.ProtoMajor == 1 {
		h["Connection"] = closing // it becomes ours
	}
	spell(h, v.r, m.Headers, false)
	v.moreTime()
	v.w.WriteHeader(m.Status)
	out := output{w: v.w, length: -1, unflushed: true}
	if err := out.write(m.Body); err != nil {
		x.breakOff(v, err.Error())
	}
	gone := v.r.Context().Done()
	for {
		x.mu.Lock()
		open, wrong, failed, over, refusal := p.open, p.wrong, x.failed, x.finished, x.refusal
		x.mu.Unlock()
		if x.passSome(v, &out) { // first bytes that are too many for one frame
			continue
		}
		out.flush()
		switch {
		case open:
			return x.handOver(v)
		case wrong != nil:
			x.breakOff(v, "it can't be held: "+wrong.Error())
		case failed && x.failure.Kind == protocol.FailedCancelled, refusal != nil:
			v.abandon()
		case failed:
			x.breakOff(v, x.failure.Error())
		case over:
			x.breakOff(v, "its worker was done before it was held")
		}
		select {
		case <-x.wake:
		case <-gone:
			panic(http.ErrAbortHandler)
		}
	}
}

// handOver takes the client from net/http. Over HTTP/2 that can't be done, so its handler stays instead.
func (x *exchange) handOver(v *visit) *peer.Held {
	p := x.kept
	if v.r.ProtoMajor != 1 {
		p.taken = true
		p.peer.Attach(v.recorder.ResponseWriter) // without the recorder, which ends with the visit
		return p.peer
	}
	if x.upload != nil { // nobody reads it any more
		x.endUpload()
		x.upload = nil
	}
	if _, _, err := http.NewResponseController(v.w).Hijack(); err != nil {
		panic(http.ErrAbortHandler)
	}
	p.taken = true
	p.peer.Serve(v.conn.LetGo())
	return nil
}
