// What an idle TCP connection costs. The clients are another process, as in websocket_idle_test.go.

package listen

import (
	"testing"
	"time"

	"github.com/workerhost/workerhost/protocol"
)

// idleTCPCost opens connections, each of which says a line, and tells what one costs.
func idleTCPCost(t testing.TB, count int) (rss, own int64) {
	l := startTCP(t, byLine, func(b *switchboard, _ *Options) {
		b.open = func(*protocol.Open) ([]protocol.Act, *protocol.Response, *protocol.Failure) {
			return []protocol.Act{&protocol.Set{
				Set: []protocol.Entry{{Key: "name", Value: protocol.Value("\xa5guest")}}},
				&protocol.Join{Groups: []string{"lobby"}}}, nil, nil
		}
	})
	l.callers(1, sayingLines)() // what is allocated once
	for until := time.Now().Add(10 * time.Second); len(l.hub.List()) > 0 &&
		time.Now().Before(until); time.Sleep(time.Millisecond) {
	}
	rssBefore, ownBefore := resident()
	stop := l.callers(count, sayingLines)
	rss, own = resident()
	if n := len(l.hub.List()); n != count {
		t.Errorf("%d connections are open", n)
	}
	stop()
	return (rss - rssBefore) / int64(count), (own - ownBefore) / int64(count)
}

func TestAnIdleTCPConnectionCostsLittle(t *testing.T) {
	if raceEnabled || testing.Short() {
		t.Skip("measures memory")
	}
	rss, own := idleTCPCost(t, 6000)
	t.Logf("%d bytes resident, %d of them in the heap and on stacks", rss, own)
	if own > 6<<10 { // the runtime's own share is smaller with the 15,000 of the benchmark
		t.Errorf("an idle TCP connection costs %d bytes", own)
	}
}

func BenchmarkIdleTCP(b *testing.B) {
	for range b.N {
		rss, own := idleTCPCost(b, 15000)
		b.ReportMetric(float64(rss), "RSS-bytes/conn")
		b.ReportMetric(float64(own), "heap+stack-bytes/conn")
	}
}
