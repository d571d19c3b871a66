// Clients that leave.

package e2e

import (
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"testing"
)

func TestAClientThatLeavesStopsTheGenerator(t *testing.T) {
	t.Run("PHP", func(t *testing.T) {
		t.Parallel()
		dir := pages(t, "1")
		leaveAStream(t, start(t, "-n", "1", dir), dir)
	})
	t.Run("Go", func(t *testing.T) {
		t.Parallel()
		dir := goSite(t, "workers = 1")
		leaveAStream(t, start(t, "-c", filepath.Join(dir, "host.toml")), dir)
	})
}

func leaveAStream(t *testing.T, h *host, dir string) {
	pid := h.pids()[0]
	for _, leave := range []func(*client){
		func(c *client) { c.Close() },
		func(c *client) { c.Conn.(interface{ SetLinger(int) error }).SetLinger(0); c.Close() },
	} {
		c := h.dial()
		c.send("GET /steps?n=1000&ms=50 HTTP/1.1\r\nHost: here\r\n\r\n")
		if line, err := c.r.ReadString('\n'); err != nil || !strings.Contains(line, "200") {
			t.Fatalf("%q %v", line, err)
		}
		leave(c)
		if said := awaitFile(t, dir, "stopped"); strings.Contains(said, "step 1000") {
			t.Errorf("the generator ran to its end: %s", said)
		}
		if _, text := h.get("/hello"); text != "hello 1" {
			t.Errorf("the next request: %q", text)
		}
	}
	if now := h.pids()[0]; now != pid {
		t.Errorf("a hang-up cost the worker: %d became %d", pid, now)
	}
}

func TestAClientThatLeavesDuringItsUploadIsNeverSeen(t *testing.T) {
	t.Parallel()
	h := start(t, "-n", "1", pages(t, "1"))
	for _, head := range []string{"Content-Length: 1000000", "Transfer-Encoding: chunked"} {
		c := h.dial()
		c.send("POST /sum HTTP/1.1\r\nHost: here\r\n" + head + "\r\n\r\n10000\r\n" + strings.Repeat("x", 10000))
		c.Close()
	}
	if n := h.seen("POST /sum"); n != 0 {
		t.Errorf("%d uploads that broke off reached the worker", n)
	}
}

func TestAStreamedUploadThatBreaksOffIsNeverTakenForWhole(t *testing.T) {
	t.Parallel()
	dir := phpWorker(t, `
		Worker::create()->onRequest(function (Request $r) {
			if ($r->method === 'GET') {
				return 'next';
			}
			file_put_contents(__DIR__ . '/begun', '1');
			try {
				$got = strlen(stream_get_contents($r->stream()));
				file_put_contents(__DIR__ . '/result', "whole $got");
			} catch (WorkerHost\RequestCancelled $e) {
				file_put_contents(__DIR__ . '/result', 'cancelled');
				throw $e;
			}
			return 'done';
		})->run();`)
	h := startPHP(t, dir, "", "workers = 1\nrequest_body = \"stream\"", "")
	for _, head := range []string{"Content-Length: 1000000", "Transfer-Encoding: chunked"} {
		c := h.dial()
		c.send("POST / HTTP/1.1\r\nHost: here\r\n" + head + "\r\n\r\n1000\r\n" + strings.Repeat("x", 1000))
		awaitFile(t, dir, "begun")
		c.Close()
		if got := awaitFile(t, dir, "result"); got != "cancelled" {
			t.Errorf("%s: %s", head, got)
		}
		if _, text := h.get("/"); text != "next" {
			t.Errorf("then %q", text)
		}
	}
	text, _ := body(3_000_000)
	c := h.dial()
	c.send("POST / HTTP/1.1\r\nHost: here\r\nTransfer-Encoding: chunked\r\n\r\n")
	if err := chunked(c, text, 100_000); err != nil {
		t.Fatal(err)
	}
	if got := awaitFile(t, dir, "result"); got != "whole 3000000" {
		t.Error(got)
	}
}

func TestAClientThatLeavesLeavesTheQueue(t *testing.T) {
	t.Parallel()
	dir := pages(t, "1")
	h := start(t, "-n", "1", dir)
	busy, _ := begin(h, dir, "until", "GET /until HTTP/1.1\r\nHost: here\r\n\r\n")
	queued := func(n int) {
		h.eventually(fmt.Sprintf("%d requests are queued", n), func() bool { return h.status().Pools[0].Queued == n })
	}
	var waiting []*client
	for i := range 3 {
		c := h.dial()
		c.sendf("GET /queued-%d HTTP/1.1\r\nHost: here\r\n\r\n", i)
		waiting = append(waiting, c)
	}
	queued(3)
	waiting[0].Close()
	waiting[2].Close()
	queued(1)
	write(t, dir, "go", "1")
	busy.answer("GET")
	if a := waiting[1].answer("GET"); a.StatusCode != 404 {
		t.Errorf("the one that stayed: %s", a.Status)
	}
	if n := h.seen("GET /queued"); n != 1 {
		t.Errorf("%d of the three were begun", n)
	}
}

// A worker whose client has gone is not killed, however long it takes.
func TestAHangUpAloneKillsNoWorker(t *testing.T) {
	t.Parallel()
	dir := pages(t, "1")
	h := startPHP(t, dir, "", "workers = 1\nstop_timeout = \"200ms\"", "")
	c, pid := begin(h, dir, "slow", "GET /slow?ms=2500 HTTP/1.1\r\nHost: here\r\n\r\n")
	c.Close()
	if _, text := h.get("/pid"); text != fmt.Sprint(pid) {
		t.Errorf("pid %d became %s", pid, text)
	}
	// A client that has closed only its sending half still reads.
	half := h.dial()
	half.send("GET /steps?n=3&ms=20 HTTP/1.0\r\nHost: here\r\n\r\n")
	if all, err := io.ReadAll(half.r); err != nil || !strings.HasSuffix(string(all), "end 1\n") {
		t.Errorf("%q %v", all, err)
	}
}
