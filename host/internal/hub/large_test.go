package hub

import (
	"slices"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/workerhost/workerhost/protocol"
)

func TestLargeMessagesInARowAreAllHandled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScene(t)
		var sizes []int
		var mu sync.Mutex
		s.note(func(m protocol.Opening, _ *Connection) outcome {
			if m, ok := m.(*protocol.Incoming); ok {
				mu.Lock()
				sizes = append(sizes, len(m.Bytes))
				mu.Unlock()
			}
			return outcome{}
		})
		c := s.open(&fakePeer{})
		s.pool.atOnce = false
		const each = protocol.MaxData + 1
		for range 5 { // the third finds no room
			if !c.Deliver(make([]byte, each), true) {
				t.Fatal("a message was dropped")
			}
		}
		synctest.Wait()
		mu.Lock()
		defer mu.Unlock()
		if len(sizes) != 5 || slices.Min(sizes) < protocol.MaxData {
			t.Errorf("messages of %v bytes were handled, not 5 of %d", sizes, each)
		}
		c.Closed(1000, "", true)
		synctest.Wait()
		s.gone()
	})
}
