package web

import (
	"bytes"
	"testing"

	"github.com/workerhost/workerhost/host/internal/peer"
	"github.com/workerhost/workerhost/host/internal/spool"
)

// FuzzAByteQueueGivesWhatItWasGiven does what steps say, two bytes each, to a queue and to plain bytes.
func FuzzAByteQueueGivesWhatItWasGiven(f *testing.F) {
	f.Add([]byte{0, 200, 0, 255, 1, 0, 2, 130, 0, 3, 1, 0, 1, 0})
	f.Add([]byte{0, 255, 0, 255, 0, 1, 2, 200, 1, 0, 3, 0, 0, 9, 1, 0})
	f.Fuzz(func(t *testing.T, steps []byte) {
		var q byteQueue
		var want, out []byte
		stamp := byte(0)
		for ; len(steps) > 1; steps = steps[2:] {
			n := int(steps[1]) * 512 // up to two pieces
			switch steps[0] % 4 {
			case 0:
				stamp++
				p := bytes.Repeat([]byte{stamp}, n)
				q.add(p)
				want = append(want, p...)
				clear(p)
			case 1:
				p := q.take()
				if len(p) > peer.WriteStep || p == nil != (len(want) == 0) || !bytes.HasPrefix(want, p) {
					t.Fatalf("%d bytes were taken of %d", len(p), len(want))
				}
				want, out = want[len(p):], append(out, p...)
				q.reuse(p)
			case 2:
				rest := q.cut(n)
				n = min(n, len(want))
				for p := rest.take(); p != nil; p = rest.take() {
					if !bytes.HasPrefix(want[n:], p) {
						t.Fatal("another end was cut off")
					}
					want = append(want[:n:n], want[n+len(p):]...)
				}
				if len(want) != n {
					t.Fatalf("%d bytes are left, not %d", len(want), n)
				}
			case 3:
				q.empty()
				want = nil
			}
			if q.size != len(want) {
				t.Fatalf("it has %d bytes, and not %d", q.size, len(want))
			}
		}
	})
}

// TestWhatFitsNoDiskStaysInOrder has a client turn out to be slow when the disk takes a part of what waits for it.
func TestWhatFitsNoDiskStaysInOrder(t *testing.T) {
	disk := spool.New(t.TempDir(), 2*peer.WriteStep, nil)
	defer disk.Close()
	b := &backlog{limit: peer.WriteStep}
	var want []byte
	for i := range 5 {
		p := bytes.Repeat([]byte{byte(i + 1)}, peer.WriteStep)
		b.add(p, disk)
		want = append(want, p...)
	}
	b.spill(disk)
	if b.memory.size != peer.WriteStep || b.queued != 2*peer.WriteStep || b.tail.size != 2*peer.WriteStep {
		t.Fatalf("%d bytes are in memory, %d on disk, %d behind that", b.memory.size, b.queued, b.tail.size)
	}
	for got := []byte(nil); ; {
		p, fromDisk := b.next()
		if fromDisk {
			p = make([]byte, 1000)
			n, _ := b.readDisk(p)
			p = p[:n]
			b.tookDisk(n)
		}
		if got = append(got, p...); len(p) == 0 {
			if !bytes.Equal(got, want) {
				t.Fatalf("%d bytes came, not the %d in their order", len(got), len(want))
			}
			break
		}
		b.wrote(p, fromDisk)
	}
	b.drop()
}

// BenchmarkALongResponseWaits is the host's memory work for a response of 64 MiB whose client keeps up.
func BenchmarkALongResponseWaits(b *testing.B) {
	disk := spool.New(b.TempDir(), 1<<30, nil)
	defer disk.Close()
	log := &backlog{eager: true, limit: spool.OwnMemory, most: 1 << 20}
	piece := make([]byte, peer.WriteStep)
	b.ReportAllocs()
	b.SetBytes(64 << 20)
	for b.Loop() {
		for i := range 1024 {
			log.add(piece, disk)
			if i > 4 {
				p, _ := log.next()
				log.wrote(p, false)
			}
		}
		log.drop()
		log.eager, log.limit, log.most = true, spool.OwnMemory, 1<<20
	}
}
