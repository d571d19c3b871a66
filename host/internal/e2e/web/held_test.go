package web

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/workerhost/workerhost/host/internal/e2e/harness"
)

// eventsWorker holds /events and /poll, and sends to them at /say.
const eventsWorker = `
use WorkerHost\Connection;
$worker = Worker::create();
$worker->onRequest(fn (Request $r): Response => match ($r->path) {
    '/events' => Response::hold("data: after " . ($r->headers['last-event-id'][0] ?? 'nothing') . "\n\n", groups: 'news', uid: 'ada'),
    '/poll' => Response::hold(groups: 'news', once: true, timeout: 20, headers: ['Content-Type' => 'text/plain']),
    '/say' => (function () use ($worker) {
        $worker->connections()->sendToGroup('news', "VERSION\nspeaking");
        return Response::text((string) $worker->connections()->count('news'));
    })(),
    default => Response::text('VERSION'),
})->onClose(function (Connection $c, int $code): void { fwrite(STDERR, "closed {$c->protocol} $code\n"); })->run();
`

// curl is a client that we did not write. It reads until its response ends or the test does.
type curl struct {
	t      *testing.T
	cmd    *exec.Cmd
	out    *bufio.Reader
	cancel context.CancelFunc
}

func startCurl(t *testing.T, args ...string) *curl {
	t.Helper()
	if _, err := exec.LookPath("curl"); err != nil {
		t.Skip("no curl")
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	c := &curl{t: t, cmd: exec.CommandContext(ctx, "curl", append([]string{"-sN"}, args...)...), cancel: cancel}
	out, err := c.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cancel()
		c.cmd.Wait()
	})
	c.out = bufio.NewReader(out)
	return c
}

func (c *curl) expect(text string) {
	c.t.Helper()
	got := make([]byte, len(text))
	if n, err := io.ReadFull(c.out, got); err != nil || string(got) != text {
		c.t.Fatalf("curl printed %q, %v; expected %q", got[:n], err, text)
	}
}

// expectEnd is the end of the response, whole.
func (c *curl) expectEnd() {
	c.t.Helper()
	if rest, err := io.ReadAll(c.out); err != nil || len(rest) > 0 {
		c.t.Errorf("curl printed %q, %v in place of the end", rest, err)
	}
	if err := c.cmd.Wait(); err != nil {
		c.t.Errorf("curl: %v", err)
	}
}

func version(code, version string) string { return strings.ReplaceAll(code, "VERSION", version) }

func TestHeldResponsesOutliveAReloadAndObeyTheCommandLine(t *testing.T) {
	t.Parallel()
	dir := harness.PHPWorker(t, version(eventsWorker, "old"))
	h := harness.Start(t, "-n", "2", dir)
	one := startCurl(t, "-H", "Last-Event-ID: 7", h.URL+"/events")
	two := startCurl(t, "--http2-prior-knowledge", h.URL+"/events")
	one.expect("data: after 7\n\n")
	two.expect("data: after nothing\n\n")
	poll := startCurl(t, h.URL+"/poll")
	h.Eventually("three are held", func() bool {
		out, _ := h.Run("connections", "--json")
		return strings.Count(out, "\n") == 3
	})
	if _, n := h.Get("/say"); n != "3" {
		t.Errorf("the worker counts %s", n)
	}
	one.expect("data: old\ndata: speaking\n\n")
	two.expect("data: old\ndata: speaking\n\n")
	poll.expect("old\nspeaking")
	poll.expectEnd()
	h.Logs.Await(t, "closed poll 1000")

	harness.WritePHP(t, dir, version(eventsWorker, "new"))
	h.Reload()
	h.Get("/say")
	one.expect("data: new\ndata: speaking\n\n")
	two.expect("data: new\ndata: speaking\n\n")

	if out, code := h.Run("send", "--uid", "ada", "from the command line"); code != 0 ||
		out != "sent to 2 connections\n" {
		t.Errorf("host send: %d %q", code, out)
	}
	one.expect("data: from the command line\n\n")
	two.expect("data: from the command line\n\n")
	if out, code := h.Run("send", "--group", "nobody", "x"); code != 1 || out != "sent to 0 connections\n" {
		t.Errorf("host send to nobody: %d %q", code, out)
	}
	out, code := h.Run("connections", "--json", "--group", "news")
	lines := strings.Split(strings.TrimSpace(out), "\n")
	var first struct {
		ID, Protocol, UID, Listener string
		MessagesOut                 int `json:"messages_out"`
	}
	if err := json.Unmarshal([]byte(lines[0]), &first); code != 0 || err != nil || len(lines) != 2 ||
		first.Protocol != "sse" || first.UID != "ada" || first.Listener != h.Addr || first.MessagesOut < 3 {
		t.Errorf("host connections: %d, %v\n%s", code, err, out)
	}
	if out, _ := h.Run("connections"); !strings.Contains(out, first.ID) || strings.Count(out, "\n") != 3 ||
		!strings.Contains(out, "QUEUED") {
		t.Errorf("host connections:\n%s", out)
	}
	if out, _ := h.Run("status"); !strings.Contains(out, "2 long-lived connections: 2 sse") {
		t.Errorf("host status:\n%s", out)
	}
	if out, code := h.Run("close", first.ID); code != 0 || out != "closed 1 connection\n" {
		t.Errorf("host close: %d %q", code, out)
	}
	if out, code := h.Run("close", "nobody-1"); code != 1 ||
		!strings.Contains(out, "there is no connection nobody-1") {
		t.Errorf("host close of one that is not there: %d %q", code, out)
	}
	if out, code := h.Run("stop"); code != 0 {
		t.Errorf("host stop: %d %s", code, out)
	}
	one.expectEnd()
	two.expectEnd()
	for _, closed := range []string{"closed sse 1000", "closed sse 1001"} {
		if !strings.Contains(h.Logs.String(), closed) {
			t.Errorf("no worker said %q", closed)
		}
	}
}

func TestMetricsCountHeldResponses(t *testing.T) {
	t.Parallel()
	admin, addr := harness.FreeAddress(t), harness.FreeAddress(t)
	dir := harness.PHPWorker(t, version(eventsWorker, "old"))
	path := t.TempDir()
	harness.Write(t, path, "host.toml", fmt.Sprintf(
		"[admin]\nlisten = %q\n[[listen]]\naddress = %q\npool = \"app\"\n[pool.app]\nworker = %q\nworkers = 1\n",
		admin, addr, dir))
	h := harness.StartWith(t, addr, "-c", filepath.Join(path, "host.toml"))
	c := startCurl(t, h.URL+"/events")
	c.expect("data: after nothing\n\n")
	h.Eventually("it is held", func() bool { _, n := h.Get("/say"); return n == "1" })
	scrape := func() string {
		resp, err := http.Get("http://" + admin + "/metrics")
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		b, _ := io.ReadAll(resp.Body)
		return string(b)
	}
	labels := fmt.Sprintf(`listener=%q,protocol="sse"} `, addr)
	if page := scrape(); !strings.Contains(page, "workerhost_long_lived_connections{"+labels+"1\n") ||
		!strings.Contains(page, "workerhost_messages_sent_total{"+labels) {
		t.Errorf("the metrics are\n%s", page)
	}
	c.cancel()
	h.Eventually("its end is counted", func() bool {
		page := scrape()
		return strings.Contains(page, "workerhost_long_lived_connections{"+labels+"0\n") &&
			strings.Contains(page, `workerhost_long_lived_connections_closed_total{code="1006",`+labels+"1\n") &&
			strings.Contains(page, `workerhost_events_total{event="close",generation="1",pool="app"} 1`)
	})
}
