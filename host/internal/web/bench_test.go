package web

import (
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/hashicorp/go-hclog"

	"github.com/workerhost/workerhost/host/internal/http1"
	"github.com/workerhost/workerhost/host/internal/peer"
	"github.com/workerhost/workerhost/protocol"
)

// stool is a seat whose client takes everything at once.
type stool struct {
	Conn
	answers, bytes int
}

func (s *stool) Remote() string                                  { return "192.0.2.1:50000" }
func (s *stool) Local() any                                      { return &net.TCPAddr{} }
func (s *stool) Send(...[]byte) error                            { return io.ErrClosedPipe }
func (s *stool) SendFile([]byte, *os.File, int64) (int64, error) { return 0, io.ErrClosedPipe }
func (s *stool) Yield(p *Pending)                                { p.Drop() }
func (s *stool) Abort()                                          {}
func (s *stool) Answer(b []byte, ends bool) {
	s.answers++
	s.bytes += len(b)
}

// swift answers at once, as a worker that costs nothing.
type swift struct{ frame []byte }

var swiftResponse = protocol.Response{Flags: 3, Status: 200, Headers: []string{"Content-Type", "text/plain"},
	Body: []byte("Hello, World!")}

func (b *swift) Traits() protocol.Traits { return protocol.Traits{WholeBody: true, Spool: true} }

func (b *swift) Submit(x *protocol.Exchange) protocol.Ticket {
	x.Request.SetStream(1)
	b.frame = x.Request.AppendFrame(b.frame[:0])
	x.Sink.Begin(b)
	x.Sink.Respond(&swiftResponse)
	x.Sink.Finished()
	return b
}

func (b *swift) Cancel(protocol.ResetCode)               {}
func (b *swift) Send([]byte, bool, []string) (int, bool) { return 0, false }
func (b *swift) Consumed(int)                            {}
func (b *swift) Worker() (slot int, generation uint64)   { return 0, 1 }

const plainHead = "GET /hello?name=world HTTP/1.1\r\nHost: localhost:8080\r\n\r\n"

const browserHead = "GET /products?page=7 HTTP/1.1\r\nHost: shop.example\r\n" +
	"User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0\r\n" +
	"Accept: text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8\r\n" +
	"Accept-Language: de,en-US;q=0.7,en;q=0.3\r\nAccept-Encoding: gzip, deflate, br, zstd\r\n" +
	"Referer: https://shop.example/products?category=7\r\nConnection: keep-alive\r\n" +
	"Cookie: session=0123456789abcdef0123456789abcdef; theme=dark; consent=1\r\n" +
	"Upgrade-Insecure-Requests: 1\r\nSec-Fetch-Dest: document\r\nSec-Fetch-Mode: navigate\r\n" +
	"Sec-Fetch-Site: same-origin\r\nPriority: u=0, i\r\n\r\n"

// BenchmarkPending is what a request on the lane costs from its bytes to REQUEST's, and from RESPONSE to its answer's.
func BenchmarkPending(b *testing.B) {
	for _, test := range []struct{ name, head string }{{"plain", plainHead}, {"browser", browserHead}} {
		b.Run(test.name, func(b *testing.B) {
			h := New(Options{Peers: &peer.Peers{}, Logger: hclog.NewNullLogger()},
				Terms{Backend: &swift{}, Limits: DefaultLimits(), RequestID: "X-Request-Id"})
			var head http1.Head
			seat, bytes := &stool{}, []byte(test.head)
			b.ReportAllocs()
			for b.Loop() {
				if head.Parse(bytes) != http1.Plain {
					b.Fatal("it is not plain")
				}
				h.Pending(seat, &head, string(bytes), nil).Submit()
			}
			if seat.answers != b.N {
				b.Fatal(seat.answers, b.N)
			}
		})
	}
}

// BenchmarkWhatConnectionNames has as many names and fields as a header of 64 KiB has room for.
func BenchmarkWhatConnectionNames(b *testing.B) {
	const each = 4000
	connection := strings.Repeat("b,", each)
	for b.Loop() {
		h := http.Header{"Connection": {connection}}
		for i := range each {
			h["B"+strconv.Itoa(i)] = []string{""}
		}
		v := &visit{terms: new(terms), r: &http.Request{Header: h}}
		if v.dropNamed(); len(h) != each+1 {
			b.Fatal(len(h))
		}
	}
}
