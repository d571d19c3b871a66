package succession

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/workerhost/workerhost/protocol"
)

// The real thing in small: clients of all kinds speak and are spoken to without a pause, while one host takes over
// from another, five times in a row; and workers of all of them go on.
func TestNoMessageIsLostWhileHostsTakeOver(t *testing.T) {
	sockets, others, times := 200, 40, 5
	if testing.Short() {
		sockets, others, times = 60, 15, 3
	}
	hosts := []*host{start(t, "h0")}
	var clients []*client
	for i := range sockets {
		headers := ""
		if i%2 == 0 {
			headers = deflates
		}
		c := hosts[0].webSocket(headers)
		c.expect("hello")
		clients = append(clients, c)
	}
	for range others {
		c := hosts[0].line()
		c.expect("hello")
		clients = append(clients, c, hosts[0].events())
	}
	eventually(t, func() bool { return hosts[0].hub.Count("room", false) == len(clients) })
	stop := make(chan struct{})
	var said, heard, sources sync.WaitGroup
	for _, c := range clients {
		heard.Go(c.count)
		if c.kind == "sse" {
			continue
		}
		said.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				c.say(fmt.Sprintf("echo e %d", c.sent))
				c.sent++
				time.Sleep(20 * time.Millisecond)
			}
		})
	}
	sent := make([]int, times+1)
	sources.Go(func() { sent[0] = hosts[0].broadcast("h0", stop) })
	for i := range times {
		time.Sleep(100 * time.Millisecond)
		next := start(t, fmt.Sprint("h", i+1))
		s, pause := hosts[i].handTo(next)
		t.Logf("%+v after %v", s, pause)
		if s.Goes != len(clients) {
			t.Errorf("%d connections went, of %d", s.Goes, len(clients))
		}
		hosts = append(hosts, next)
		sources.Go(func() { sent[i+1] = next.broadcast(next.name, stop) })
	}
	time.Sleep(100 * time.Millisecond)
	close(stop)
	said.Wait()
	sources.Wait()
	for _, c := range clients {
		if c.kind != "sse" {
			eventually(t, func() bool { return c.ready.Load() >= int64(c.sent) })
		}
	}
	last := hosts[times]
	if n := last.hub.Count("room", false); n != len(clients) {
		t.Errorf("%d are in the room, of %d", n, len(clients))
	}
	end := &protocol.Send{To: protocol.ToAll, Bytes: []byte("end")}
	if err := hosts[0].hub.Apply(nil, []protocol.Act{end}); err != nil {
		t.Fatal(err)
	}
	heard.Wait()
	for _, c := range clients {
		if c.kind != "sse" && c.next["e"] != c.sent {
			t.Errorf("%s: %d of %d answers came", c.kind, c.next["e"], c.sent)
		}
		for i, n := range sent {
			if got := c.next[fmt.Sprint("h", i)]; got != n {
				t.Errorf("%s: %d of %d came from h%d", c.kind, got, n, i)
			}
		}
	}
}
