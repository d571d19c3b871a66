// A request of the HTTP API as its front sees it.

package pusher

import (
	"slices"
	"sync"

	"github.com/workerhost/workerhost/protocol"
)

// call is a request, its body, and its answer. It implements [protocol.Stream] and [protocol.Ticket].
type call struct {
	app     *App
	sink    protocol.Sink
	request *protocol.Request
	most    int           // bytes of the body
	ready   chan struct{} // closed when the body is whole, or too long, or nobody waits any more

	mu sync.Mutex
	// guarded by mu
	body    []byte
	settled bool // ready is closed
	large   bool
	gone    bool
}

// serve answers a request in a goroutine of its own.
func (a *App) serve(x *protocol.Exchange, m *protocol.Request) protocol.Ticket {
	// a batch, of which JSON may have written each byte as six
	c := &call{app: a, sink: x.Sink, request: m, most: 64<<10 + maxBatch*6*a.settings.Load().MaxEvent,
		ready: make(chan struct{}), body: m.Body}
	if m.Flags&protocol.FlagEnd != 0 {
		c.settle()
	} else {
		c.body = slices.Clone(m.Body)
	}
	go c.run()
	return c
}

// settle has run go on. mu is held, or nobody else knows c.
func (c *call) settle() {
	if !c.settled {
		c.settled = true
		close(c.ready)
	}
}

// run ends with the request.
func (c *call) run() {
	c.sink.Begin(c)
	<-c.ready
	c.mu.Lock()
	body, large, gone := c.body, c.large, c.gone
	c.mu.Unlock()
	if gone {
		c.sink.Fail(&protocol.Failure{Kind: protocol.FailedCancelled})
		c.sink.Finished()
		return
	}
	var answer any
	no := fail(413, "the body has more than %d bytes", c.most)
	if !large {
		answer, no = c.app.answer(c.request, body)
	}
	r := &protocol.Response{Status: 200, Headers: []string{"Content-Type", "application/json"}}
	if no == nil {
		r.Body = encode(answer)
	} else {
		r.Status, r.Headers[1], r.Body = no.status, "text/plain; charset=utf-8", []byte(no.why+"\n")
	}
	c.respond(r)
	c.sink.Finished()
}

// respond gives the front a response, in pieces of which none is larger than a frame's.
func (c *call) respond(r *protocol.Response) {
	rest := r.Body
	r.Body = rest[:min(len(rest), protocol.MaxData)]
	if rest = rest[len(r.Body):]; len(rest) == 0 {
		r.Flags = protocol.FlagEnd
	}
	c.sink.Respond(r)
	for len(rest) > 0 {
		m := &protocol.Data{Bytes: rest[:min(len(rest), protocol.MaxData)]}
		if rest = rest[len(m.Bytes):]; len(rest) == 0 {
			m.Flags = protocol.FlagEnd
		}
		c.sink.Data(m)
	}
}

// Send implements [protocol.Stream]: it takes more of the body.
func (c *call) Send(p []byte, end bool, _ []string) (n int, more bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.settled {
		return 0, false
	}
	if len(c.body)+len(p) > c.most {
		c.large = true
	} else {
		c.body = append(c.body, p...)
	}
	if c.large || end {
		c.settle()
	}
	return len(p), !c.settled
}

// Consumed implements [protocol.Stream].
func (c *call) Consumed(int) {}

// Worker implements [protocol.Stream]: there is none.
func (c *call) Worker() (slot int, generation uint64) { return 0, 0 }

// Cancel implements [protocol.Ticket].
func (c *call) Cancel(protocol.ResetCode) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.gone = c.gone || !c.settled
	c.settle()
}
