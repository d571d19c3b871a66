// What a worker says while it boots is kept back for a moment: if the boot fails, the report of that has it too, and
// the log says it once, as one entry.

package workers

import (
	"strings"
	"time"

	"github.com/hashicorp/go-hclog"
)

const (
	keptFor  = time.Second // then it is said: one wants to see what a slow boot does
	keptMost = maxText     // in bytes, with what each entry takes
)

// bootlog is what the voice of a worker has yet to say. Guarded by voice.mu.
type bootlog struct {
	boots   bool // what is said is kept
	entries []entry
	bytes   int
	timer   *time.Timer // set while there are entries
}

// entry is one of the log.
type entry struct {
	level hclog.Level
	text  string
	over  int    // by how many bytes it was cut
	same  string // what a report has of it if it has all; "" if it can't
	args  []any
}

// keep takes e in, and says whether it did.
func (v *voice) keep(e entry) bool {
	v.mu.Lock()
	b := &v.bootlog
	if !b.boots {
		v.mu.Unlock()
		return false
	}
	b.entries = append(b.entries, e)
	if b.bytes += len(e.text) + size(e.args...) + lineCost; b.timer == nil {
		b.timer = time.AfterFunc(keptFor, func() { v.sayKept("") })
	}
	full := b.bytes > keptMost
	v.mu.Unlock()
	if full {
		v.sayKept("")
	}
	return true
}

// sayKept says what was kept, but for what stands in the report.
func (v *voice) sayKept(report string) {
	v.mu.Lock()
	b := &v.bootlog
	entries := b.entries
	b.entries, b.bytes = nil, 0
	if b.timer != nil {
		b.timer.Stop()
		b.timer = nil
	}
	v.mu.Unlock()
	for _, e := range entries {
		if e.same == "" || !strings.Contains(report, e.same) {
			v.speak(e)
		}
	}
}

// booted is called when the boot has ended: well, and then report is "", or with a report that the log has.
func (v *voice) booted(report string) {
	v.mu.Lock()
	v.bootlog.boots = false
	v.mu.Unlock()
	v.sayKept(report)
}
