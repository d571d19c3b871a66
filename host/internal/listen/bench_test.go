package listen

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/workerhost/workerhost/host/internal/accesslog"
	"github.com/workerhost/workerhost/host/internal/guard"
	"github.com/workerhost/workerhost/host/internal/web"
	"github.com/workerhost/workerhost/protocol"
)

// instant answers from another goroutine, as a worker's reader would, and allocates nothing itself.
type instant struct {
	traits protocol.Traits
	queue  chan *protocol.Exchange
}

var instantResponse = protocol.Response{Flags: 3, Status: 200, Headers: []string{"Content-Type", "text/plain"},
	Body: []byte("Hello, World!")}

func (b *instant) Traits() protocol.Traits { return b.traits }

func (b *instant) Submit(x *protocol.Exchange) protocol.Ticket {
	b.queue <- x
	return b
}

func (b *instant) Cancel(protocol.ResetCode) {}

func (b *instant) Send([]byte, bool, []string) (int, bool) { return 0, false }

func (b *instant) Consumed(int) {}

func (b *instant) Worker() (slot int, generation uint64) { return 0, 1 }

func (b *instant) run() {
	for x := range b.queue {
		x.Sink.Begin(b)
		x.Sink.Respond(&instantResponse)
		x.Sink.Finished()
	}
}

const benchRequest = "GET /hello?name=world HTTP/1.1\r\nHost: localhost:8080\r\nUser-Agent: bench\r\nAccept: " +
	"*/*\r\nAccept-Encoding: gzip\r\n\r\n"

func benchClients(b *testing.B, address string) {
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		c, err := net.Dial("tcp", address)
		if err != nil {
			b.Fatal(err)
		}
		defer c.Close()
		in := bufio.NewReader(c)
		for pb.Next() {
			io.WriteString(c, benchRequest)
			for { // the head, then 13 bytes
				line, err := in.ReadSlice('\n')
				if err != nil {
					b.Fatal(err)
				}
				if len(line) == 2 {
					break
				}
			}
			if _, err := in.Discard(len("Hello, World!")); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// BenchmarkListen is the whole of a listener, with workers that cost nothing.
func BenchmarkListen(b *testing.B) { benchListen(b, Options{}) }

// BenchmarkListenLane is the same on event loops, where a request costs one allocation, its text; the client makes
// another.
func BenchmarkListenLane(b *testing.B) { benchListen(b, Options{Loops: loops}) }

// BenchmarkListenWithAll has all on that a request may pass: its id, the rate limit, compression, for which the answer
// is too small, and a line in the access log.
func BenchmarkListenWithAll(b *testing.B) {
	access, err := accesslog.Open(filepath.Join(b.TempDir(), "access.json"), nil, nil)
	if err != nil {
		b.Fatal(err)
	}
	defer access.Close()
	o := Options{Terms: Terms{Terms: web.Terms{
		Access: access, RequestID: "X-Request-Id", RateLimit: guard.NewRateLimit(time.Microsecond, 1_000_000),
	}}}
	compressing(&o)
	benchListen(b, o)
}

// BenchmarkListenLaneCompression has compression on, as it is by default.
func BenchmarkListenLaneCompression(b *testing.B) {
	o := Options{Loops: loops}
	compressing(&o)
	benchListen(b, o)
}

func benchListen(b *testing.B, o Options) {
	back := &instant{traits: protocol.Traits{WholeBody: true, Spool: true}, queue: make(chan *protocol.Exchange, 64)}
	var running sync.WaitGroup
	running.Go(back.run)
	o.Address, o.Backend, o.Limits = "127.0.0.1:0", back, web.DefaultLimits()
	s, err := New(o)
	if err != nil {
		b.Fatal(err)
	}
	if err := s.Listen(); err != nil {
		b.Fatal(err)
	}
	running.Go(func() { s.Serve() })
	benchClients(b, s.Address())
	s.Close()
	close(back.queue)
	running.Wait()
}

// BenchmarkNetHTTP is the floor: a handler that answers the same at once.
func BenchmarkNetHTTP(b *testing.B) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	s := &http.Server{ReadHeaderTimeout: web.DefaultLimits().HeaderTimeout,
		IdleTimeout: web.DefaultLimits().IdleTimeout,
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header()["Content-Type"] = []string{"text/plain"}
			io.WriteString(w, "Hello, World!")
		})}
	var running sync.WaitGroup
	running.Go(func() { s.Serve(l) })
	benchClients(b, l.Addr().String())
	s.Close()
	running.Wait()
}
