//go:build linux

package workers

import (
	"testing"

	"github.com/hashicorp/go-hclog"
	"github.com/workerhost/workerhost/protocol"
)

func BenchmarkSubmit(b *testing.B) {
	for _, parallel := range []bool{false, true} {
		b.Run(map[bool]string{false: "one", true: "parallel"}[parallel], func(b *testing.B) {
			p, _ := newRealPool(b, Settings{Workers: 4, Logger: hclog.NewNullLogger()})
			b.ReportAllocs()
			b.ResetTimer()
			if !parallel {
				c := newBenchClient()
				for b.Loop() {
					c.ask(b, p)
				}
				return
			}
			b.SetParallelism(4)
			b.RunParallel(func(pb *testing.PB) {
				c := newBenchClient()
				for pb.Next() {
					c.ask(b, p)
				}
			})
		})
	}
}

// BenchmarkEvent is a message's way to a worker that echoes it, and what it sends back to the hub.
func BenchmarkEvent(b *testing.B) {
	for _, parallel := range []bool{false, true} {
		b.Run(map[bool]string{false: "one", true: "parallel"}[parallel], func(b *testing.B) {
			p, _ := newRealPool(b, Settings{Workers: 4, Hub: benchHub{}, Logger: hclog.NewNullLogger()})
			b.ReportAllocs()
			b.ResetTimer()
			if !parallel {
				c := newBenchEvent()
				for b.Loop() {
					c.ask(b, p)
				}
				return
			}
			b.SetParallelism(4)
			b.RunParallel(func(pb *testing.PB) {
				c := newBenchEvent()
				for pb.Next() {
					c.ask(b, p)
				}
			})
		})
	}
}

func newBenchEvent() *benchClient {
	c := newBenchClient()
	c.Exchange = protocol.Exchange{
		Request: &protocol.Incoming{
			Flags: protocol.FlagEnd, Bytes: []byte("Hello, World!"),
			Connection: protocol.Connection{ID: "d2f6c1-1a2b", Protocol: protocol.ProtoWebSocket,
				Remote: "127.0.0.1:12345", Groups: []string{"lobby"}},
		},
		Repeatable: true, Patient: true, Subject: connection("d2f6c1-1a2b"), Sink: c,
	}
	return c
}

// benchClient submits again and again without allocating itself.
type benchClient struct {
	protocol.Exchange
	request  protocol.Request
	finished chan struct{}
	failure  *protocol.Failure
}

func newBenchClient() *benchClient {
	c := &benchClient{request: *get("/"), finished: make(chan struct{}, 1)}
	c.request.Headers = []string{"User-Agent", "bench", "Accept", "*/*", "Accept-Encoding", "gzip", "Cookie",
		"session=0123456789abcdef"}
	c.request.Remote = "127.0.0.1:12345"
	c.Exchange = protocol.Exchange{Request: &c.request, Repeatable: true, Sink: c}
	return c
}

func (c *benchClient) ask(b *testing.B, p *Pool) {
	p.Submit(&c.Exchange)
	<-c.finished
	if c.failure != nil {
		b.Error(c.failure)
	}
}

func (c *benchClient) Begin(protocol.Stream)      {}
func (c *benchClient) Writable()                  {}
func (c *benchClient) Inform(*protocol.Inform)    {}
func (c *benchClient) Respond(*protocol.Response) {}
func (c *benchClient) Data(*protocol.Data)        {}
func (c *benchClient) Fail(f *protocol.Failure)   { c.failure = f }
func (c *benchClient) Finished()                  { c.finished <- struct{}{} }
