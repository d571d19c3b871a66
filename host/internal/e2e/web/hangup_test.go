// Clients that leave.

package web

import (
	"fmt"
	"io"
	"net"
	"path/filepath"
	"strings"
	"testing"

	"github.com/workerhost/workerhost/host/internal/e2e/harness"
)

func TestAClientThatLeavesStopsTheGenerator(t *testing.T) {
	t.Run("PHP", func(t *testing.T) {
		t.Parallel()
		dir := harness.Pages(t, "1")
		leaveAStream(t, harness.Start(t, "-n", "1", dir), dir)
	})
	t.Run("Go", func(t *testing.T) {
		t.Parallel()
		dir := harness.GoSite(t, "workers = 1")
		leaveAStream(t, harness.Start(t, "-c", filepath.Join(dir, "host.toml")), dir)
	})
}

// hangUp leaves with a RST, which is noticed at once. A FIN so early might be that of a client that waits for its
// response.
func hangUp(c *harness.Client) {
	c.Conn.(*net.TCPConn).SetLinger(0)
	c.Close()
}

func leaveAStream(t *testing.T, h *harness.Host, dir string) {
	pid := h.PIDs()[0]
	for _, leave := range []func(*harness.Client){
		func(c *harness.Client) { c.Close() },
		hangUp,
	} {
		c := h.Dial()
		c.Send("GET /steps?n=1000&ms=50 HTTP/1.1\r\nHost: here\r\n\r\n")
		if line, err := c.Reader.ReadString('\n'); err != nil || !strings.Contains(line, "200") {
			t.Fatalf("%q %v", line, err)
		}
		leave(c)
		if said := harness.AwaitFile(t, dir, "stopped"); strings.Contains(said, "step 1000") {
			t.Errorf("the generator ran to its end: %s", said)
		}
		if _, text := h.Get("/hello"); text != "hello 1" {
			t.Errorf("the next request: %q", text)
		}
	}
	if now := h.PIDs()[0]; now != pid {
		t.Errorf("a hang-up cost the worker: %d became %d", pid, now)
	}
}

func TestAClientThatLeavesDuringItsUploadIsNeverSeen(t *testing.T) {
	t.Parallel()
	h := harness.Start(t, "-n", "1", harness.Pages(t, "1"))
	for _, head := range []string{"Content-Length: 1000000", "Transfer-Encoding: chunked"} {
		c := h.Dial()
		c.Send("POST /sum HTTP/1.1\r\nHost: here\r\n" + head + "\r\n\r\n10000\r\n" + strings.Repeat("x", 10000))
		c.Close()
	}
	if n := h.Seen("POST /sum"); n != 0 {
		t.Errorf("%d uploads that broke off reached the worker", n)
	}
}

func TestAStreamedUploadThatBreaksOffIsNeverTakenForWhole(t *testing.T) {
	t.Parallel()
	dir := harness.PHPWorker(t, `
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
	h := harness.StartPHP(t, dir, "", "workers = 1\nrequest_body = \"stream\"", "")
	for _, head := range []string{"Content-Length: 1000000", "Transfer-Encoding: chunked"} {
		c := h.Dial()
		c.Send("POST / HTTP/1.1\r\nHost: here\r\n" + head + "\r\n\r\n1000\r\n" + strings.Repeat("x", 1000))
		harness.AwaitFile(t, dir, "begun")
		c.Close()
		if got := harness.AwaitFile(t, dir, "result"); got != "cancelled" {
			t.Errorf("%s: %s", head, got)
		}
		if _, text := h.Get("/"); text != "next" {
			t.Errorf("then %q", text)
		}
	}
	text, _ := harness.Body(3_000_000)
	c := h.Dial()
	c.Send("POST / HTTP/1.1\r\nHost: here\r\nTransfer-Encoding: chunked\r\n\r\n")
	if err := harness.Chunked(c, text, 100_000); err != nil {
		t.Fatal(err)
	}
	if got := harness.AwaitFile(t, dir, "result"); got != "whole 3000000" {
		t.Error(got)
	}
}

func TestAClientThatLeavesLeavesTheQueue(t *testing.T) {
	t.Parallel()
	dir := harness.Pages(t, "1")
	h := harness.Start(t, "-n", "1", dir)
	busy, _ := harness.Begin(h, dir, "until", "GET /until HTTP/1.1\r\nHost: here\r\n\r\n")
	queued := func(n int) {
		h.Eventually(fmt.Sprintf("%d requests are queued", n), func() bool { return h.Status().Pools[0].Queued == n })
	}
	var waiting []*harness.Client
	for i := range 3 {
		c := h.Dial()
		c.Sendf("GET /queued-%d HTTP/1.1\r\nHost: here\r\n\r\n", i)
		waiting = append(waiting, c)
	}
	queued(3)
	hangUp(waiting[0])
	hangUp(waiting[2])
	queued(1)
	harness.Write(t, dir, "go", "1")
	busy.Answer("GET")
	if a := waiting[1].Answer("GET"); a.StatusCode != 404 {
		t.Errorf("the one that stayed: %s", a.Status)
	}
	if n := h.Seen("GET /queued"); n != 1 {
		t.Errorf("%d of the three were begun", n)
	}
}

// A worker whose client has gone is not killed, however long it takes.
func TestAHangUpAloneKillsNoWorker(t *testing.T) {
	t.Parallel()
	dir := harness.Pages(t, "1")
	h := harness.StartPHP(t, dir, "", "workers = 1\nstop_timeout = \"200ms\"", "")
	c, pid := harness.Begin(h, dir, "slow", "GET /slow?ms=2500 HTTP/1.1\r\nHost: here\r\n\r\n")
	hangUp(c)
	if _, text := h.Get("/pid"); text != fmt.Sprint(pid) {
		t.Errorf("pid %d became %s", pid, text)
	}
	// A client that has closed only its sending half still reads.
	half := h.Dial()
	half.Send("GET /steps?n=3&ms=20 HTTP/1.0\r\nHost: here\r\n\r\n")
	half.Conn.(*net.TCPConn).CloseWrite()
	if all, err := io.ReadAll(half.Reader); err != nil || !strings.HasSuffix(string(all), "end 1\n") {
		t.Errorf("%q %v", all, err)
	}
}
