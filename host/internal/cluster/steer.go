// steer.go: what a host has another one do. errand.go is the perspective of that one.

package cluster

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/vmihailenco/msgpack/v5"
)

// Order is a request of the control API that is for another host.
type Order struct {
	Host    string `msgpack:"host"` // that it comes from, for people
	By      string `msgpack:"by"`   // likewise who has given it there
	Method  string `msgpack:"method"`
	Path    string `msgpack:"path"` // with the query
	Message string `msgpack:"message"`
	Body    []byte `msgpack:"body"`
}

// Part is some of the answer. The first one has the status, the last one is the End.
type Part struct {
	Status int    `msgpack:"status"`
	Data   []byte `msgpack:"data"`
	End    bool   `msgpack:"end"`
}

// orderMessage asks a process for the parts of an answer from one on. It is said again and again, for what was said
// may be lost, as while the engine of that process moves to the next one. So it is for that process, and no other one
// of the same host, and it is begun once.
type orderMessage struct {
	ID    string `msgpack:"id"`
	From  int    `msgpack:"from"`  // those before it have come
	Anew  bool   `msgpack:"anew"`  // what has been said of it is lost, perhaps
	Order *Order `msgpack:"order"` // nil: the process knows it
}

// partMessage is a part, or what there is to say in place of one.
type partMessage struct {
	Part
	Number  int  `msgpack:"number"`  // from 0; atIt: there is none yet
	Unknown bool `msgpack:"unknown"` // the process has no such order
}

const atIt = -1

const (
	// mostParts is how many parts may wait for whoever has asked. More are asked for again.
	mostParts = 4096
	// anew is how often is asked for what has not come.
	anew = time.Second
	// silence is how long a process may say nothing.
	silence = 15 * time.Second
	// fewParts and fewBytes are after how many the process learns that they have come.
	fewParts = 64
	fewBytes = mostUnheard / 4
)

// Order has the host of a station carry an order out, and calls part with what it answers, until the end. An error of
// part, or the end of ctx, ends the waiting and not what has begun.
func (r *Room) Order(ctx context.Context, station string, o Order, part func(Part) error) error {
	name, life, there := r.process(station)
	if !there {
		return fmt.Errorf("no host of the cluster is %q", station)
	}
	o.Host = r.settings.Host
	q := &question{parts: make(chan partMessage, mostParts), done: make(chan struct{})}
	reply, forget := r.expect(q)
	defer forget()
	m := orderMessage{ID: reply, Order: &o}
	ask := func(anew bool) {
		size := 0
		m.Anew = anew
		if m.Order != nil {
			size = len(o.Body)
		}
		r.say(saying{subjects: []string{r.prefix + subjectOrders + life}, reply: reply, body: m, size: size,
			failed: func(error) {}}) // it is said again
	}
	ask(true)
	defer ask(false) // so that it need not be kept there any more
	tick := time.NewTicker(anew)
	defer tick.Stop()
	heard, before, bytes := time.Now(), 0, 0
	for {
		select {
		case p := <-q.parts:
			heard, m.Order = time.Now(), nil
			switch {
			case p.Unknown:
				return fmt.Errorf("%s has another process now, or has just ended: what was begun there may go on",
					name)
			case p.Number != m.From: // it has come before, or one before it has yet to
				continue
			}
			m.From++
			if err := part(p.Part); err != nil || p.End {
				return err
			}
			if bytes += len(p.Data); m.From%fewParts == 0 || bytes > fewBytes {
				bytes = 0
				ask(false)
			}
		case <-tick.C:
			if time.Since(heard) > silence {
				return fmt.Errorf("%s does not answer any more: what was begun there may go on", name)
			}
			ask(before == m.From)
			before = m.From
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-r.ctx.Done():
			return errors.New("this host ends")
		}
	}
}

// onPart notes some of an answer to an order.
func (q *question) onPart(body []byte) {
	var p partMessage
	if body == nil || msgpack.Unmarshal(body, &p) != nil { // nobody hears it at the moment
		return
	}
	select {
	case q.parts <- p:
	default:
	}
}
