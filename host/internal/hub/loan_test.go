package hub

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/workerhost/workerhost/protocol"
)

func TestAMessagesLoanIsRepaidOnceHoweverItEnds(t *testing.T) {
	large := make([]byte, 2*protocol.MaxData)
	for name, test := range map[string]struct {
		failure *protocol.Failure
		end     func(s *scene, c *Connection)
		deaf    bool // the workers want no messages
	}{
		"handled": {end: func(s *scene, c *Connection) {}},
		"its handler failed": {failure: &protocol.Failure{Kind: protocol.FailedReset},
			end: func(s *scene, c *Connection) {}},
		"its workers died": {failure: &protocol.Failure{Kind: protocol.FailedDied},
			end: func(s *scene, c *Connection) {}},
		"hung up":                 {end: func(s *scene, c *Connection) { c.Hangup(1000, "") }},
		"the client left":         {end: func(s *scene, c *Connection) { c.Closed(1006, "", false) }},
		"the client has finished": {end: func(s *scene, c *Connection) { c.Finish(1000, "") }},
		"the host stops": {end: func(s *scene, c *Connection) {
			ctx, cancel := context.WithCancel(context.Background())
			cancel()
			s.hub.Shutdown(ctx, 0, nil)
		}},
		"nobody wants it": {deaf: true, end: func(s *scene, c *Connection) {}},
	} {
		synctest.Test(t, func(t *testing.T) {
			s := newScene(t)
			s.pool.handle = func(m protocol.Opening, _ *Connection) outcome {
				if _, ok := m.(*protocol.Incoming); ok {
					return outcome{failure: test.failure}
				}
				return outcome{}
			}
			s.pool.traits.Events.Message = !test.deaf
			c := s.open(&fakePeer{})
			s.pool.atOnce, s.pool.free = false, make(chan struct{})
			const messages = 4 // one is under way, one waits, one waits for room, one comes too late or after it
			var repaid [messages]atomic.Int32
			told := make(chan struct{})
			go func() {
				defer close(told)
				for i := range messages {
					c.DeliverLent(large, true, func() { repaid[i].Add(1) })
				}
			}()
			synctest.Wait()
			if n := repaid[0].Load(); n != 0 && !test.deaf {
				t.Errorf("%s: repaid before it was handled", name)
			}
			test.end(s, c)
			synctest.Wait()
			close(s.pool.free)
			<-told
			c.Closed(1006, "", false)
			synctest.Wait()
			for i := range repaid {
				if n := repaid[i].Load(); n != 1 {
					t.Errorf("%s: message %d was repaid %d times", name, i, n)
				}
			}
			s.gone()
		})
	}
}
