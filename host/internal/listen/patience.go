// How long a client's frames are put up with that ask for nothing, over HTTP/2 and HTTP/3.

package listen

import (
	"sync/atomic"
	"time"
)

// patience is safe for concurrent use.
type patience struct {
	idle  atomic.Int64 // frames without use that may still come
	asked atomic.Int64 // when that was last raised by the clock, in Unix nanoseconds
	sent  atomic.Int64 // bytes of answers for which no window was given back yet
}

// A client may send so many frames in a row that ask for nothing: of control, of header blocks, of no data. Time
// gives it more, and so does each frame of an answer that it gets, since it may then ask again. What it acknowledges
// with windows it may have read long after it was sent, so those are set against the bytes: some clients give back
// 4 KiB at a time, of a stream and of the connection.
const (
	mostIdleFrames   = 1000
	idleFramesPerSec = 100
	framesPerAnswer  = 8
	bytesPerWindow   = 2 << 10

	tooManyFrames = "too many frames that ask for nothing"
)

func (p *patience) renew() {
	p.asked.Store(time.Now().UnixNano())
	p.idle.Store(mostIdleFrames)
}

// allowed takes one, and says whether it was not one too many.
func (p *patience) allowed() bool {
	if p.idle.Add(-1) >= 0 {
		return true
	}
	now := time.Now().UnixNano()
	since := time.Duration(now - p.asked.Swap(now))
	return p.idle.Add(min(int64(since*idleFramesPerSec/time.Second), mostIdleFrames)) >= 0
}

// answered says that a frame of an answer goes out, with so many bytes of its body.
func (p *patience) answered(bytes int) {
	p.sent.Add(int64(bytes))
	if p.idle.Load() < mostIdleFrames {
		p.idle.Add(framesPerAnswer)
	}
}

// acknowledges says whether a window is given back for what was sent. One goroutine at a time calls it.
func (p *patience) acknowledges() bool {
	if p.sent.Load() < bytesPerWindow {
		return false
	}
	p.sent.Add(-bytesPerWindow)
	return true
}
