package listen

import (
	"bytes"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/workerhost/workerhost/protocol"
)

// A body that would fill the disk is refused with 503 and one log line, however many come, and those after it are taken once there is room again.
func TestADiskThatIsNearlyFullRefusesBodiesAndStaysSo(t *testing.T) {
	for _, test := range []struct {
		total, floor int64
	}{{10 << 30, 512 << 20}, {100 << 30, 1 << 30}} {
		var free atomic.Int64
		free.Store(test.floor - 1)
		h := start(t, func(c *call) { c.readAll(); c.whole(200, "") }, func(o *Options) {
			o.Limits.BodyBuffer = 0
			o.Spool.space = func(string) (total, left int64, ok bool) { return test.total, free.Load(), true }
		})
		h.backend.traits = protocol.Traits{WholeBody: true}
		post := func() int {
			resp, _ := h.do("POST", "/", bytes.NewReader(pattern(1<<20)))
			return resp.StatusCode
		}
		for range 3 {
			if got := post(); got != 503 {
				t.Fatalf("%d of %d bytes free: %d", free.Load(), test.total, got)
			}
		}
		if n := strings.Count(h.logged.String(), "nearly full"); n != 1 {
			t.Errorf("%d log lines", n)
		}
		if used := h.spool.Used(); used != 0 {
			t.Errorf("%d bytes are counted for bodies that were refused", used)
		}
		free.Store(test.floor)
		time.Sleep(lookEvery)
		if got := post(); got != 200 {
			t.Errorf("with room again: %d", got)
		}
		if h.backend.calls.Load() != 1 {
			t.Errorf("workers were asked %d times", h.backend.calls.Load())
		}
	}
}
