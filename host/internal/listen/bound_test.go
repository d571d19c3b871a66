package listen

import (
	"context"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// takeOver has another listener take over the sockets of h, which accepts nobody any more.
func takeOver(t *testing.T, h *house, change ...func(*Options)) *house {
	t.Helper()
	b, err := h.Bound()
	if err != nil {
		t.Fatal(err)
	}
	next := start(t, h.backend.work, append(change, func(o *Options) { o.Bound = b })...)
	h.LetGo()
	return next
}

func TestListenersThatTakeOverLoseNoClient(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	for network, address := range map[string]string{"tcp": "127.0.0.1:0", "unix": "unix:" + path} {
		t.Run(network, func(t *testing.T) {
			at := func(o *Options) { o.Address = address }
			h := start(t, hello, at)
			dial := strings.TrimPrefix(h.address, "unix:")
			client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true,
				DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
					return new(net.Dialer).DialContext(ctx, network, dial)
				}}}
			var all sync.WaitGroup
			var asked atomic.Int64
			stop := make(chan struct{})
			for range 4 {
				all.Go(func() {
					for {
						select {
						case <-stop:
							return
						default:
						}
						resp, err := client.Get("http://a.test/")
						if err != nil {
							t.Error(err)
							return
						}
						if resp.Body.Close(); resp.StatusCode != 200 {
							t.Error(resp.Status)
						}
						asked.Add(1)
					}
				})
			}
			for range 5 {
				before := asked.Load()
				h = takeOver(t, h, at)
				for asked.Load() < before+10 && !t.Failed() {
					time.Sleep(time.Millisecond)
				}
			}
			close(stop)
			all.Wait()
		})
	}
	if _, err := os.Lstat(path); err == nil {
		t.Error("the last listener leaves its socket's file")
	}
}

func TestTheNextListenerReadsTheDatagramsThatWait(t *testing.T) {
	l, c := startUDP(t)
	b, err := l.Bound()
	if err != nil {
		t.Fatal(err)
	}
	l.LetGo()
	if err := l.packets.Drain(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Write([]byte("waits")); err != nil {
		t.Fatal(err)
	}
	startLines(t, func(_ *switchboard, o *Options) { o.Protocol, o.Bound = UDP, b })
	hears(t, c, "waits")
}

func TestWhatIsHandedOverHasToListen(t *testing.T) {
	for name, o := range map[string]Options{
		"a file as a socket":          {Bound: Bound{Socket: aFile(t)}},
		"a file as one for datagrams": {Protocol: UDP, Bound: Bound{Packets: aFile(t)}},
	} {
		o.Address = "127.0.0.1:0"
		s, err := New(o)
		if err == nil {
			err = s.Listen()
		}
		if err == nil || !strings.Contains(err.Error(), "handed over") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func aFile(t *testing.T) *os.File {
	f, err := os.CreateTemp(t.TempDir(), "")
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func TestConnectionsOfHTTP3EndWithTheListenerThatHasThem(t *testing.T) {
	asked, answer := make(chan struct{}, 1), make(chan struct{})
	h, client := startH3(t, func(c *call) {
		asked <- struct{}{}
		<-answer
		c.whole(200, "of the one before")
	})
	got := make(chan string, 1)
	go func() {
		_, body := fetch(t, client, "GET", h.url, nil)
		got <- body
	}()
	<-asked
	b, err := h.Bound()
	if err != nil {
		t.Fatal(err)
	}
	alone := make(chan struct{})
	b.Alone = alone
	h.LetGo()
	next := start(t, hello, withTLS(t), func(o *Options) { o.Bound = b })
	over := make(chan error)
	go func() { over <- h.Shutdown(t.Context()) }()
	close(answer)
	if body := <-got; body != "of the one before" {
		t.Error(body)
	}
	if err := <-over; err != nil {
		t.Error(err)
	}
	h.Close()
	close(alone)
	for range 2 {
		if _, body := fetch(t, next.clientsFor()["HTTP/3"], "GET", next.url, nil); !strings.Contains(body, "Hello") {
			t.Error(body)
		}
	}
}
