// Tests of what waits for a client.

package web

import (
	"testing"

	"github.com/workerhost/workerhost/host/internal/spool"
	"github.com/workerhost/workerhost/protocol"
)

func TestSlowClientsTogetherFillNoMoreMemoryThanTheBudget(t *testing.T) {
	disk := spool.New(t.TempDir(), 1<<30, nil)
	defer disk.Close()
	const most = 1 << 20
	disk.LimitMemory(most + most/2) // enough for one of the two
	piece := make([]byte, protocol.MaxData)
	fill := func() (b *backlog) {
		b = &backlog{eager: true, limit: spool.OwnMemory, most: most, slow: true}
		for range 2 * most / len(piece) {
			b.add(piece, disk)
		}
		return b
	}
	first, second := fill(), fill()
	if first.memory.size != most || second.memory.size != spool.OwnMemory {
		t.Errorf("in memory: %d and %d, not %d and %d", first.memory.size, second.memory.size, most, spool.OwnMemory)
	}
	if want := int64(most + 2*most - spool.OwnMemory); disk.Used() != want {
		t.Errorf("on disk: %d, not the rest, %d", disk.Used(), want)
	}
	first.drop()
	second.drop()
	if spare := disk.Memory(); spare != most+most/2 || disk.Used() != 0 {
		t.Errorf("afterwards %d bytes of memory are to be lent, and %d are on disk", spare, disk.Used())
	}
}
