package listen

import (
	"bytes"
	"io"
	"testing"

	"github.com/workerhost/workerhost/host/internal/peer/peertest"
	"github.com/workerhost/workerhost/protocol"
)

// inline handles each event at once, so that what is measured is the listener's and the hub's part.
type inline struct{ *switchboard }

func (b inline) Submit(x *protocol.Exchange) protocol.Ticket {
	t := &seat{gone: make(chan struct{})}
	b.handle(x, t)
	return t
}

// BenchmarkEcho is a small message there and back; the client's part is in it, too.
func BenchmarkEcho(b *testing.B) {
	l := startLines(b, func(s *switchboard, o *Options) { o.Backend = inline{s} })
	b.ReportAllocs()
	b.SetParallelism(25)
	text := peertest.Text("a message of some forty bytes, or so many")
	b.RunParallel(func(p *testing.PB) {
		k := l.call()
		in := make([]byte, len(text)-4)
		for p.Next() {
			k.Write(text)
			if _, err := io.ReadFull(k.in, in); err != nil {
				b.Error(err)
				return
			}
		}
		k.send(peertest.Close(1000, ""))
		k.expectClose(1000)
	})
}

// BenchmarkBroadcast is a message from one call to 500 connections, until the last one has it.
func BenchmarkBroadcast(b *testing.B) {
	l := startLines(b)
	const count = 500
	got := make(chan error, count)
	message := bytes.Repeat([]byte("b"), 100)
	for range count {
		k := l.call()
		go func() {
			in := make([]byte, 102)
			for {
				_, err := io.ReadFull(k.in, in)
				if got <- err; err != nil {
					return
				}
			}
		}()
	}
	b.ResetTimer()
	for range b.N {
		l.hub.Apply(nil, []protocol.Act{&protocol.Send{To: protocol.ToAll, Bytes: message}})
		for range count {
			if err := <-got; err != nil {
				b.Fatal(err)
			}
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*count), "ns/delivery")
	b.StopTimer()
	l.Close()
	for range count {
		<-got
	}
}
