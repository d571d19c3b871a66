// Package quiet keeps what happens to very many clients at once from filling the log.
package quiet

import (
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"
)

// Time is how long a Throttle says nothing after it has said something.
const Time = 10 * time.Second

// Throttle lets one of many like lines into the log each ten seconds. The zero value is ready for use; its methods are
// safe for concurrent use.
type Throttle struct {
	mu    sync.Mutex
	until time.Time // when the next line may go out; guarded by mu, as all below
	more  int       // that Warn has not told of
	timer *time.Timer
	log   hclog.Logger // where those would have gone
	what  string
}

// Pass says whether the caller may log its line now. One that may not is forgotten: whatever it is about has a count
// of its own, or goes on.
func (t *Throttle) Pass() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.pass()
}

func (t *Throttle) pass() bool {
	now := time.Now()
	if now.Before(t.until) {
		return false
	}
	t.until = now.Add(Time)
	return true
}

// Warn logs what, with the details of this one, or counts it: how many more there were is logged when a line may go
// out again.
func (t *Throttle) Warn(log hclog.Logger, what string, details ...any) {
	t.mu.Lock()
	t.log, t.what = log, what
	now := t.more == 0 && t.pass()
	if !now {
		t.more++
		if t.timer == nil {
			t.timer = time.AfterFunc(time.Until(t.until), t.tick)
		}
	}
	t.mu.Unlock()
	if now {
		log.Warn(what, details...)
	}
}

func (t *Throttle) tick() {
	t.Pass() // for the line that tells of them
	t.Flush()
}

// Flush tells at once of those that have been counted: the process may be about to end.
func (t *Throttle) Flush() {
	t.mu.Lock()
	log, what, more := t.log, t.what, t.more
	t.more = 0
	if t.timer != nil {
		t.timer.Stop()
		t.timer = nil
	}
	t.mu.Unlock()
	if more > 0 {
		log.Warn(what, "more", more)
	}
}
