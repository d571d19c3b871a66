// What happens to very many clients at once is not told of each of them.

package hub

import (
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"
)

// quietTime is how long a Throttle says nothing after it has said something.
const quietTime = 10 * time.Second

// Throttle warns of the first of many like events at once, and then every ten seconds of how many more there were. The zero value is ready for use; its
// methods are safe for concurrent use.
type Throttle struct {
	mu    sync.Mutex
	quiet bool         // a timer is set, for tick
	more  int          // since the last warning
	log   hclog.Logger // where those would have gone
	what  string
}

// Warn logs what, with the details of this one, or counts it.
func (t *Throttle) Warn(log hclog.Logger, what string, details ...any) {
	t.mu.Lock()
	t.log, t.what = log, what
	if t.quiet {
		t.more++
		t.mu.Unlock()
		return
	}
	t.quiet = true
	time.AfterFunc(quietTime, t.tick)
	t.mu.Unlock()
	log.Warn(what, details...)
}

func (t *Throttle) tick() {
	t.mu.Lock()
	t.quiet = t.more > 0
	if t.quiet {
		time.AfterFunc(quietTime, t.tick)
	}
	t.mu.Unlock()
	t.Flush()
}

// Flush tells at once of those that have been counted: the process may be about to end.
func (t *Throttle) Flush() {
	t.mu.Lock()
	log, what, more := t.log, t.what, t.more
	t.more = 0
	t.mu.Unlock()
	if more > 0 {
		log.Warn(what, "more", more)
	}
}
