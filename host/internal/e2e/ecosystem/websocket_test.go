package ecosystem

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"testing"
	"time"

	coder "github.com/coder/websocket"
	"github.com/gorilla/websocket"
	"github.com/workerhost/workerhost/host/internal/e2e/harness"
	"github.com/workerhost/workerhost/host/internal/e2e/nethttp"
	sdk "github.com/workerhost/workerhost/sdk-go"
)

// gorillas is a program as gorilla's examples have it: the handler returns, and goroutines have the connection.
func gorillas(w http.ResponseWriter, r *http.Request) {
	up := websocket.Upgrader{Subprotocols: []string{"echo"}, EnableCompression: true}
	c, err := up.Upgrade(w, r, http.Header{"X-App": {"gorilla"}})
	if err != nil {
		return // it has answered
	}
	c.SetReadLimit(4 << 20)
	messages := make(chan []byte)
	go func() { // writes
		defer c.Close()
		for m := range messages {
			c.SetWriteDeadline(time.Now().Add(10 * time.Second))
			if c.WriteMessage(websocket.BinaryMessage, m) != nil {
				return
			}
		}
		c.WriteControl(websocket.CloseMessage, websocket.FormatCloseMessage(4001, "over"), time.Now().Add(time.Second))
	}()
	go func() { // reads
		defer close(messages)
		for {
			c.SetReadDeadline(time.Now().Add(10 * time.Second))
			_, m, err := c.ReadMessage()
			if err != nil || string(m) == "end" {
				return
			}
			messages <- m
		}
	}()
}

// coders is one as coder's examples have it: the handler is the loop.
func coders(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("X-App", "coder")
	c, err := coder.Accept(w, r, &coder.AcceptOptions{Subprotocols: []string{"echo"},
		CompressionMode: coder.CompressionContextTakeover})
	if err != nil {
		return
	}
	defer c.CloseNow()
	c.SetReadLimit(4 << 20)
	for {
		ctx, cancel := context.WithTimeout(r.Context(), 10*time.Second)
		kind, m, err := c.Read(ctx)
		cancel()
		if err != nil {
			return
		}
		if string(m) == "end" {
			c.Close(4001, "over")
			return
		}
		if c.Write(r.Context(), kind, m) != nil {
			return
		}
	}
}

// converse has a conversation of all sizes, and says how it ended.
func converse(t *testing.T, target string, d websocket.Dialer, origin string) string {
	t.Helper()
	c, resp, err := d.Dial(target, http.Header{"Origin": {origin}})
	if err != nil {
		return fmt.Sprint("refused: ", resp.StatusCode)
	}
	defer c.Close()
	c.SetReadDeadline(time.Now().Add(20 * time.Second))
	for _, size := range []int{0, 1, 125, 126, 65535, 65536, 1 << 20} {
		m := bytes.Repeat([]byte{'x'}, size)
		if err := c.WriteMessage(websocket.BinaryMessage, m); err != nil {
			return fmt.Sprint(size, err)
		}
		if _, got, err := c.ReadMessage(); err != nil || !bytes.Equal(got, m) {
			return fmt.Sprint(size, len(got), err)
		}
	}
	if err := c.WriteControl(websocket.PingMessage, []byte("there?"), time.Now().Add(time.Second)); err != nil {
		return fmt.Sprint(err)
	}
	ponged := ""
	c.SetPongHandler(func(text string) error { ponged = text; return nil })
	c.WriteMessage(websocket.TextMessage, []byte("end"))
	var closed *websocket.CloseError
	if _, _, err = c.ReadMessage(); !errors.As(err, &closed) {
		return fmt.Sprint(err)
	}
	return fmt.Sprint(resp.Header.Get("X-App"), " ", c.Subprotocol(), " ",
		resp.Header.Get("Sec-Websocket-Extensions"), " ", ponged, " ", closed.Code, closed.Text)
}

