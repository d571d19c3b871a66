package hub

import (
	"fmt"
	"io"
	"runtime"
	"sync/atomic"
	"testing"

	"github.com/hashicorp/go-hclog"

	"github.com/workerhost/workerhost/protocol"
)

// nullPeer takes everything, and costs nothing.
type nullPeer struct{ taken atomic.Int64 }

func (*nullPeer) Encoding() Encoding { return tags }
func (p *nullPeer) TryWrite(b [][]byte) (n int, err error) {
	for _, f := range b {
		n += len(f)
	}
	p.taken.Add(1)
	return n, nil
}
func (*nullPeer) Write([][]byte) error { return nil }
func (*nullPeer) End(int, string)      {}
func (*nullPeer) Abort()               {}

// nullPool answers each message with acts, within Submit.
type nullPool struct {
	hub  *Hub
	acts []protocol.Act
}

func (*nullPool) Traits() protocol.Traits { return protocol.Traits{Pool: "chat", Events: allEvents} }
func (f *nullPool) Submit(x *protocol.Exchange) protocol.Ticket {
	x.Sink.Begin(nil)
	if _, ok := x.Request.(*protocol.Incoming); ok {
		f.hub.Apply(x.Subject, f.acts)
	}
	x.Sink.Finished()
	return nil
}

func crowdOf(n int, p func() Peer) (h *Hub, pool *nullPool, all []*Connection) {
	h = New(hclog.New(&hclog.LoggerOptions{Output: io.Discard}))
	pool = &nullPool{hub: h}
	terms := &Terms{Backend: pool}
	for i := range n {
		c := h.Add(p(), Card{Protocol: protocol.ProtoWebSocket, Remote: fmt.Sprintf("192.0.2.%d:%d", i%250, i),
			Listener: "127.0.0.1:8080"}, terms)
		c.Open(nil, func(Admission) { c.Opened() })
		all = append(all, c)
	}
	return h, pool, all
}

// heap is how many bytes are in use.
func heap() uint64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.GC()
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// idleBytes is what each of n idle connections costs, with a session of two keys, a group and a user of its own; its
// peer is not counted.
func idleBytes(n int) float64 {
	shared := &nullPeer{}
	before := heap()
	h, _, all := crowdOf(n, func() Peer { return shared })
	for i, c := range all {
		h.Apply(c, []protocol.Act{
			&protocol.Join{Groups: []string{"lobby"}}, &protocol.Bind{UID: fmt.Sprint("user", i)},
			&protocol.Set{Set: []protocol.Entry{{Key: "name", Value: protocol.Value("\xa5Alice")},
				{Key: "since", Value: protocol.Value("\xce\x00\x00\x00\x00")}}},
		})
		c.Deliver([]byte("hello"), false)
		h.Apply(c, []protocol.Act{say("hello")})
	}
	after := heap()
	runtime.KeepAlive(h)
	return float64(int64(after-before)) / float64(n)
}

func TestAnIdleConnectionCostsLittle(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector's memory is not the program's")
	}
	if b := idleBytes(15_000); b > 1536 {
		t.Errorf("an idle connection costs %.0f bytes, want at most 1.5 KiB", b)
	}
}

func BenchmarkIdleConnections(b *testing.B) {
	for range b.N {
		b.ReportMetric(idleBytes(15_000), "B/conn")
	}
}

func BenchmarkBroadcast(b *testing.B) {
	const n = 10_000
	h, _, all := crowdOf(n, func() Peer { return &nullPeer{} })
	for _, c := range all {
		h.Apply(c, []protocol.Act{&protocol.Join{Groups: []string{"lobby"}}})
	}
	act := []protocol.Act{&protocol.Send{To: protocol.ToGroups, Names: []string{"lobby"}, Bytes: make([]byte, 100)}}
	b.ReportAllocs()
	for b.Loop() {
		h.Apply(nil, act)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*n), "ns/delivered")
}

func BenchmarkEcho(b *testing.B) {
	_, pool, all := crowdOf(1, func() Peer { return &nullPeer{} })
	pool.acts = []protocol.Act{say("hello")}
	data := []byte("hello")
	b.ReportAllocs()
	for b.Loop() {
		all[0].Deliver(data, false)
	}
}

func BenchmarkEchoManyAtOnce(b *testing.B) {
	_, pool, all := crowdOf(100, func() Peer { return &nullPeer{} })
	pool.acts = []protocol.Act{say("hello")}
	var next atomic.Int64
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		c := all[next.Add(1)%100]
		for pb.Next() {
			c.Deliver([]byte("hello"), false)
		}
	})
}

func BenchmarkSetSession(b *testing.B) {
	h, _, all := crowdOf(1, func() Peer { return &nullPeer{} })
	act := []protocol.Act{&protocol.Set{Set: []protocol.Entry{{Key: "name", Value: protocol.Value("\xa5Alice")}}}}
	b.ReportAllocs()
	for b.Loop() {
		h.Apply(all[0], act)
	}
}

func BenchmarkJoinAndLeave(b *testing.B) {
	h, _, all := crowdOf(10_000, func() Peer { return &nullPeer{} })
	join, leave := []protocol.Act{&protocol.Join{Groups: []string{"lobby"}}},
		[]protocol.Act{&protocol.Leave{Groups: []string{"lobby"}}}
	for _, c := range all {
		h.Apply(c, join)
	}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		c := all[i%len(all)]
		h.Apply(c, leave)
		h.Apply(c, join)
	}
}
