// errand.go: what this host does because another one has ordered it. steer.go is the perspective of that one.

package cluster

import (
	"errors"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/vmihailenco/msgpack/v5"
)

// errand is an order that this process carries out, or has carried out, with what the other one may not know yet.
// Room.mu guards it.
type errand struct {
	reply string
	first int // the number of the first of parts
	parts []Part
	bytes int
	ended bool          // the last one is the end
	asked time.Time     // when the other one was last heard of
	news  chan struct{} // it was; holds one
	known chan struct{} // closed when it knows the end
}

// mostUnheard is how many bytes are kept that the other one has yet to hear.
const mostUnheard = 4 << 20

var errNoOrders = errors.New("this host takes no orders")

// onOrder has this host carry an order out, or say again what came of it.
func (r *Room) onOrder(m *nats.Msg, body []byte) error {
	var o orderMessage
	if err := msgpack.Unmarshal(body, &o); err != nil {
		return err
	}
	if m.Reply == "" || r.settings.Obey == nil {
		return errNoOrders
	}
	r.mu.Lock()
	e := r.errands[o.ID]
	if e == nil && (o.Order == nil || o.From > 0 || r.yielded.Load()) {
		r.mu.Unlock()
		r.sayPart(m.Reply, partMessage{Unknown: true})
		return nil
	}
	if e == nil {
		e = &errand{reply: m.Reply, news: make(chan struct{}, 1), known: make(chan struct{})}
		r.errands[o.ID] = e
		r.done.Go(func() { // ends with what was asked for, when the other one knows it or is not heard of any more
			r.settings.Obey(r.ctx, *o.Order, func(p Part) { r.tell(e, p) })
			r.await(o.ID, e)
		})
	}
	say := e.heard(o.From)
	if !o.Anew && len(e.parts) > 0 {
		say = nil // it is on its way
	}
	r.mu.Unlock()
	for _, p := range say {
		r.sayPart(m.Reply, p)
	}
	return nil
}

// heard notes that the parts before one have come, and gives what is to be said again.
func (e *errand) heard(from int) (say []partMessage) {
	e.asked = time.Now()
	for len(e.parts) > 0 && e.first < from {
		e.bytes -= len(e.parts[0].Data)
		e.parts, e.first = e.parts[1:], e.first+1
	}
	select {
	case e.news <- struct{}{}:
	default:
	}
	for i, p := range e.parts {
		say = append(say, partMessage{Part: p, Number: e.first + i})
	}
	if len(say) > 0 {
		return say
	}
	if e.ended {
		select {
		case <-e.known:
		default:
			close(e.known)
		}
	}
	return []partMessage{{Number: atIt}}
}

// gone says whether nobody asks any more.
func (e *errand) gone() bool { return time.Since(e.asked) > silence }

// tell says a part, and keeps it until it is known that it has come. It waits while there is too much of that.
func (r *Room) tell(e *errand, p Part) {
	r.mu.Lock()
	for e.bytes > mostUnheard && !e.gone() && r.ctx.Err() == nil {
		r.mu.Unlock()
		select {
		case <-e.news:
		case <-time.After(anew):
		case <-r.ctx.Done():
		}
		r.mu.Lock()
	}
	e.ended = e.ended || p.End
	if e.gone() {
		e.parts, e.bytes = nil, 0
		r.mu.Unlock()
		return
	}
	m := partMessage{Part: p, Number: e.first + len(e.parts)}
	e.parts, e.bytes = append(e.parts, p), e.bytes+len(p.Data)
	r.mu.Unlock()
	r.sayPart(e.reply, m)
}

func (r *Room) sayPart(to string, p partMessage) {
	r.say(saying{subjects: []string{to}, body: p, size: len(p.Data), failed: func(error) {}}) // it is asked for again
}

// await keeps what has ended until the other one knows.
func (r *Room) await(id string, e *errand) {
	defer func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		delete(r.errands, id)
	}()
	for {
		select {
		case <-e.known:
			return
		case <-time.After(anew):
		case <-r.ctx.Done():
			return
		}
		r.mu.Lock()
		gone := e.gone()
		r.mu.Unlock()
		if gone {
			return
		}
	}
}

const (
	// endTime is what errands get to end that are under way when the host does, such as its own upgrade.
	endTime = time.Second
	// knownTime is what those get that have ended until the other host knows.
	knownTime = 5 * time.Second
)

// finish waits for errands, for a while.
func (r *Room) finish() {
	began := time.Now()
	for {
		r.mu.Lock()
		var next *errand
		for _, e := range r.errands {
			if e.ended || time.Since(began) < endTime {
				next = e
			}
		}
		r.mu.Unlock()
		if next == nil || time.Since(began) > knownTime {
			return
		}
		select {
		case <-next.known:
			time.Sleep(time.Millisecond) // until it is none any more
		case <-time.After(endTime / 20):
		}
	}
}
