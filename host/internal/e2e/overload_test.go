// More requests than the workers can take.

package e2e

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

func TestAFullQueueIsA503AtOnce(t *testing.T) {
	t.Parallel()
	dir := pages(t, "1")
	h := startPHP(t, dir, "", "workers = 1\nqueue = 2", "")
	busy, _ := begin(h, dir, "until", "GET /until HTTP/1.1\r\nHost: here\r\n\r\n")
	var waiting []*client
	for i := range 2 {
		c := h.dial()
		c.sendf("GET /queued-%d HTTP/1.1\r\nHost: here\r\n\r\n", i)
		waiting = append(waiting, c)
	}
	h.eventually("two requests are queued", func() bool { return h.status().Pools[0].Queued == 2 })
	for range 20 {
		c := h.dial()
		c.send("GET /refused HTTP/1.1\r\nHost: here\r\n\r\n")
		c.SetDeadline(time.Now().Add(5 * time.Second))
		if a := c.answer("GET"); a.StatusCode != 503 || a.Header.Get("Retry-After") == "" {
			t.Fatalf("%s, Retry-After %q", a.Status, a.Header.Get("Retry-After"))
		}
		if err := func() error {
			c.send("GET /refused HTTP/1.1\r\nHost: here\r\n\r\n")
			_, err := c.try("GET")
			return err
		}(); err != nil {
			t.Fatalf("the connection after a 503: %v", err)
		}
	}
	write(t, dir, "go", "1")
	if a := busy.answer("GET"); a.text != "went 1" {
		t.Errorf("the one that was begun: %s", a.Status)
	}
	for _, c := range waiting {
		if a := c.answer("GET"); a.StatusCode != 404 {
			t.Errorf("one that was queued: %s", a.Status)
		}
	}
	if n := h.seen("GET /refused"); n != 0 {
		t.Errorf("%d refused requests reached the worker", n)
	}
}

func TestARequestThatWaitsTooLongIsA503(t *testing.T) {
	t.Parallel()
	dir := pages(t, "1")
	h := startPHP(t, dir, "", "workers = 1\nqueue_timeout = \"200ms\"", "")
	busy, _ := begin(h, dir, "until", "GET /until HTTP/1.1\r\nHost: here\r\n\r\n")
	c := h.dial()
	c.send("GET /late HTTP/1.1\r\nHost: here\r\n\r\n")
	if a := c.answer("GET"); a.StatusCode != 503 || a.Header.Get("Retry-After") == "" {
		t.Errorf("%s, Retry-After %q", a.Status, a.Header.Get("Retry-After"))
	}
	write(t, dir, "go", "1")
	busy.answer("GET")
	if n := h.seen("GET /late"); n != 0 {
		t.Error("a request that was answered with 503 was begun all the same")
	}
}

// Status answers during an overload and during a reload.
func TestStatusAlwaysAnswers(t *testing.T) {
	t.Parallel()
	dir := pages(t, "1")
	h := startPHP(t, dir, "", "workers = 1\nqueue = 1", "")
	busy, pid := begin(h, dir, "until", "GET /until HTTP/1.1\r\nHost: here\r\n\r\n")
	reload := make(chan string, 1)
	go func() { out, code := h.run("reload"); reload <- fmt.Sprint(code, out) }()
	h.eventually("the new worker serves while the old one drains", func() bool {
		out, code := h.run("status")
		_, text := h.get("/hello")
		return code == 0 && text == "hello 1" && strings.Contains(out, "web")
	})
	write(t, dir, "go", "1")
	busy.answer("GET")
	if out := <-reload; !strings.HasPrefix(out, "0") || !strings.Contains(out, fmt.Sprint(pid)) {
		t.Errorf("host reload: %s", out)
	}
}

func TestAWorkerIsReplacedAfterMaxRequests(t *testing.T) {
	t.Parallel()
	h := startPHP(t, pages(t, "1"), "", "workers = 2\nmax_requests = 25", "")
	l := newLoad(h).kept(6)
	before := h.pids()
	h.eventually("both workers were replaced", func() bool {
		now := h.pids()
		return now[0] != before[0] && now[1] != before[1]
	})
	l.stop()
}
