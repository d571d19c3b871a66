package quiet

import (
	"bytes"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/go-hclog"
)

// page is a log that a test reads.
type page struct {
	hclog.Logger
	mu   sync.Mutex // the logger's, too
	text bytes.Buffer
}

func newPage() *page {
	p := &page{}
	p.Logger = hclog.New(&hclog.LoggerOptions{Output: &p.text, Mutex: &p.mu, DisableTime: true})
	return p
}

// expect compares what was logged since it was last asked.
func (p *page) expect(t *testing.T, lines ...string) {
	t.Helper()
	synctest.Wait()
	p.mu.Lock()
	defer p.mu.Unlock()
	got := strings.FieldsFunc(p.text.String(), func(r rune) bool { return r == '\n' })
	p.text.Reset()
	for i := range got {
		got[i] = strings.TrimSpace(got[i])
	}
	if !slices.Equal(got, lines) {
		t.Errorf("logged %q, want %q", got, lines)
	}
}

func TestTheFirstOfManyIsToldAtOnceAndTheRestAreCounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var q Throttle
		log := newPage()
		for i := range 300 {
			q.Warn(log, "a client is slow", "number", i)
		}
		log.expect(t, "[WARN]  a client is slow: number=0")
		time.Sleep(Time - 1)
		log.expect(t)
		time.Sleep(time.Nanosecond)
		log.expect(t, "[WARN]  a client is slow: more=299")

		q.Warn(log, "a client is slow", "number", 300) // the line before was one, too
		log.expect(t)
		time.Sleep(Time)
		log.expect(t, "[WARN]  a client is slow: more=1")

		time.Sleep(Time)
		q.Warn(log, "a client is slow", "number", 301)
		log.expect(t, "[WARN]  a client is slow: number=301")
	})
}

func TestFlushTellsOfTheRestAtOnceAndNothingComesAfterIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var q Throttle
		log := newPage()
		q.Flush()
		for range 3 {
			q.Warn(log, "a wrong token")
		}
		q.Flush()
		log.expect(t, "[WARN]  a wrong token", "[WARN]  a wrong token: more=2")
		time.Sleep(2 * Time)
		log.expect(t)
	})
}

func TestWhatDoesNotPassIsForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var q Throttle
		passed := 0
		for range 30 { // seconds
			if q.Pass() {
				passed++
			}
			time.Sleep(time.Second)
		}
		if passed != 3 {
			t.Errorf("%d passed in 30 s", passed)
		}
	})
}
