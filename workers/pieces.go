// Answers that no frame takes go to the worker in pieces, so that others go in between (SPEC.md §10.4).

package workers

import (
	"fmt"

	"github.com/workerhost/workerhost/protocol"
)

const (
	// maxWhole is the longest value of a RESULT, so that its frame is within every worker's limit.
	maxWhole = protocol.MaxFrame - 1024
	// maxPiece is how much of a longer one goes at a time. A list's element may be longer.
	maxPiece = 1 << 20
)

// replyInPieces begins to send what no frame takes, or answers with an error. Under calls.mu.
func (w *worker) replyInPieces(stream uint32, r *protocol.Result) {
	c := &w.calls
	size := len(r.Value)
	pieces, ok := protocol.Cut(r.Value)
	why := ""
	switch {
	case !w.offer.ready.Has(protocol.FeaturePieces):
		why = fmt.Sprintf("and a frame takes %d", maxWhole)
	case !ok:
		why = fmt.Sprintf("and a frame takes %d, unless it is a list or bytes", maxWhole)
	case c.owed+size > protocol.MaxResult:
		why = fmt.Sprintf("and a worker takes %d in pieces at a time, of which %d are under way", protocol.MaxResult,
			c.owed)
	}
	if why != "" {
		delete(c.open, stream)
		text := fmt.Sprintf("the answer has %d bytes, %s: ask for less", size, why)
		w.sendResult(stream, &protocol.Result{Code: protocol.CallTooLarge, Error: text})
		return
	}
	c.owed += size
	c.open[stream] = call{inParts: true}
	go w.sendPieces(stream, pieces, size) // ends with the answer or with the link
}

// sendPieces sends one piece after another, each once the one before has left: a huge answer holds nothing up for
// longer than a piece takes.
func (w *worker) sendPieces(stream uint32, pieces *protocol.Pieces, size int) {
	for more := true; more; {
		r := &protocol.Result{}
		if r.Value, r.More = pieces.Next(maxPiece); len(r.Value) > maxWhole {
			text := fmt.Sprintf("an element of the answer has %d bytes, and a frame takes %d", len(r.Value), maxWhole)
			r = &protocol.Result{Code: protocol.CallTooLarge, Error: text}
		}
		more = w.sendPiece(stream, r, size)
	}
}

// sendPiece says whether the next piece may go.
func (w *worker) sendPiece(stream uint32, r *protocol.Result, size int) (more bool) {
	c := &w.calls
	c.mu.Lock()
	q, ok := c.open[stream]
	if !ok { // the link has ended
		c.mu.Unlock()
		return false
	}
	if q.verdict != nil {
		r = q.verdict
	}
	if !r.More {
		delete(c.open, stream)
		c.owed -= size
		w.sendResult(stream, r)
		c.mu.Unlock()
		return false
	}
	r.Stream = stream
	mark, err := w.conn.SendCounted(r)
	c.mu.Unlock()
	return err == nil && w.conn.FlushTo(mark) == nil
}
