package succession

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/workerhost/workerhost/host/internal/listen"
)

// vacates has the connections of h that wait for a request go to next, too, and h end.
func (h *host) vacates(next *host) {
	h.handTo(next)
	h.web.LetGo()
	h.web.Vacate(h.giver.Vacated(webAddress))
	h.serving.Go(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		defer cancel()
		if err := h.web.Shutdown(ctx); err != nil {
			h.t.Error(err)
		}
	})
}

func TestConnectionsThatWaitForARequestGoAlong(t *testing.T) {
	if os.Getenv("WITHOUT_LOOPS") != "" {
		t.Skip("without loops they stay")
	}
	at := start(t, "h0")
	stop := make(chan struct{})
	var all sync.WaitGroup
	var asked atomic.Int64
	var clients []net.Conn
	for i := range 20 {
		c, err := net.Dial("tcp", at.web.Address())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		c.SetDeadline(time.Now().Add(60 * time.Second))
		clients = append(clients, c)
		depth := 1 + i%4
		all.Go(func() {
			in := bufio.NewReader(c)
			for n := 0; ; n += depth {
				select {
				case <-stop:
					return
				default:
				}
				for k := range depth {
					fmt.Fprintf(c, "GET /who/%d HTTP/1.1\r\nHost: a\r\n\r\n", n+k)
				}
				for k := range depth {
					resp, err := http.ReadResponse(in, nil)
					if err != nil {
						t.Errorf("request %d: %v", n+k, err)
						return
					}
					b, err := io.ReadAll(resp.Body)
					if err != nil || resp.Close || !strings.HasSuffix(string(b), fmt.Sprintf("/who/%d", n+k)) {
						t.Errorf("request %d: %q %v, close %v", n+k, b, err, resp.Close)
						return
					}
					asked.Add(1)
				}
			}
		})
	}
	for i := range 5 {
		for before := asked.Load(); asked.Load() < before+100 && !t.Failed(); {
			time.Sleep(time.Millisecond)
		}
		b, err := at.web.Bound()
		if err != nil {
			t.Fatal(err)
		}
		next := start(t, fmt.Sprint("h", i+1), func(o *listen.Options) {
			if o.Protocol == listen.HTTP {
				o.Bound = b
			}
		})
		at.vacates(next)
		at = next
	}
	for before := asked.Load(); asked.Load() < before+100 && !t.Failed(); {
		time.Sleep(time.Millisecond)
	}
	close(stop)
	all.Wait()
	if n := at.web.Connections(); n != len(clients) {
		t.Errorf("%d connections, not %d", n, len(clients))
	}
}
