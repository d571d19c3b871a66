// life.go: a dial, from its first try to its end.

package dial

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"github.com/workerhost/workerhost/host/internal/hub"
	"github.com/workerhost/workerhost/host/internal/peer"
	"github.com/workerhost/workerhost/protocol"
)

// phase is where a dial is.
type phase uint8

const (
	waiting  phase = iota // for its next try, or for Start
	dialing               // a goroutine tries
	standing              // there is a connection, whose CLOSE has not been handled
	gone                  // it is none of the room's any more
)

// dial is one of a room's, by its name. The room's mu guards it.
type dial struct {
	room  *Room
	name  string
	fixed bool // the configuration has it

	order  *Order
	next   *Order            // takes the place of order once what there is has ended; nil: none
	ending bool              // nothing follows but next
	left   bool              // likewise, not even that
	words  map[uint64]*Order // what each generation of the pool has asked for last, with other terms or the same
	told   uint64            // the generation of order, when it was told that this stays without its code

	phase      phase
	timer      *time.Timer        // while waiting for a try
	due        time.Time          // when that is
	cancel     context.CancelFunc // while dialing
	stand      *stand             // of the try or the connection at hand
	connection *hub.Connection    // while standing
	since      time.Time          // when it began to stand

	start  hub.Start // of the next connection
	stood  int64     // how many connections there were
	failed int       // tries in a row
	why    string    // the last of them did
	lastID string    // of server-sent events
	retry  time.Duration
}

// stand is one try and the connection that comes of it.
type stand struct {
	dial   *dial
	events *peer.EventStream // of server-sent events
	over   bool              // its CLOSE has been handled, or it never opened
	end    hub.Start         // what it had then
}

// latest is the order that counts.
func (d *dial) latest() *Order {
	if d.next != nil {
		return d.next
	}
	return d.order
}

// renew has an order of the same terms count, of whoever has more to say, or by what may be dialed now.
func (d *dial) renew(o *Order) {
	if d.next != nil {
		d.next = o
	} else {
		d.order = o
	}
}

// launch has the first try begin, or the next.
func (d *dial) launch() {
	if d.phase != waiting || d.room.closed {
		return
	}
	d.rest()
	ctx, cancel := context.WithCancel(context.Background())
	s := &stand{dial: d}
	d.phase, d.cancel, d.stand = dialing, cancel, s
	d.room.counts.Tries++
	t := try{room: d.room, order: d.order, stand: s, start: d.start, lastID: d.lastID,
		as: protocol.Dialed{Name: d.name, Reconnects: d.stood}}
	d.room.running.Add(1)
	go t.run(ctx) // ends when it stands, or fails, at the latest with its time, or is cancelled
}

// replace has o take the place of what there is.
func (d *dial) replace(o *Order) {
	d.next = o
	d.hangUp("replaced")
}

// close ends it for good.
func (d *dial) close() {
	d.next, d.words = nil, nil
	d.hangUp("closed")
}

func (d *dial) hangUp(reason string) {
	d.ending = true
	switch d.phase {
	case waiting:
		d.settle()
	case dialing:
		d.cancel()
	case standing:
		c := d.connection
		d.room.running.Add(1)
		go func() { // ends at once: the hub is called without the lock
			defer d.room.running.Done()
			c.Hangup(protocol.CloseNormal, reason)
		}()
	}
}

// leave has nothing follow; a connection is hung up by others.
func (d *dial) leave() {
	d.ending, d.left, d.next = true, true, nil
	switch d.phase {
	case waiting:
		d.settle()
	case dialing:
		d.cancel()
	}
}

// stands follows a try that has succeeded.
func (d *dial) stands(s *stand, c *hub.Connection) (hangUp bool) {
	d.phase, d.connection, d.since, d.why = standing, c, time.Now(), ""
	d.cancel()
	if s.over {
		d.ended(s)
		return false
	}
	return d.ending
}

// ended follows the CLOSE of a connection.
func (d *dial) ended(s *stand) {
	stood := time.Since(d.since)
	d.connection, d.stand, d.start = nil, nil, s.end
	d.stood++
	if d.failed > 0 && stood >= millis(d.order.ReconnectMax) {
		d.failed = 0
	}
	if s.events != nil {
		d.lastID = s.events.LastEventID()
		if pause, ok := s.events.Retry(); ok {
			d.retry = pause
		}
	}
	d.phase = waiting
	d.settle()
}

// errNoFence is the error of a dial whose pool may not dial.
var errNoFence = errors.New("[fetch] allow of its pool has nothing")

// errOver is the error of a try after which there are no more.
var errOver = errors.New("it answered 204, which is to end it")

// fails follows a try that has failed.
func (d *dial) fails(why error) {
	d.phase, d.stand, d.cancel = waiting, nil, nil
	d.why = why.Error()
	if errors.Is(why, errOver) {
		d.ending = true
	}
	d.settle()
}

// settle finds what is next for a dial that waits.
func (d *dial) settle() {
	d.rest()
	switch {
	case d.next != nil && !d.left && !d.room.closed:
		d.order, d.next, d.ending = d.next, nil, false
		d.start, d.stood, d.failed, d.why, d.lastID, d.retry = d.order.start(), 0, 0, "", "", 0
		if d.room.begun {
			d.launch()
		}
	case d.ending, d.room.closed, !d.order.Reconnect && d.room.begun:
		d.phase = gone
		delete(d.room.dials, d.name)
	case !d.room.begun: // until Start
	default:
		pause := d.pause()
		d.failed++
		d.due = time.Now().Add(pause)
		d.timer = time.AfterFunc(pause, d.again)
	}
}

// rest has no try come by itself.
func (d *dial) rest() {
	if d.timer != nil {
		d.timer.Stop()
		d.timer = nil
	}
}

// again is the timer's.
func (d *dial) again() {
	d.room.mu.Lock()
	defer d.room.mu.Unlock()
	if d.phase == waiting && d.timer != nil {
		d.launch()
	}
}

const firstPause = 500 * time.Millisecond

// pause is how long the next try waits: about twice as long as the one before, by chance, so that many that were cut
// off together do not come back together.
func (d *dial) pause() time.Duration {
	most := millis(d.order.ReconnectMax)
	pause := most
	if d.failed < 30 {
		pause = min(most, firstPause<<d.failed)
	}
	pause = pause/2 + rand.N(pause/2+1)
	return max(pause, min(d.retry, most))
}
