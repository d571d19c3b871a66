// examples/ticker-sse-go and examples/udp-metrics-go, through a reload each.

package examples

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/workerhost/workerhost/host/internal/e2e/harness"
)

// serveGo serves an example in Go from where it lies, since its package belongs to this module. Addresses are replaced
// as edits say.
func serveGo(t *testing.T, example string, edits ...string) *harness.Host {
	t.Helper()
	folder := filepath.Join(harness.Repository, "examples", example)
	text, err := os.ReadFile(filepath.Join(folder, "host.toml"))
	harness.Must(t, err)
	config := filepath.Join(t.TempDir(), "host.toml")
	harness.Must(t, os.WriteFile(config, text, 0o644))
	addr := harness.FreeAddress(t)
	edit(t, config, "127.0.0.1:8080", addr)
	edit(t, config, `worker = "."`, fmt.Sprintf("worker = %q", folder))
	for i := 0; i+1 < len(edits); i += 2 {
		edit(t, config, edits[i], edits[i+1])
	}
	return harness.StartWith(t, addr, "-c", config)
}

func TestAPageThatListensToTheTickerMissesNothingOfAReload(t *testing.T) {
	t.Parallel()
	h := serveGo(t, "ticker-sse-go")
	if status, body := h.Get("/"); status != 200 || !strings.Contains(body, "EventSource") {
		t.Errorf("the page is %d %q", status, body)
	}
	if status, _ := h.Get("/events/atlantis"); status != 404 {
		t.Errorf("an unknown city is %d", status)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, "GET", h.URL+"/events/oslo", nil)
	harness.Must(t, err)
	missed := time.Now().Unix() - 5
	r.Header.Set("Last-Event-ID", fmt.Sprint(missed))
	response, err := http.DefaultClient.Do(r)
	harness.Must(t, err)
	defer response.Body.Close()
	if got := response.Header.Get("Content-Type"); response.StatusCode != 200 || got != "text/event-stream" {
		t.Fatalf("status %d, %s", response.StatusCode, got)
	}
	lines := bufio.NewScanner(response.Body)
	last, reloaded := missed, int64(0)
	for reloaded == 0 || last < reloaded+3 {
		if !lines.Scan() {
			t.Fatalf("the stream ended after event %d: %v", last, lines.Err())
		}
		id, found := strings.CutPrefix(lines.Text(), "id: ")
		if !found {
			continue
		}
		n, err := strconv.ParseInt(id, 10, 64)
		harness.Must(t, err)
		if n > last+1 {
			t.Errorf("event %d came after %d", n, last)
		}
		last = max(last, n)
		if reloaded == 0 && last > missed+6 {
			if _, body := h.Get("/listening"); body != "1\n" {
				t.Errorf("%q pages listen", body)
			}
			h.Reload()
			reloaded = last
		}
	}
}

func TestCountersOverUDPSurviveAReload(t *testing.T) {
	t.Parallel()
	probe, err := net.ListenPacket("udp", "127.0.0.1:0")
	harness.Must(t, err)
	udp := probe.LocalAddr().String()
	probe.Close()
	h := serveGo(t, "udp-metrics-go", "127.0.0.1:8125", udp, "${METRICS_DATA:-var}", t.TempDir())
	client, err := net.Dial("udp", udp)
	harness.Must(t, err)
	defer client.Close()
	for round := 1; round <= 2; round++ {
		for range 20 {
			_, err := client.Write([]byte("signups:2|c\nlogins:1|c\nnonsense\n"))
			harness.Must(t, err)
		}
		want := fmt.Sprintf("bad_lines %d\nlogins %[1]d\nsignups %d\n", round*20, round*40)
		h.Eventually("the counts are whole", func() bool {
			_, body := h.Get("/")
			return body == want
		})
		if round == 1 {
			h.Reload()
		}
	}
}