// What a client sees is the same, by gorilla, by coder, and by way of a ReverseProxy, with a page of this host and of
// another one.
func TestWebSocketsOfOtherLibrariesAreTheSameBehindTheHost(t *testing.T) {
	backend := http.NewServeMux()
	backend.HandleFunc("/gorilla", gorillas)
	backend.HandleFunc("/coder", coders)
	elsewhere := httptest.NewServer(backend)
	defer elsewhere.Close()
	at, _ := url.Parse(elsewhere.URL)
	program := http.NewServeMux()
	program.HandleFunc("/gorilla", gorillas)
	program.HandleFunc("/coder", coders)
	proxy := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(at)
		r.Out.Host = r.In.Host
	}}
	program.Handle("/proxy/", http.StripPrefix("/proxy", proxy))
	plain := nethttp.Plain(t, program)
	behind := map[string]string{
		"": nethttp.Behind(t, program, false), " on the lane": nethttp.Behind(t, program, true),
	}
	dialers := map[string]websocket.Dialer{
		"":                        {},
		", with a subprotocol":    {Subprotocols: []string{"other", "echo"}},
		", with compression":      {EnableCompression: true},
		", and one byte a buffer": {ReadBufferSize: 16, WriteBufferSize: 16},
	}
	for _, path := range []string{"/gorilla", "/coder", "/proxy/gorilla", "/proxy/coder"} {
		for how, d := range dialers {
			want := converse(t, "ws://"+plain+path, d, "http://"+plain)
			for where, address := range behind {
				if got := converse(t, "ws://"+address+path, d, "http://"+address); got != want {
					t.Errorf("%s%s%s: %s; by itself: %s", path, how, where, got, want)
				}
			}
		}
		for where, address := range behind {
			got := converse(t, "ws://"+address+path, websocket.Dialer{}, "http://elsewhere.example.org")
			if got != "refused: 403" {
				t.Errorf("%s%s: a page of another host: %s", path, where, got)
			}
		}
	}
}

// asWorker has the test's own program be a worker of both libraries.
const asWorker = "worker-of-websockets"

func beWorker() {
	http.HandleFunc("/gorilla", gorillas)
	http.HandleFunc("/coder", coders)
	if err := sdk.Serve(nil); err != nil {
		panic(err)
	}
}

// Promise 1: a tunnel ends with its worker, politely; and whoever comes back finds the new one.
func TestAReloadTakesLeaveOfWebSocketsThatAWorkerSpeaks(t *testing.T) {
	t.Parallel()
	program, err := os.Executable()
	harness.Must(t, err)
	dir, addr := t.TempDir(), harness.FreeAddress(t)
	harness.Write(t, dir, "host.toml", fmt.Sprintf("[[listen]]\naddress = %q\nshutdown_spread = \"500ms\"\n"+
		"[pool.web]\ncommand = [%q, %q]\ndrain_timeout = \"4s\"\n", addr, program, asWorker))
	h := harness.StartWith(t, addr, "-c", filepath.Join(dir, "host.toml"))
	ends := make(chan error, 20)
	begin := func(path string) {
		c, _, err := websocket.DefaultDialer.Dial("ws://"+addr+path, nil)
		harness.Must(t, err)
		go func() { // ends with the connection
			defer c.Close()
			for i := 0; ; i++ {
				m := []byte(fmt.Sprint("message ", i))
				if err := c.WriteMessage(websocket.TextMessage, m); err != nil {
					m = nil // the leave is on its way
				}
				_, got, err := c.ReadMessage()
				if err != nil {
					ends <- err
					return
				}
				if m != nil && !bytes.Equal(got, m) {
					ends <- fmt.Errorf("%q came back for %q", got, m)
					return
				}
				time.Sleep(5 * time.Millisecond)
			}
		}()
	}
	for range cap(ends) / 2 {
		begin("/gorilla")
		begin("/coder")
	}
	began := time.Now()
	h.Reload()
	if took := time.Since(began); took > 6*time.Second {
		t.Errorf("the reload took %v", took)
	}
	for range cap(ends) {
		if err := <-ends; !websocket.IsCloseError(err, websocket.CloseServiceRestart) {
			t.Error(err)
		}
	}
	begin("/gorilla")
	h.Stop()
	if err := <-ends; !websocket.IsCloseError(err, websocket.CloseGoingAway) {
		t.Error(err)
	}
}
