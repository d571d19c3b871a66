// speaker.go: what this host says to others, in order.

package cluster

import (
	"errors"
	"sync"

	"github.com/nats-io/nats.go"
	"github.com/vmihailenco/msgpack/v5"
)

// letter is what a NATS message has in it, or a piece of that.
type letter struct {
	From   string `msgpack:"from"`   // the station
	Life   string `msgpack:"life"`   // the process
	Number uint64 `msgpack:"number"` // the same for all pieces, and for all subjects that it went to
	Piece  int    `msgpack:"piece"`
	Pieces int    `msgpack:"pieces"`
	Body   []byte `msgpack:"body"`
}

// pieceSize is how much of a body goes into one message: servers take a megabyte by default.
const pieceSize = 512 << 10

// saying is something that is to be said.
type saying struct {
	subjects []string
	reply    string
	body     any // encoded by the speaker
	size     int // about
	failed   func(error)
}

// speech is what waits to be said.
type speech struct {
	stirs chan struct{} // something waits

	mu sync.Mutex
	// guarded by mu
	waits []saying
	bytes int
}

// mostBytes is how much may wait to be said, while the engine is slow or away.
const mostBytes = 64 << 20

var errTooMuch = errors.New("too much waits to be told to other hosts already")

// stir wakes the speaker.
func (s *speech) stir() {
	select {
	case s.stirs <- struct{}{}:
	default:
	}
}

// add has something said. It never waits; false: too much waits already.
func (s *speech) add(one saying) bool {
	const overhead = 256
	one.size += overhead
	s.mu.Lock()
	full := s.bytes+one.size > mostBytes && len(s.waits) > 0
	if !full {
		s.waits, s.bytes = append(s.waits, one), s.bytes+one.size
	}
	s.mu.Unlock()
	if !full {
		s.stir()
	}
	return !full
}

func (s *speech) take() []saying {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := s.waits
	s.waits, s.bytes = nil, 0
	return all
}

// say has something told to whoever hears the subjects. failed, unless it is nil, is told if it can't be, once, later
// or at once.
func (r *Room) say(one saying) {
	if !r.speech.add(one) {
		r.failed(one, errTooMuch)
	}
}

func (r *Room) failed(one saying, err error) {
	if one.failed != nil {
		one.failed(err)
		return
	}
	r.unsaid.Warn(r.log, "other hosts were not told what workers have asked for: their clients miss it", "error", err)
}

// speak is the speaker. It ends with the room, having said what waits.
func (r *Room) speak() {
	conn := r.prepare()
	number := uint64(0)
	for {
		ended := r.ctx.Err() != nil
		all := r.speech.take()
		if conn != nil {
			r.listen(conn) // what was done before is heard by whoever hears of it
		}
		for _, one := range all {
			number++
			err := nats.ErrConnectionClosed
			if conn != nil {
				err = r.publish(conn, &one, number)
			}
			if err != nil {
				r.failed(one, err)
			}
		}
		if ended {
			if conn != nil {
				for _, sub := range r.subs {
					sub.Unsubscribe()
				}
				conn.Flush()
			}
			return
		}
		select {
		case <-r.speech.stirs:
		case <-r.ctx.Done():
		}
	}
}

func (r *Room) publish(conn *nats.Conn, one *saying, number uint64) error {
	if !conn.IsConnected() {
		return nats.ErrDisconnected
	}
	body, err := msgpack.Marshal(one.body)
	if err != nil {
		return err
	}
	l := letter{From: r.own(), Life: r.life, Number: number, Pieces: max(1, (len(body)+pieceSize-1)/pieceSize)}
	for l.Piece = range l.Pieces {
		l.Body = body[l.Piece*pieceSize : min(len(body), (l.Piece+1)*pieceSize)]
		data, err := msgpack.Marshal(&l)
		if err != nil {
			return err
		}
		for _, subject := range one.subjects {
			if err := conn.PublishMsg(&nats.Msg{Subject: subject, Reply: one.reply, Data: data}); err != nil {
				return err
			}
		}
	}
	return nil
}
