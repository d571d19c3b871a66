// Parting: how HTTP/1.1 connections that are kept alive end with their listener. A client may send its next request
// at any moment, so the answer at hand tells it that no other may follow, and a connection that waits is closed only
// when nothing has come for a moment. HTTP/2 has GOAWAY for that.

package listen

import (
	"context"
	"net/http"
	"time"
)

const (
	// partingMoment is how long a connection has to have waited for a request before it is closed: whoever asks more
	// often finds an answer that says so.
	partingMoment = time.Second
	// partingGrace bounds it all. After it connections are closed as soon as they wait.
	partingGrace = 5 * time.Second
	// partingLook is how often they are looked at.
	partingLook = 20 * time.Millisecond
)

// What a client's connection does, as far as parting cares; a time, in Unix nanoseconds, is since when it waits for a
// request.
const (
	passing   = -2 // it is on its way from the lane to net/http, which does not know it yet
	apart     = -1 // not HTTP/1.x: it ends in a way of its own
	answering = 0
)

// note follows what net/http does with the connection.
func (c *client) note(state http.ConnState) {
	switch {
	case state == http.StateHijacked:
		c.waits.Store(apart)
	case c.waits.Load() == apart && state != http.StateNew:
	case state == http.StateNew, state == http.StateIdle:
		c.heard.Store(false)
		c.waits.Store(time.Now().UnixNano())
	case state == http.StateActive:
		c.waits.Store(answering)
	}
}

// part closes connections that have waited for a moment, and returns when there is none of HTTP/1.x any more, when
// the grace is over, or when ctx is done.
func (s *clients) part(ctx context.Context) {
	over := time.NewTimer(partingGrace)
	defer over.Stop()
	look := time.NewTicker(partingLook)
	defer look.Stop()
	for s.closeWaiting(time.Now()) > 0 {
		select {
		case <-look.C:
		case <-over.C:
			return
		case <-ctx.Done():
			return
		}
	}
}

// closeWaiting closes those that have waited for a moment, and says how many of HTTP/1.x are left.
func (s *clients) closeWaiting(now time.Time) (left int) {
	for _, c := range s.list() {
		since := c.waits.Load()
		switch {
		case since == apart:
		case since == answering, since == passing:
			left++
		case c.heard.Swap(false): // a part of a request
			c.waits.CompareAndSwap(since, now.UnixNano())
			left++
		case now.UnixNano()-since >= int64(partingMoment):
			c.Close()
		default:
			left++
		}
	}
	return left
}
