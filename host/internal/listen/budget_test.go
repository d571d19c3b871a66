// Tests of the memory that all bodies share.

package listen

import (
	"bytes"
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/workerhost/workerhost/protocol"
)

func TestSlowClientsTogetherFillNoMoreMemoryThanTheBudget(t *testing.T) {
	spool := NewSpool(t.TempDir(), 1<<30, nil)
	defer spool.Close()
	const most = 1 << 20
	spool.spare.Store(most + most/2) // enough for one of the two
	piece := make([]byte, protocol.MaxData)
	fill := func() (b *backlog) {
		b = &backlog{eager: true, limit: ownMemory, most: most, slow: true}
		for range 2 * most / len(piece) {
			b.add(piece, spool)
		}
		return b
	}
	first, second := fill(), fill()
	if len(first.memory) != most || len(second.memory) != ownMemory {
		t.Errorf("in memory: %d and %d, not %d and %d", len(first.memory), len(second.memory), most, ownMemory)
	}
	if want := int64(most + 2*most - ownMemory); spool.Used() != want {
		t.Errorf("on disk: %d, not the rest, %d", spool.Used(), want)
	}
	first.drop()
	second.drop()
	if spare := spool.spare.Load(); spare != most+most/2 || spool.Used() != 0 {
		t.Errorf("afterwards %d bytes of memory are to be lent, and %d are on disk", spare, spool.Used())
	}
}

func TestABodyPastTheMemoryBudgetGoesToDiskAndArrivesWhole(t *testing.T) {
	for name, spare := range map[string]int64{"memory to lend": memoryBudget, "none": 0} {
		onDisk := make(chan int64, 1)
		var h *house
		h = start(t, func(c *call) {
			onDisk <- h.spool.Used()
			echo(c)
		})
		h.backend.traits = protocol.Traits{WholeBody: true, Spool: true}
		h.spool.spare.Store(spare)
		body := bytes.Repeat([]byte("0123456789abcdef"), 20_000) // 320,000 bytes
		r, err := h.client.Post(h.url, "text/plain", bytes.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		io.Copy(io.Discard, r.Body)
		r.Body.Close()
		want := int64(0)
		if spare == 0 {
			want = int64(len(body)) - ownMemory
		}
		if got := <-onDisk; got != want || r.StatusCode != http.StatusOK || r.Header.Get("X-Length") != "320000" {
			t.Errorf("%s: %d bytes on disk, not %d; status %d, length %s", name, got, want, r.StatusCode, r.Header.Get("X-Length"))
		}
		for until := time.Now().Add(5 * time.Second); h.spool.spare.Load() != spare; time.Sleep(time.Millisecond) { // the Backend may let go last
			if time.Now().After(until) {
				t.Fatalf("%s: %d bytes to be lent afterwards, not %d", name, h.spool.spare.Load(), spare)
			}
		}
	}
}
