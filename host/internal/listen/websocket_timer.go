// A connection's one timer: pings, and what becomes of a client that does not answer them or has nothing to say. Traffic only notes when it was; the timer finds
// that out when it is due, and is wound up for the rest.

package listen

import (
	"time"

	"github.com/gobwas/ws"
	"github.com/workerhost/workerhost/protocol"
)

// laterLook is when the timer looks again if there is nothing to watch: a reload may change that.
const laterLook = time.Minute

func (c *websocket) beginTimer() {
	now := int64(sinceEpoch())
	c.heard.Store(now)
	c.spoke.Store(now)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.timer = time.AfterFunc(c.nextTick(sinceEpoch()), c.tick)
}

func (c *websocket) endTimer() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.timer.Stop()
	c.timer = nil
}

// nextTick is how long nothing has to be done if nothing happens.
func (c *websocket) nextTick(now time.Duration) time.Duration {
	limits := &c.server.terms.Load().Sockets
	next := laterLook
	switch {
	case c.asked != 0 && limits.PongTimeout > 0:
		next = min(next, c.asked+limits.PongTimeout-now)
	case c.asked == 0 && limits.PingInterval > 0:
		next = min(next, time.Duration(c.heard.Load())+limits.PingInterval-now)
	}
	if limits.IdleTimeout > 0 {
		next = min(next, time.Duration(c.spoke.Load())+limits.IdleTimeout-now)
	}
	return max(next, time.Millisecond)
}

// tick runs when the timer is due, never twice at once.
func (c *websocket) tick() {
	limits := &c.server.terms.Load().Sockets
	now := sinceEpoch()
	if c.waiting.Load() { // it is we who don't read
		c.heard.Store(int64(now))
		c.spoke.Store(int64(now))
	}
	heard := time.Duration(c.heard.Load())
	if c.asked != 0 && heard >= c.asked {
		c.asked = 0
	}
	switch {
	case c.ended.Load():
		return // the hub has a deadline of its own
	case limits.IdleTimeout > 0 && now-time.Duration(c.spoke.Load()) >= limits.IdleTimeout:
		c.link.Hangup(protocol.CloseGoing, "idle for too long")
		return
	case c.asked != 0 && limits.PongTimeout > 0 && now-c.asked >= limits.PongTimeout:
		c.silent.Store(true)
		c.Abort()
		return
	case c.asked == 0 && limits.PingInterval > 0 && now-heard >= limits.PingInterval:
		c.asked = now
		c.link.Raw(controlFrame(ws.OpPing, nil))
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.timer != nil {
		c.timer.Reset(c.nextTick(now))
	}
}
