// A worker's voice: how what it says comes into the log. It is cut, made printable, and no more than log_rate lets
// through.

package workers

import (
	"fmt"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/hashicorp/go-hclog"
)

const (
	lineCost  = 128             // what an entry takes beside its text
	logBurst  = 8 * time.Second // for which log_rate may be said at once
	tellAfter = time.Second     // from the first entry that was dropped to the one that says how many
)

// voice is safe for concurrent use.
type voice struct {
	log   hclog.Logger
	rate  int64 // bytes a second; without a bound below 0
	meter *meter

	mu             sync.Mutex
	paid           time.Time   // until when the rate is used up; guarded by mu
	entries, bytes int64       // dropped and not told of; guarded by mu
	telling        *time.Timer // set while there are some; guarded by mu
	bootlog        bootlog     // guarded by mu
}

// say logs an entry, or counts it as dropped. The text is cut by whoever calls, and over is by how much.
func (v *voice) say(level hclog.Level, text string, over int, args ...any) {
	if level < v.log.GetLevel() {
		return
	}
	e := entry{level: level, text: printable(text), over: over, args: args}
	switch {
	case over > 0:
	case len(args) == 0:
		e.same = strings.TrimSpace(e.text)
	case len(args) == 2 && args[0] == "trace":
		e.same = strings.TrimSpace(e.text + "\n" + args[1].(string))
	}
	v.enter(e)
}

// enter says e, or keeps it back while the worker boots.
func (v *voice) enter(e entry) {
	if !v.keep(e) {
		v.speak(e)
	}
}

func (v *voice) speak(e entry) {
	if v.admit(int64(len(e.text) + size(e.args...) + lineCost)) {
		v.log.Log(e.level, e.text+cutNote(e.over), e.args...)
	}
}

// admit says whether n bytes may be logged now.
func (v *voice) admit(n int64) bool {
	if v.rate < 0 {
		return true
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	now := time.Now()
	if rested := now.Add(-logBurst); v.paid.Before(rested) {
		v.paid = rested
	}
	if !v.paid.After(now) {
		v.paid = v.paid.Add(time.Duration(n) * time.Second / time.Duration(v.rate))
		return true
	}
	v.entries++
	v.bytes += n
	v.meter.logDropped.Add(1)
	if v.telling == nil {
		v.telling = time.AfterFunc(tellAfter, v.tell)
	}
	return false
}

// tell logs how much was dropped, if anything was. It is called once more when the worker has gone.
func (v *voice) tell() {
	v.mu.Lock()
	entries, bytes := v.entries, v.bytes
	v.entries, v.bytes = 0, 0
	if v.telling != nil {
		v.telling.Stop()
		v.telling = nil
	}
	v.mu.Unlock()
	if entries > 0 {
		v.log.Warn("the worker says more than log_rate, and some of it was dropped",
			"entries", entries, "bytes", bytes, "log_rate", v.rate)
	}
}

// excerpt is text as people may see it: printable, and no longer than maxText, or it says by how much it was.
func excerpt(text string) string {
	text, over := clip(text, maxText)
	return printable(text) + cutNote(over)
}

func cutNote(over int) string {
	if over == 0 {
		return ""
	}
	return fmt.Sprintf("… (cut: %d bytes more)", over)
}

// size is about how long values are in the log.
func size(values ...any) (n int) {
	for _, value := range values {
		switch v := value.(type) {
		case string:
			n += len(v)
		case []any:
			n += size(v...)
		case map[string]any:
			for key, inner := range v {
				n += len(key) + size(inner)
			}
		}
		n += 8
	}
	return n
}

// clip is text that is no longer than most, with how much longer it was.
func clip[T ~string | ~[]byte](text T, most int) (T, int) {
	if len(text) <= most {
		return text, 0
	}
	end := most
	for end > most-utf8.UTFMax && end > 0 && !utf8.RuneStart(text[end]) {
		end--
	}
	return text[:end], len(text) - end
}
