package sdk

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"testing"

	"github.com/workerhost/workerhost/protocol"
)

// BenchmarkHello measures a round trip over two pipes, the fake host's work included. "alone" has one request under
// way, "N at once" keeps N.
func BenchmarkHello(b *testing.B) {
	for _, n := range []int{1, 16} {
		name := "alone"
		if n > 1 {
			name = fmt.Sprint(n, " at once")
		}
		b.Run(name, func(b *testing.B) { benchmarkHello(b, n) })
	}
}

func benchmarkHello(b *testing.B, atOnce int) {
	workerIn, hostOut, _ := os.Pipe()
	hostIn, workerOut, err := os.Pipe()
	if err != nil {
		b.Fatal(err)
	}
	h := joinHost(b, hostIn, protocol.Pipe{File: hostOut}, protocol.Hello{})
	go func() {
		h.gone <- serve(workerIn, protocol.Pipe{File: workerOut},
			http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Type", "text/plain")
				io.WriteString(w, "Hello, World!")
			}), nil)
	}()
	if _, err := h.conn.ReadMagic(); err != nil {
		b.Fatal(err)
	}
	if _, err := h.conn.Read(); err != nil { // READY
		b.Fatal(err)
	}
	request := &protocol.Request{
		Flags: protocol.FlagEnd, Method: "GET", Target: "/", Version: "1.1", Scheme: "http", Host: "127.0.0.1:8080",
		Remote:  "127.0.0.1:50000",
		Headers: []string{"Accept", "*/*", "User-Agent", "wrk"}, ID: "1", Deadline: 30_000,
	}
	sent := 0
	send := func() {
		request.Stream = uint32(2*sent + 1)
		sent++
		h.send(request)
	}
	b.ReportAllocs()
	b.ResetTimer()
	for sent < min(atOnce, b.N) {
		send()
	}
	for range b.N {
		if _, err := h.conn.Read(); err != nil {
			b.Fatal(err)
		}
		if sent < b.N {
			send()
		}
	}
	b.StopTimer()
	hostOut.Close()
	<-h.gone
	hostIn.Close()
}
