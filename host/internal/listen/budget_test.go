// Tests of the memory that all bodies share.

package listen

import (
	"bytes"
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/workerhost/workerhost/host/internal/spool"
	"github.com/workerhost/workerhost/protocol"
)

func TestABodyPastTheMemoryBudgetGoesToDiskAndArrivesWhole(t *testing.T) {
	for name, spare := range map[string]int64{"memory to lend": spool.MemoryBudget, "none": 0} {
		onDisk := make(chan int64, 1)
		var h *house
		h = start(t, func(c *call) {
			onDisk <- h.options.Spool.Used()
			echo(c)
		})
		h.backend.traits = protocol.Traits{WholeBody: true, Spool: true}
		h.options.Spool.LimitMemory(spare)
		body := bytes.Repeat([]byte("0123456789abcdef"), 20_000) // 320,000 bytes
		r, err := h.client.Post(h.url, "text/plain", bytes.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		io.Copy(io.Discard, r.Body)
		r.Body.Close()
		want := int64(0)
		if spare == 0 {
			want = int64(len(body)) - spool.OwnMemory
		}
		if got := <-onDisk; got != want || r.StatusCode != http.StatusOK || r.Header.Get("X-Length") != "320000" {
			t.Errorf("%s: %d bytes on disk, not %d; status %d, length %s", name, got, want, r.StatusCode,
				r.Header.Get("X-Length"))
		}
		// the Backend may let go last
		for until := time.Now().Add(5 * time.Second); h.options.Spool.Memory() != spare; time.Sleep(time.Millisecond) {
			if time.Now().After(until) {
				t.Fatalf("%s: %d bytes to be lent afterwards, not %d", name, h.options.Spool.Memory(), spare)
			}
		}
	}
}

// Workers' answers wait for clients of HTTP/2 that open no window: each connection has memory of its own for one of
// them, and the others share the budget.
func TestStreamsWithoutAWindowFillNoMoreMemoryThanTheBudget(t *testing.T) {
	const streams, budget = 60, 2 << 20
	// more than a worker may send before the client is found slow
	head, rest := pattern(protocol.MaxData), pattern(protocol.DefaultWindow+protocol.MaxData)
	h := start(t, func(c *call) {
		c.respond(0, 200, nil, string(head))
		c.data(rest, true)
	}, withTLS(t))
	h.backend.traits = protocol.Traits{WholeBody: true, Spool: true}
	h.options.Spool.LimitMemory(budget)
	c := h.dialH2(4, 0) // the first window of each stream
	for range streams {
		c.open(endStream, get()...)
	}
	for h.backend.calls.Load() < streams {
		if _, _, _, _, err := c.read(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Millisecond)
	}
	h.backend.busy.Wait()
	total := int64(streams * (len(head) + len(rest)))
	if inMemory := total - h.options.Spool.Used(); inMemory > budget+spool.OwnMemory+int64(len(head)) {
		t.Errorf("%d bytes of %d are in memory, and the budget is %d", inMemory, total, budget)
	}
	if spare := h.options.Spool.Memory(); spare < 0 {
		t.Errorf("%d bytes were lent that there are not", -spare)
	}
	for stream := uint32(1); stream < c.next; stream += 2 {
		c.frame(frameWindow, 0, stream, []byte{0, 0x10, 0, 0})
	}
	c.frame(frameWindow, 0, 0, []byte{0x40, 0, 0, 0})
	bodies, ended := make(map[uint32][]byte), 0
	for ended < streams {
		kind, flags, stream, payload, err := c.read()
		if err != nil {
			t.Fatal(err)
		}
		if kind == frameData {
			bodies[stream] = append(bodies[stream], payload...)
			ended += int(flags & endStream)
		}
	}
	want := append(bytes.Clone(head), rest...)
	for stream, got := range bodies {
		if !bytes.Equal(got, want) {
			t.Fatalf("stream %d has %d bytes, not the %d that were sent", stream, len(got), len(want))
		}
	}
	// the Backend may let go last
	for until := time.Now().Add(5 * time.Second); h.options.Spool.Memory() != budget; time.Sleep(time.Millisecond) {
		if time.Now().After(until) {
			t.Fatalf("%d bytes to be lent afterwards, not %d", h.options.Spool.Memory(), budget)
		}
	}
}

func TestUploadsOfOneConnectionShareItsOwnMemory(t *testing.T) {
	arrived, looked := make(chan []byte), make(chan struct{})
	h := start(t, func(c *call) {
		arrived <- c.readAll()
		<-looked
		hello(c)
	})
	h.backend.traits = protocol.Traits{WholeBody: true, Spool: true}
	h.options.Spool.LimitMemory(0)
	body := pattern(60_000)
	c := h.dialH2(noTable...)
	fields := append([]string{":method", "POST"}, get("content-length", "60000")[2:]...)
	first, second := c.open(0, fields...), c.open(0, fields...)
	for off := 0; off < len(body); off += 10_000 {
		for _, stream := range []uint32{first, second} {
			flags := byte(0)
			if off == 50_000 && stream == second {
				flags = endStream
			}
			c.frame(frameData, flags, stream, body[off:off+10_000])
		}
	}
	if got := <-arrived; !bytes.Equal(got, body) {
		t.Errorf("%d bytes arrived of the second", len(got))
	}
	// one of them
	for until := time.Now().Add(5 * time.Second); h.options.Spool.Used() != int64(len(body)); time.Sleep(
		time.Millisecond) {
		if time.Now().After(until) {
			t.Errorf("%d bytes are on disk", h.options.Spool.Used())
			break
		}
	}
	close(looked)
	c.frame(frameData, endStream, first, nil)
	if got := <-arrived; !bytes.Equal(got, body) {
		t.Errorf("%d bytes arrived of the first", len(got))
	}
	if got := c.outcome(first); got != "200" {
		t.Error(got)
	}
}
