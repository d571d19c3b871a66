// Messages of a type that this host does not know: a worker of a later version may send them (SPEC.md §11.2).

package workers

import (
	"github.com/hashicorp/go-hclog"
	"github.com/workerhost/workerhost/protocol"
)

// onUnknown refuses one. What stream it belongs to is given up, for who knows what it was to mean: an answer without it
// might not be whole.
func (w *worker) onUnknown(t protocol.Type, stream uint32) error {
	reset := protocol.Reset{Stream: stream, Code: protocol.ResetUnknown, Reason: t.String()}
	if stream%2 == 0 { // newer workers may open some themselves
		w.voice.say(hclog.Warn, "unknown message refused", 0, "type", t.String(), "stream", stream)
		return unread(w.conn.Send(&reset))
	}
	a, err := w.find(stream, t)
	if a != nil {
		f := w.flaw("it sent "+t.String()+", which this host does not know", "§11.2")
		if a.giveUp(reset, f) { // its acts are dropped, too, though its response may be whole
			name, id := w.requestOf(a)
			w.log.Warn("unknown message refused, and what it belongs to given up with its acts",
				"type", t.String(), "request", name, "request_id", id, "stream", stream)
			a.spoil(f)
		}
	}
	return err
}
