// A connection's one timer: for a client that has nothing to say, and whatever its kind does to see whether it is
// still there. Traffic only notes when it was; the timer finds that out when it is due, and is wound up for the rest.

package peer

import (
	"math"
	"sync/atomic"
	"time"

	"github.com/workerhost/workerhost/protocol"
)

// idleTimer runs from begin to end. Times are since epoch.
type idleTimer struct {
	timer *time.Timer // set by begin
	over  atomic.Bool
	spoke atomic.Int64  // when a message came or went last
	began time.Duration // when the client was heard last before it came from another host; 0 is that it did not
	// when the reader began, or came back from the hub; waiting while it is there, and hears nothing
	back atomic.Int64
}

const waiting = math.MaxInt64

// silence is how long ago last was, not counting the time in which it was we who did not read.
func (t *idleTimer) silence(last *atomic.Int64, now time.Duration) time.Duration {
	return now - max(time.Duration(last.Load()), min(time.Duration(t.back.Load()), now))
}

func (t *idleTimer) end() {
	t.over.Store(true)
	t.timer.Stop()
}

// keepAlive is what a kind of connection does about a client that is silent. It is called when the timer is due, never
// twice at once, and says when to call it again; never is that the connection ends.
type keepAlive interface {
	keepAlive(now time.Duration, limits *SocketLimits) (next time.Duration)
}

const (
	// laterLook is when the timer looks again if there is nothing to watch: a reload may change that.
	laterLook = time.Minute
	never     = math.MaxInt64
)

// start has tick called when the timer is due, and now.
func (t *idleTimer) start(tick func()) {
	if t.began == 0 {
		t.began = sinceEpoch()
	}
	t.back.Store(int64(t.began))
	t.timer = time.AfterFunc(never, tick)
	tick()
}

// watch is what a timer's tick does; of is nil for a kind that does nothing of its own.
func (l *link) watch(of keepAlive) {
	t, now, limits := &l.idle, sinceEpoch(), l.peers.limits()
	if asleep, gone := l.asleep(); asleep || gone {
		if !gone {
			t.timer.Reset(time.Second)
		}
		return
	}
	next := laterLook
	if limits.IdleTimeout > 0 {
		left := limits.IdleTimeout - t.silence(&t.spoke, now)
		if left <= 0 {
			l.Hangup(protocol.CloseGoing, "idle for too long")
			return
		}
		next = min(next, left)
	}
	if of != nil {
		again := of.keepAlive(now, limits)
		if again == never {
			return
		}
		next = min(next, again)
	}
	t.timer.Reset(max(next, time.Millisecond))
	if t.over.Load() {
		t.timer.Stop()
	}
}
