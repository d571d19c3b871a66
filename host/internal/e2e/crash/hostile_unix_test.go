//go:build unix

// Clients by the thousand, proxies, limits and the access log, with the real host.

package crash

import (
	"encoding/json"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/workerhost/workerhost/host/internal/e2e/harness"
)

// resident is the host's memory as the system counts it, in bytes.
func resident(h *harness.Host) int64 {
	h.T.Helper()
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", h.Cmd.Process.Pid))
	if err != nil {
		h.T.Skip("this system does not say: ", err)
	}
	found := regexp.MustCompile(`VmRSS:\s+(\d+) kB`).FindSubmatch(b)
	n, _ := strconv.ParseInt(string(found[1]), 10, 64)
	return n << 10
}

// Ten thousand in its long form.
func TestThousandsOfClientsOfAStuckPoolFillBoundedMemory(t *testing.T) {
	clients := 3000
	if harness.Long {
		clients = 10_000
	}
	var limit syscall.Rlimit
	if syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit) == nil && uint64(limit.Cur) < uint64(clients)+1000 {
		clients = int(limit.Cur) - 500
	}
	dir := harness.Pages(t, "1")
	h := harness.StartPHP(t, dir, "access_log = \"access.json\"",
		"workers = 1\nqueue = 20000\nqueue_timeout = \"5m\"\npriority = [\"/hello\"]", "")
	before := resident(h)
	busy, _ := harness.Begin(h, dir, "until", "GET /until HTTP/1.1\r\nHost: here\r\n\r\n")
	conns := make([]net.Conn, 0, clients)
	defer func() {
		for _, c := range conns {
			c.Close()
		}
	}()
	for i := range clients {
		// ports end before connections do
		from := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, byte(2+i/4000))}}
		c, err := from.Dial("tcp", h.Addr)
		if err != nil {
			t.Fatal(err)
		}
		conns = append(conns, c)
		fmt.Fprintf(c, "GET /waits-%d HTTP/1.1\r\nHost: here\r\nUser-Agent: a client of many\r\nAccept: */*\r\n\r\n",
			i)
	}
	h.Eventually("all are queued", func() bool { return h.Status().Pools[0].Queued == clients })
	after := resident(h)
	t.Logf("the host took %d MiB before, and %d MiB with %d requests waiting: %d KiB each", before>>20, after>>20,
		clients, (after-before)>>10/int64(clients))
	if after-before > int64(clients)*64<<10 {
		t.Errorf("a waiting client costs %d KiB", (after-before)>>10/int64(clients))
	}

	health := h.Dial() // passes all of them
	health.Send("GET /hello HTTP/1.1\r\nHost: here\r\n\r\n")
	h.Eventually("the health check is queued", func() bool { return h.Status().Pools[0].Queued == clients+1 })
	harness.Write(t, dir, "go", "1")
	busy.Answer("GET")
	if a := health.Answer("GET"); a.Text != "hello 1" {
		t.Errorf("the health check: %s", a.Status)
	}
	for _, c := range conns {
		c.Close()
	}
	conns = nil
	h.Eventually("the queue is empty", func() bool { return h.Status().Pools[0].Queued == 0 })
}

func TestTheAccessLogAndTheWorkerNameARequestAlike(t *testing.T) {
	t.Parallel()
	dir := harness.PHPWorker(t, `
Worker::create()->onRequest(function (Request $r): Response {
	\WorkerHost\Log::info('worker saw ' . $r->id); // a frame of the request's own stream; a line of stderr may come after its end
	return Response::text($r->id . ' ' . $r->remoteAddress);
})->run();`)
	log := filepath.Join(dir, "access.json")
	file := filepath.Join(dir, "host.toml")
	addr := harness.FreeAddress(t)
	if err := os.WriteFile(file, fmt.Appendf(nil, "[[listen]]\naddress = %q\n[http]\naccess_log = "+
		"\"access.json\"\ntrusted_proxies = [\"127.0.0.1\"]\n[http.rate_limit]\nrequests = 1\nburst = 2\n"+
		"[pool.web]\nworker = \"worker.php\"\nworkers = 1\n", addr), 0o644); err != nil {
		t.Fatal(err)
	}
	h := harness.StartWith(t, addr, "-c", file)
	ask := func(id string) harness.Answer {
		c := h.Dial()
		c.Sendf("GET /x HTTP/1.1\r\nHost: here\r\nX-Request-Id: %s\r\nX-Forwarded-For: 203.0.113.7\r\n\r\n", id)
		return c.Answer("GET")
	}
	first := ask("mine-1")
	if first.Header.Get("X-Request-Id") != "mine-1" || !strings.HasPrefix(first.Text, "mine-1 203.0.113.7") {
		t.Errorf("%v %q", first.Header, first.Text)
	}
	if err := os.Rename(log, log+".1"); err != nil {
		t.Fatal(err)
	}
	h.Kill(syscall.SIGUSR2)
	h.Logs.Await(t, "access log reopened")
	ask("mine-2")
	if third := ask("mine-3"); third.StatusCode != 429 || third.Header.Get("Retry-After") == "" {
		t.Errorf("beyond the rate: %s", third.Status)
	}
	lines := func(path string) (all []map[string]any) {
		b, _ := os.ReadFile(path)
		for line := range strings.Lines(string(b)) {
			var m map[string]any
			if json.Unmarshal([]byte(line), &m) == nil {
				all = append(all, m)
			}
		}
		return all
	}
	h.Eventually("all is written", func() bool { return len(lines(log+".1")) == 1 && len(lines(log)) == 2 })
	for name, want := range map[string]any{"request_id": "mine-1", "status": 200.0, "pool": "web", "worker": 0.0,
		"generation": 1.0, "remote": "203.0.113.7:0"} {
		if got := lines(log + ".1")[0][name]; got != want {
			t.Errorf("%s is %v", name, got)
		}
	}
	if last := lines(log)[1]; last["status"] != 429.0 || last["worker"] != nil {
		t.Errorf("%v", last)
	}
	for line := range strings.Lines(h.Logs.String()) {
		if strings.Contains(line, "worker saw mine-1") && !strings.Contains(line, "request_id=mine-1") {
			t.Errorf("a log line about the request lacks its id: %s", line)
		}
	}
}
