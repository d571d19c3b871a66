package guard

import (
	"fmt"
	"testing"
	"time"
)

func TestTheTableOfAddressesIsBounded(t *testing.T) {
	l := NewRateLimit(time.Second, 1)
	for i := range 4 * rateShards * rateRoom {
		l.Allow(fmt.Sprintf("10.%d.%d.%d:1", i>>16, i>>8&255, i&255))
	}
	total := 0
	for i := range l.shards {
		total += len(l.shards[i].next)
	}
	if total > rateShards*rateRoom {
		t.Errorf("%d addresses", total)
	}
}
