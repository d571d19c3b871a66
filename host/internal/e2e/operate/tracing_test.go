package operate

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

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

// received is a batch as the collector writes it: OTLP in JSON.
type received struct {
	ResourceSpans []struct {
		Resource   struct{ Attributes []attribute }
		ScopeSpans []struct {
			Spans []receivedSpan
		}
	}
}

type receivedSpan struct {
	TraceID, SpanID, ParentSpanID, Name string
	Kind                                int
}

type attribute struct {
	Key   string
	Value struct{ StringValue, IntValue string }
}

// TestOpenTelemetrysCollectorTakesOneTraceOfHostAndWorker has the real ones: a collector, and an application with
// OpenTelemetry's own SDK. To build them takes more than a minute, so they are modules of their own.
func TestOpenTelemetrysCollectorTakesOneTraceOfHostAndWorker(t *testing.T) {
	if !harness.Long {
		t.Skip("make long has the collector")
	}
	programs := t.TempDir()
	build := exec.Command("go", "build", "-buildvcs=false", "-o", programs+string(filepath.Separator), "./...")
	build.Dir = filepath.Join(harness.Repository, "host/internal/e2e/testdata/tracing")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	address, addr, lines := harness.FreeAddress(t), harness.FreeAddress(t), harness.FreeAddress(t)
	collector := exec.Command(filepath.Join(programs, "collector"), address)
	var out bytes.Buffer
	collector.Stdout, collector.Stderr = &out, os.Stderr
	open, err := collector.StdinPipe()
	harness.Must(t, err)
	harness.Must(t, collector.Start())
	ended := sync.OnceFunc(func() {
		open.Close() // its sign to end
		collector.Wait()
	})
	defer ended()
	file := filepath.Join(t.TempDir(), "host.toml")
	harness.Must(t, os.WriteFile(file, fmt.Appendf(nil, `
[[listen]]
address = %q
[[listen]]
address = %q
protocol = "tcp"
[pool.app]
command = [%q]
workers = 1
env = { OTEL_EXPORTER_OTLP_ENDPOINT = "http://%s", OTEL_SERVICE_NAME = "shop" }
[tracing]
endpoint = "http://%[4]s"
`, addr, lines, filepath.Join(programs, "worker"), address), 0o600))
	for harness.Refused(address) {
		time.Sleep(10 * time.Millisecond) // it says nothing when it is there
	}
	h := harness.StartWith(t, addr, "-c", file)
	if code, text := h.Get("/price"); code != 200 || text != "7.50\n" {
		t.Errorf("%d %s", code, text)
	}
	harness.DialPeer(t, "tcp", lines).Ask("hi\n", "hi\n")
	h.Stop()
	ended()
	came := map[string]receivedSpan{} // by service and name
	for line := range strings.Lines(out.String()) {
		var batch received
		harness.Must(t, json.Unmarshal([]byte(line), &batch))
		for _, of := range batch.ResourceSpans {
			i := slices.IndexFunc(of.Resource.Attributes, func(a attribute) bool { return a.Key == "service.name" })
			for _, scoped := range of.ScopeSpans {
				for _, s := range scoped.Spans {
					came[of.Resource.Attributes[i].Value.StringValue+" "+s.Name] = s
				}
			}
		}
	}
	below := func(name, above string) {
		s, parent := came[name], came[above]
		if s.TraceID == "" || s.TraceID != parent.TraceID || s.ParentSpanID != parent.SpanID {
			t.Errorf("%s is not below %s: %+v %+v", name, above, s, parent)
		}
	}
	below("shop GET", "workerhost GET")
	below("shop price", "shop GET")
	below("shop chat", "workerhost MESSAGE of tcp")
	if s := came["workerhost GET"]; s.ParentSpanID != "" || s.Kind != int(spans.Span_SPAN_KIND_SERVER) {
		t.Errorf("%+v", s)
	}
	if t.Failed() {
		t.Log(out.String())
	}
}
