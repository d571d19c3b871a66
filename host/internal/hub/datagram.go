// Datagrams: messages that belong to no connection, since their senders can be forged.

package hub

import "github.com/workerhost/workerhost/protocol"

// datagram is one under way: what its event is about, and its Sink.
type datagram struct {
	hub      *Hub
	card     Card
	exchange protocol.Exchange
	incoming protocol.Incoming
	reply    func([]byte)
	done     func(*protocol.Failure)
	stream   protocol.Stream
	course   *course // nil: its span is not sampled
	terms    *Terms
	failure  *protocol.Failure
}

// Datagram submits, under t, a message of at most [protocol.MaxData] bytes that belongs to no connection; data is the
// hub's from now on. reply is called with each message for its sender, from a goroutine that must not wait for long;
// done is called last and once, with what was wrong if the message was not handled, because the pool's queue was full,
// say, or with nil. Either may come before Datagram returns.
func (h *Hub) Datagram(t *Terms, card Card, data []byte, reply func([]byte), done func(*protocol.Failure)) {
	d := &datagram{hub: h, card: card, terms: t, reply: reply, done: done}
	h.count(card, func(t *Tally) { t.MessagesIn++; t.BytesIn += int64(len(data)) })
	traits := t.Backend.Traits()
	if !traits.Events.Message || len(data) > protocol.MaxData {
		d.failure = &protocol.Failure{Kind: protocol.FailedNoWorker,
			Detail: "the pool's workers handle no messages, or not of this size"}
		d.Finished()
		return
	}
	d.incoming = protocol.Incoming{
		Flags: protocol.FlagEnd | protocol.FlagBinary, Bytes: data,
		Connection: protocol.Connection{Protocol: card.Protocol, Remote: card.Remote, Listener: card.Listener},
	}
	d.exchange = protocol.Exchange{Request: &d.incoming, Repeatable: !traits.AtMostOnce, Subject: d, Sink: d}
	d.follow()
	t.Backend.Submit(&d.exchange)
}

// Dropped counts a datagram that its front has dropped.
func (h *Hub) Dropped(card Card, size int) {
	h.count(card, func(t *Tally) {
		t.MessagesIn++
		t.BytesIn += int64(size)
		t.Lost++
	})
}

// replies answers the sender, if the act is a SEND to it.
func (d *datagram) replies(a protocol.Act) bool {
	m, ok := a.(*protocol.Send)
	if d == nil || !ok || m.To != protocol.ToSelf {
		return false
	}
	d.hub.count(d.card, func(t *Tally) { t.MessagesOut++; t.BytesOut += int64(len(m.Bytes)) })
	d.reply(m.Bytes)
	return true
}

// ConnectionID implements [protocol.Subject].
func (d *datagram) ConnectionID() string { return "" }

// Begin implements [protocol.Sink].
func (d *datagram) Begin(s protocol.Stream) {
	d.stream = s
	d.course.begins(s)
}

// Writable implements [protocol.Sink].
func (d *datagram) Writable() {}

// Inform implements [protocol.Sink].
func (d *datagram) Inform(*protocol.Inform) {}

// Respond implements [protocol.Sink].
func (d *datagram) Respond(*protocol.Response) {}

// Data implements [protocol.Sink].
func (d *datagram) Data(m *protocol.Data) { d.stream.Consumed(len(m.Bytes)) }

// Fail implements [protocol.Sink].
func (d *datagram) Fail(err *protocol.Failure) {
	d.failure = &protocol.Failure{Kind: err.Kind, Detail: err.Detail}
}

// Finished implements [protocol.Sink].
func (d *datagram) Finished() {
	d.course.end(nil, &d.card, d.terms, &d.incoming, d.failure)
	if d.failure != nil {
		d.hub.count(d.card, func(t *Tally) { t.Lost++ })
	}
	d.done(d.failure)
}
