// steer.go: what a host has another one do.

package cluster

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"github.com/nats-io/nats.go"
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

// mostParts is how many parts may wait for whoever has asked.
const mostParts = 4096

// Order has the host of a station carry out an order, and calls part with what it answers, until the end. An error of
// part, or the end of ctx, ends the waiting and not what has begun.
func (r *Room) Order(ctx context.Context, station string, o Order, part func(Part) error) error {
	name, there := r.others()[station]
	if !there {
		return fmt.Errorf("no host of the cluster is %q", station)
	}
	o.Host = r.settings.Host
	q := &question{from: map[string]string{station: name}, parts: make(chan Part, mostParts),
		done: make(chan struct{})}
	r.mu.Lock()
	r.serial++
	reply := r.prefix + subjectReplies + r.life + "." + strconv.FormatUint(r.serial, 36)
	r.questions[reply] = q
	r.mu.Unlock()
	defer func() {
		r.mu.Lock()
		delete(r.questions, reply)
		r.mu.Unlock()
	}()
	r.say(saying{subjects: []string{r.prefix + subjectOrders + station}, reply: reply, body: &o, size: len(o.Body),
		failed: func(err error) {
			r.mu.Lock()
			defer r.mu.Unlock()
			if q.err = err; !q.over() {
				close(q.done)
			}
		}})
	for {
		select {
		case p := <-q.parts:
			if err := part(p); err != nil || p.End {
				return err
			}
			continue
		case <-q.done:
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-r.ctx.Done():
			return errors.New("this host ends")
		}
		r.mu.Lock()
		err := q.err
		r.mu.Unlock()
		if err != nil {
			return fmt.Errorf("%s can't be asked: %w", name, err)
		}
		return fmt.Errorf("%s does not answer any more: what was begun there may go on", name)
	}
}

// onPart notes some of an answer to an order.
func (q *question) onPart(body []byte) {
	var p Part
	if body == nil || msgpack.Unmarshal(body, &p) != nil {
		q.err = errors.New("it does not listen")
		close(q.done)
		return
	}
	select {
	case q.parts <- p:
	default: // nobody takes them
		q.err = errors.New("it says more than can be passed on")
		close(q.done)
	}
}

// onOrder has this host carry an order out.
func (r *Room) onOrder(m *nats.Msg, body []byte) error {
	var o Order
	if err := msgpack.Unmarshal(body, &o); err != nil {
		return err
	}
	if m.Reply == "" || r.settings.Obey == nil {
		return errSubject
	}
	r.done.Go(func() { // ends with what was asked for, or with the room
		r.settings.Obey(r.ctx, o, func(p Part) {
			r.say(saying{subjects: []string{m.Reply}, body: &p, size: len(p.Data), failed: func(error) {}})
		})
	})
	return nil
}
