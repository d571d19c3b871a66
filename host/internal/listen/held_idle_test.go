// What an idle held response costs. The clients are another process, as in websocket_idle_test.go.

package listen

import "testing"

// heldCost holds responses, and says what one costs.
func heldCost(t testing.TB, count int) (rss, own int64) {
	l, _ := startHeld(t)
	l.callers(1, justListening)() // what is allocated once
	l.held(0)
	rssBefore, ownBefore := resident()
	stop := l.callers(count, justListening)
	l.held(count)
	rss, own = resident()
	stop()
	l.held(0)
	return (rss - rssBefore) / int64(count), (own - ownBefore) / int64(count)
}

func TestAnIdleHeldResponseCostsLittle(t *testing.T) {
	if raceEnabled || testing.Short() {
		t.Skip("measures memory")
	}
	rss, own := heldCost(t, 2000)
	t.Logf("%d bytes resident, %d of them in the heap and on stacks", rss, own)
	if own > 10<<10 {
		t.Errorf("an idle held response costs %d bytes", own)
	}
}

func BenchmarkIdleHeldResponse(b *testing.B) {
	for range b.N {
		rss, own := heldCost(b, 15000)
		b.ReportMetric(float64(rss), "RSS-bytes/conn")
		b.ReportMetric(float64(own), "heap+stack-bytes/conn")
	}
}
