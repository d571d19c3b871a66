// A held response's one timer: heartbeats, which keep what is between the host and the client from giving up, and the idle time-out.

package listen

import (
	"time"

	"github.com/workerhost/workerhost/protocol"
)

func (p *held) beginTimer() {
	now := sinceEpoch()
	p.wrote.Store(int64(now))
	p.spoke.Store(int64(now))
	p.mu.Lock()
	defer p.mu.Unlock()
	p.timer = time.AfterFunc(p.nextTick(now), p.tick)
}

func (p *held) endTimer() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.timer.Stop()
	p.timer = nil
}

// nextTick is how long nothing has to be done if nothing happens.
func (p *held) nextTick(now time.Duration) time.Duration {
	limits := &p.server.terms.Load().Sockets
	next := laterLook
	if limits.PingInterval > 0 && p.encoding.events {
		next = min(next, time.Duration(p.wrote.Load())+limits.PingInterval-now)
	}
	if limits.IdleTimeout > 0 {
		next = min(next, time.Duration(p.spoke.Load())+limits.IdleTimeout-now)
	}
	return max(next, time.Millisecond)
}

// tick runs when the timer is due, never twice at once.
func (p *held) tick() {
	limits := &p.server.terms.Load().Sockets
	now := sinceEpoch()
	switch {
	case limits.IdleTimeout > 0 && now-time.Duration(p.spoke.Load()) >= limits.IdleTimeout:
		p.link.Hangup(protocol.CloseGoing, "idle for too long")
		return
	case limits.PingInterval > 0 && p.encoding.events && now-time.Duration(p.wrote.Load()) >= limits.PingInterval:
		p.wrote.Store(int64(now)) // one that waits to be written is enough
		p.link.Raw(p.encoding.heartbeat())
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.timer != nil {
		p.timer.Reset(p.nextTick(now))
	}
}
