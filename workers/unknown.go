// Messages that this host does not know, by their type or a critical flag: a worker of a later version may send them
// (SPEC.md §11.2).

package workers

import (
	"github.com/hashicorp/go-hclog"
	"github.com/workerhost/workerhost/protocol"
)

// onUnknown refuses one; what names it. What stream it belongs to is given up, for who knows what it was to mean: an
// answer without it might not be whole.
func (w *worker) onUnknown(what string, stream uint32) error {
	switch {
	case stream == 0:
		w.voice.say(hclog.Warn, "unknown message ignored", 0, "type", what)
		return nil
	case stream%2 == 0: // newer workers may open some themselves
		w.voice.say(hclog.Warn, "unknown message refused", 0, "type", what, "stream", stream)
		return unread(w.conn.Send(&protocol.Reset{Stream: stream, Code: protocol.ResetUnknown, Reason: what}))
	}
	a, err := w.find(stream, what)
	if a != nil {
		f := w.flaw("it sent "+what+", which this host does not know", "§11.2")
		reset := protocol.Reset{Code: protocol.ResetInternal, Reason: what + ", which this host does not know"}
		if a.giveUp(reset, f) { // its acts are dropped, too, though its response may be whole
			name, id := w.requestOf(a)
			w.log.Warn("unknown message refused, and what it belongs to given up with its acts",
				append(a.x.about(name, id), "type", what, "stream", stream)...)
			a.spoil(f)
		}
	}
	return err
}
