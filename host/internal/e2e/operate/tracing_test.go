package operate

import (
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/workerhost/workerhost/host/internal/e2e/harness"
	collector "go.opentelemetry.io/proto/slim/otlp/collector/trace/v1"
	spans "go.opentelemetry.io/proto/slim/otlp/trace/v1"
	"google.golang.org/protobuf/proto"
)

// traces is a collector.
type traces struct {
	*httptest.Server
	t *testing.T

	mu   sync.Mutex
	came []*spans.Span
}

func collect(t *testing.T) *traces {
	c := &traces{t: t}
	c.Server = httptest.NewServer(c)
	t.Cleanup(c.Close)
	return c
}

// ServeHTTP implements http.Handler.
func (c *traces) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	var m collector.ExportTraceServiceRequest
	if err == nil {
		err = proto.Unmarshal(body, &m)
	}
	if err != nil || r.URL.Path != "/v1/traces" || r.Header.Get("Authorization") != "Bearer secret" {
		c.t.Errorf("%s %v: %v", r.URL, r.Header, err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, of := range m.ResourceSpans {
		for _, a := range of.Resource.Attributes {
			if a.Key == "service.name" && a.Value.GetStringValue() != "shop" {
				c.t.Errorf("%v", a)
			}
		}
		for _, scoped := range of.ScopeSpans {
			c.came = append(c.came, scoped.Spans...)
		}
	}
}

// named are the spans of that name.
func (c *traces) named(name string) (found []*spans.Span) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, s := range c.came {
		if s.Name == name {
			found = append(found, s)
		}
	}
	return found
}

func TestATraceGoesThroughTheHostToItsWorkerAndTheLogs(t *testing.T) {
	t.Parallel()
	c := collect(t)
	dir := harness.PHPWorker(t, `Worker::create()->onRequest(function (Request $r): Response {
		\WorkerHost\Log::info('at work');
		return Response::text($r->traceparent . ' ' . $r->tracestate);
	})->run();`)
	addr, file := harness.FreeAddress(t), filepath.Join(t.TempDir(), "host.toml")
	write := func(more string) {
		harness.Must(t, os.WriteFile(file, fmt.Appendf(nil, "[[listen]]\naddress = %q\n[pool.app]\nworker = %q\n"+
			"workers = 2\n%s", addr, filepath.Join(dir, "worker.php"), more), 0o600))
	}
	tracing := fmt.Sprintf("[tracing]\nendpoint = %q\nservice_name = \"shop\"\nsample = 0\n"+
		"headers = { Authorization = \"Bearer secret\" }\n", c.URL)
	write("")
	h := harness.StartWith(t, addr, "-c", file)
	const trace, state = "0af7651916cd43dd8448eb211c80319c", "a=1"
	ask := func(flag string) string {
		k := h.Dial()
		defer k.Close()
		k.Sendf("GET / HTTP/1.1\r\nHost: a\r\nTraceparent: 00-%s-b7ad6b7169203331-%s\r\nTracestate: %s\r\n\r\n", trace,
			flag, state)
		return k.Answer("GET").Text
	}
	if got := ask("01"); got != "00-"+trace+"-b7ad6b7169203331-01 "+state {
		t.Errorf("without tracing the worker is told %q", got)
	}
	write(tracing)
	if out := h.Reload(); !strings.Contains(out, "[tracing] added") {
		t.Errorf("the reload says\n%s", out)
	}
	got := ask("01")
	if quiet := ask("00"); !strings.HasPrefix(quiet, "00-"+trace) || !strings.HasSuffix(quiet, "-00 "+state) {
		t.Errorf("a request that is not sampled: %q", quiet)
	}
	h.Eventually("a span of the request and two of reloads", func() bool {
		return len(c.named("GET")) == 1 && len(c.named("reload")) >= 1
	})
	s := c.named("GET")[0]
	if want := "00-" + trace + "-" + hex.EncodeToString(s.SpanId) + "-01 " + state; got != want ||
		hex.EncodeToString(s.TraceId) != trace || hex.EncodeToString(s.ParentSpanId) != "b7ad6b7169203331" {
		t.Errorf("the worker was told %q, and the span is %v", got, s)
	}
	if n := strings.Count(h.Logs.String(), "trace_id="+trace); n != 1 {
		t.Errorf("%d lines of the log name the trace:\n%s", n, h.Logs.String())
	}
	replaced := 0
	for _, e := range c.named("reload")[0].Events {
		if e.Name == "replaced" {
			replaced++
		}
	}
	if replaced != 2 {
		t.Errorf("the reload's span tells of %d workers: %v", replaced, c.named("reload")[0])
	}
	write("")
	h.Reload()
	if got := ask("01"); got != "00-"+trace+"-b7ad6b7169203331-01 "+state {
		t.Errorf("with tracing off again the worker is told %q", got)
	}
	write(strings.Replace(tracing, "sample = 0", "sample = 1", 1))
	h.Reload()
	ask("01")
	h.Stop()
	if n := len(c.named("GET")); n != 2 {
		t.Errorf("%d requests had arrived when the host had stopped", n)
	}
}
