// A message for many: encoded once for each encoding, and written by several goroutines.

package hub

import (
	"runtime"
	"sync"

	"github.com/workerhost/workerhost/protocol"
)

// payload is a message on its way to its audience.
type payload struct {
	data   []byte
	binary bool
	place  *Place // nil unless it has one in a channel

	mu    sync.Mutex
	forms []form // guarded by mu
}

type form struct {
	encoding Encoding
	aware    bool // of channels
	b        []byte
}

// maxForms bounds how many forms of a message are kept; peers that each have an Encoding of their own share nothing
// anyway.
const maxForms = 8

func (p *payload) form(e Encoding, aware bool) []byte {
	if e == nil && !aware {
		return p.data
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for i := range p.forms {
		if p.forms[i].encoding == e && p.forms[i].aware == aware {
			return p.forms[i].b
		}
	}
	b := encode(nil, e, aware, p.place, p.data, p.binary)
	if len(p.forms) < maxForms {
		p.forms = append(p.forms, form{e, aware, b})
	}
	return b
}

// A share of an audience that is worth a goroutine of its own.
const share = 256

// deliver sends a message to each of an audience. It returns when it has been written or waits in their outboxes:
// whoever sends more than clients can take is slowed down by the time that takes, but never by a client.
func deliver(audience []*Connection, m *protocol.Send, place *Place, more bool) {
	if len(audience) == 1 {
		c, b := audience[0], m.Bytes
		if e, aware := c.peer.Encoding(), c.aware(); e != nil || aware {
			b = encode(nil, e, aware, place, b, m.Flags&protocol.FlagBinary != 0)
		}
		c.send(b, more)
		return
	}
	p := &payload{data: m.Bytes, binary: m.Flags&protocol.FlagBinary != 0, place: place}
	if len(audience) < 2*share {
		p.deliver(audience)
		return
	}
	n := min(runtime.GOMAXPROCS(0), len(audience)/share)
	size := (len(audience) + n - 1) / n
	var all sync.WaitGroup
	for ; len(audience) > size; audience = audience[size:] {
		part := audience[:size]
		all.Go(func() { p.deliver(part) })
	}
	p.deliver(audience)
	all.Wait()
}

func (p *payload) deliver(audience []*Connection) {
	var last form
	for i, c := range audience {
		if e, aware := c.peer.Encoding(), c.aware(); i == 0 || e != last.encoding || aware != last.aware {
			last = form{e, aware, p.form(e, aware)}
		}
		c.send(last.b, false)
	}
}
