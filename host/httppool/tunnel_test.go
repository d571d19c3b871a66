package httppool_test

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/workerhost/workerhost/host/httppool"
)

// Where the server has a Hijacker, workers that speak WebSockets themselves do so here, too. What a client says before
// it has the answer is not lost: this server reads it as net/http does.
func TestAWorkerSpeaksWebSocketsItself(t *testing.T) {
	pool := start(t, httppool.Options{})
	server := httptest.NewServer(pool.Handler())
	defer server.Close()
	c, err := net.Dial("tcp", server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(20 * time.Second))
	io.WriteString(c, "GET /chat HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"+
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\nearly, ")
	in := bufio.NewReader(c)
	head, err := http.ReadResponse(in, nil)
	if err != nil || head.StatusCode != 101 || head.Header.Get("Upgrade") != "websocket" {
		t.Fatal(head, err)
	}
	io.WriteString(c, "and late")
	c.(*net.TCPConn).CloseWrite()
	if got, err := io.ReadAll(in); string(got) != "early, and late" || err != nil {
		t.Fatalf("%q, %v", got, err)
	}
}

func TestDoOffersNoTunnel(t *testing.T) {
	pool := start(t, httppool.Options{})
	r := request(t, "GET", "http://a/chat", nil)
	r.Header = http.Header{"Connection": {"Upgrade"}, "Upgrade": {"websocket"}, "Sec-Websocket-Version": {"13"},
		"Sec-Websocket-Key": {"dGhlIHNhbXBsZSBub25jZQ=="}}
	resp, err := pool.Do(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != 500 {
		t.Error(resp.Status)
	}
}
