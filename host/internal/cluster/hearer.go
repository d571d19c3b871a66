// hearer.go: what others say, put together and handed to whom it is for.

package cluster

import (
	"errors"
	"fmt"
	"strings"

	"github.com/nats-io/nats.go"
	"github.com/vmihailenco/msgpack/v5"
)

// sender is what is known of a process that is heard.
type sender struct {
	last    uint64 // the number of what was last heard of whole
	subject string // of what is not whole yet
	number  uint64 // its number
	next    int    // the piece that is to come
	body    []byte
}

// mostBody bounds what is put together of pieces; what a handler may ask for is bounded by as much (SPEC.md §10.1).
const mostBody = 256 << 20

// mostSenders is of how many processes it is noted what they last said; each upgrade of a host is another one.
const mostSenders = 1024

// hear is the hearer. It ends with the room.
func (r *Room) hear() {
	senders := map[string]*sender{}
	for {
		select {
		case m := <-r.heard:
			if err := r.handle(m, senders); err != nil {
				r.log.Warn("what another host says can't be read", "subject", m.Subject, "error", err)
			}
		case <-r.ctx.Done():
			return
		}
	}
}

func (r *Room) handle(m *nats.Msg, senders map[string]*sender) error {
	if len(m.Data) == 0 && m.Header.Get("Status") == "503" { // nobody hears that subject
		r.answered(m.Subject, "", nil)
		return nil
	}
	var l letter
	if err := msgpack.Unmarshal(m.Data, &l); err != nil {
		return err
	}
	if l.From == r.own() && !strings.HasPrefix(m.Subject, r.prefix+subjectReplies) {
		return nil
	}
	key := l.Life
	if strings.HasPrefix(m.Subject, r.prefix+subjectReplies) {
		key = "" // answers are each by themselves
	}
	from := senders[key]
	if from == nil || key == "" {
		if len(senders) >= mostSenders {
			clear(senders)
		}
		from = &sender{}
		if key == "" && l.Pieces > 1 {
			key = m.Subject + l.Life
			if senders[key] != nil {
				from = senders[key]
			}
		}
		if key != "" {
			senders[key] = from
		}
	}
	body, whole, err := from.add(m.Subject, &l)
	if !whole || err != nil {
		return err
	}
	if strings.HasPrefix(key, r.prefix) {
		delete(senders, key)
	}
	return r.deliver(m, l.From, body)
}

// add puts a letter together. whole says that all of it is there, and was not before.
func (s *sender) add(subject string, l *letter) (body []byte, whole bool, err error) {
	if l.Number == s.last {
		return nil, false, nil // it was for several subjects that are heard here
	}
	if l.Pieces <= 1 {
		s.last = l.Number
		return l.Body, true, nil
	}
	switch {
	case l.Piece == 0 && (s.next == 0 || s.number != l.Number):
		s.subject, s.number, s.next, s.body = subject, l.Number, 0, nil
	case l.Number == s.number && subject != s.subject:
		return nil, false, nil
	}
	if l.Number != s.number || l.Piece != s.next || len(s.body)+len(l.Body) > mostBody {
		s.next, s.body = 0, nil
		return nil, false, fmt.Errorf("piece %d of %d came out of order", l.Piece+1, l.Pieces)
	}
	s.body, s.next = append(s.body, l.Body...), s.next+1
	if s.next < l.Pieces {
		return nil, false, nil
	}
	body = s.body
	s.last, s.next, s.body = l.Number, 0, nil
	return body, true, nil
}

var errSubject = errors.New("nobody here knows what that is for")

// deliver hands on what was said.
func (r *Room) deliver(m *nats.Msg, from string, body []byte) error {
	switch kind := strings.TrimPrefix(m.Subject, r.prefix); {
	case kind == subjectBeats:
		return r.onBeat(from, body)
	case kind == subjectAsked:
		return r.onAsked(m, body)
	case strings.HasPrefix(kind, subjectOrders):
		return r.onOrder(m, body)
	case strings.HasPrefix(kind, subjectReplies):
		r.answered(m.Subject, from, body)
		return nil
	}
	realm, kind, err := r.realmOf(m.Subject)
	if err != nil || realm == nil {
		return err
	}
	switch kind {
	case byOrigin:
		if m.Reply != "" {
			return r.onAsked(m, body)
		}
		fallthrough
	case forAll, byGroup, byUser:
		return realm.onTold(body)
	}
	return errSubject
}
