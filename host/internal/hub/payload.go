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

	mu    sync.Mutex
	forms []form // guarded by mu
}

type form struct {
	encoding Encoding
	b        []byte
}

// maxForms bounds how many forms of a message are kept; peers that each have an Encoding of their own share nothing
// anyway.
const maxForms = 8

func (p *payload) form(e Encoding) []byte {
	if e == nil {
		return p.data
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for i := range p.forms {
		if p.forms[i].encoding == e {
			return p.forms[i].b
		}
	}
	b := e.Append(nil, p.data, p.binary)
	if len(p.forms) < maxForms {
		p.forms = append(p.forms, form{e, b})
	}
	return b
}

// A share of an audience that is worth a goroutine of its own.
const share = 256

// deliver sends a message to each of an audience. It returns when it has been written or waits in their outboxes:
// whoever sends more than clients can take is slowed down by the time that takes, but never by a client.
func deliver(audience []*Connection, m *protocol.Send, more bool) {
	if len(audience) == 1 {
		c, b := audience[0], m.Bytes
		if e := c.peer.Encoding(); e != nil {
			b = e.Append(nil, b, m.Flags&protocol.FlagBinary != 0)
		}
		c.send(b, more)
		return
	}
	p := &payload{data: m.Bytes, binary: m.Flags&protocol.FlagBinary != 0}
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
		if e := c.peer.Encoding(); i == 0 || e != last.encoding {
			last = form{e, p.form(e)}
		}
		c.send(last.b, false)
	}
}
