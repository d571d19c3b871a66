// More requests than the workers can take.

package web

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/workerhost/workerhost/host/internal/e2e/harness"
)

func TestAFullQueueIsA503AtOnce(t *testing.T) {
	t.Parallel()
	dir := harness.Pages(t, "1")
	h := harness.StartPHP(t, dir, "", "workers = 1\nqueue = 2", "")
	busy, _ := harness.Begin(h, dir, "until", "GET /until HTTP/1.1\r\nHost: here\r\n\r\n")
	var waiting []*harness.Client
	for i := range 2 {
		c := h.Dial()
		c.Sendf("GET /queued-%d HTTP/1.1\r\nHost: here\r\n\r\n", i)
		waiting = append(waiting, c)
	}
	h.Eventually("two requests are queued", func() bool { return h.Status().Pools[0].Queued == 2 })
	for range 20 {
		c := h.Dial()
		c.Send("GET /refused HTTP/1.1\r\nHost: here\r\n\r\n")
		c.SetDeadline(time.Now().Add(5 * time.Second))
		if a := c.Answer("GET"); a.StatusCode != 503 || a.Header.Get("Retry-After") == "" {
			t.Fatalf("%s, Retry-After %q", a.Status, a.Header.Get("Retry-After"))
		}
		if err := func() error {
			c.Send("GET /refused HTTP/1.1\r\nHost: here\r\n\r\n")
			_, err := c.Try("GET")
			return err
		}(); err != nil {
			t.Fatalf("the connection after a 503: %v", err)
		}
	}
	harness.Write(t, dir, "go", "1")
	if a := busy.Answer("GET"); a.Text != "went 1" {
		t.Errorf("the one that was begun: %s", a.Status)
	}
	for _, c := range waiting {
		if a := c.Answer("GET"); a.StatusCode != 404 {
			t.Errorf("one that was queued: %s", a.Status)
		}
	}
	if n := h.Seen("GET /refused"); n != 0 {
		t.Errorf("%d refused requests reached the worker", n)
	}
}

func TestARequestThatWaitsTooLongIsA503(t *testing.T) {
	t.Parallel()
	dir := harness.Pages(t, "1")
	h := harness.StartPHP(t, dir, "", "workers = 1\nqueue_timeout = \"200ms\"", "")
	busy, _ := harness.Begin(h, dir, "until", "GET /until HTTP/1.1\r\nHost: here\r\n\r\n")
	c := h.Dial()
	c.Send("GET /late HTTP/1.1\r\nHost: here\r\n\r\n")
	if a := c.Answer("GET"); a.StatusCode != 503 || a.Header.Get("Retry-After") == "" {
		t.Errorf("%s, Retry-After %q", a.Status, a.Header.Get("Retry-After"))
	}
	harness.Write(t, dir, "go", "1")
	busy.Answer("GET")
	if n := h.Seen("GET /late"); n != 0 {
		t.Error("a request that was answered with 503 was begun all the same")
	}
}

// Status answers during an overload and during a reload.
func TestStatusAlwaysAnswers(t *testing.T) {
	t.Parallel()
	dir := harness.Pages(t, "1")
	h := harness.StartPHP(t, dir, "", "workers = 1\nqueue = 1", "")
	busy, pid := harness.Begin(h, dir, "until", "GET /until HTTP/1.1\r\nHost: here\r\n\r\n")
	reload := make(chan string, 1)
	go func() { out, code := h.Run("reload"); reload <- fmt.Sprint(code, out) }()
	h.Eventually("the new worker serves while the old one drains", func() bool {
		out, code := h.Run("status")
		_, text := h.Get("/hello")
		return code == 0 && text == "hello 1" && strings.Contains(out, "web")
	})
	harness.Write(t, dir, "go", "1")
	busy.Answer("GET")
	if out := <-reload; !strings.HasPrefix(out, "0") || !strings.Contains(out, fmt.Sprint(pid)) {
		t.Errorf("host reload: %s", out)
	}
}

func TestAWorkerIsReplacedAfterMaxRequests(t *testing.T) {
	t.Parallel()
	h := harness.StartPHP(t, harness.Pages(t, "1"), "", "workers = 2\nmax_requests = 25", "")
	l := harness.NewLoad(h).Kept(6)
	before := h.PIDs()
	h.Eventually("both workers were replaced", func() bool {
		now := h.PIDs()
		return now[0] != before[0] && now[1] != before[1]
	})
	l.Stop()
}
