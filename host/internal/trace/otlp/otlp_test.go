package otlp

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/workerhost/workerhost/host/internal/trace"
	collector "go.opentelemetry.io/proto/slim/otlp/collector/trace/v1"
	common "go.opentelemetry.io/proto/slim/otlp/common/v1"
	spans "go.opentelemetry.io/proto/slim/otlp/trace/v1"
	"google.golang.org/protobuf/proto"
)

// aSpan has all that a span can have.
func aSpan() *trace.Record {
	above := trace.Read([]string{"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"}, []string{"a=1"})
	began := time.Unix(1_700_000_000, 5)
	r := &trace.Record{Context: above, Parent: trace.SpanID{1, 2, 3, 4, 5, 6, 7, 8}, Name: "GET \xff",
		Kind: trace.Server, Began: began, Ended: began.Add(time.Second), Link: above, Failed: true,
		Fault: "worker died"}
	r.Attributes.Text("url.path", "/\xff")
	r.Attributes.Whole("http.response.status_code", 502)
	r.Attributes.Millis("workerhost.wait_ms", 1500*time.Microsecond)
	r.Events = []trace.Event{{At: began.Add(1), Name: "replaced", Attributes: trace.Attributes{{Key: "k", Text: "v"}}}}
	return r
}

func said(t *testing.T, all []*common.KeyValue) map[string]any {
	t.Helper()
	found := map[string]any{}
	for _, p := range all {
		switch v := p.GetValue().GetValue().(type) {
		case *common.AnyValue_StringValue:
			found[p.GetKey()] = v.StringValue
		case *common.AnyValue_IntValue:
			found[p.GetKey()] = v.IntValue
		case *common.AnyValue_DoubleValue:
			found[p.GetKey()] = v.DoubleValue
		default:
			t.Errorf("%s: %T", p.GetKey(), v)
		}
	}
	return found
}

// serve is a collector that answers with answer, and keeps what it was asked last.
func serve(t *testing.T, answer func(w http.ResponseWriter)) (e *Exporter, asked func() (http.Header, []byte)) {
	t.Helper()
	var header http.Header
	var body []byte
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		header = r.Header
		body, _ = io.ReadAll(r.Body)
		if r.Method != "POST" || r.URL.Path != "/v1/traces" {
			t.Errorf("%s %s", r.Method, r.URL)
		}
		answer(w)
	}))
	e = New(Settings{URL: s.URL + "/v1/traces", Headers: map[string]string{"Authorization": "Bearer x"},
		Timeout: 5 * time.Second, Attributes: map[string]string{"service.name": "shop"}, Version: "1.2.3"})
	t.Cleanup(func() { e.Close(); s.Close() })
	return e, func() (http.Header, []byte) { return header, body }
}

func TestACollectorReadsTheSpansWithTheOfficialMessages(t *testing.T) {
	e, asked := serve(t, func(w http.ResponseWriter) { w.Header().Set("Content-Type", "application/x-protobuf") })
	few := &trace.Record{Context: aSpan().Context, Name: "GET", Kind: trace.Internal}
	if n, err := e.Export(context.Background(), []*trace.Record{aSpan(), few}); n != 0 || err != nil {
		t.Fatal(n, err)
	}
	header, body := asked()
	if header.Get("Content-Type") != "application/x-protobuf" || header.Get("Authorization") != "Bearer x" ||
		header.Get("User-Agent") != "workerhost/1.2.3" {
		t.Errorf("it was asked with %v", header)
	}
	var m collector.ExportTraceServiceRequest
	if err := proto.Unmarshal(body, &m); err != nil {
		t.Fatal(err)
	}
	of := m.ResourceSpans[0]
	if len(m.ResourceSpans) != 1 || said(t, of.Resource.Attributes)["service.name"] != "shop" ||
		of.ScopeSpans[0].Scope.Version != "1.2.3" || len(of.ScopeSpans[0].Spans) != 2 {
		t.Fatalf("%v", &m)
	}
	s, want := of.ScopeSpans[0].Spans[0], aSpan()
	if !bytes.Equal(s.TraceId, want.TraceID[:]) || !bytes.Equal(s.SpanId, want.SpanID[:]) ||
		!bytes.Equal(s.ParentSpanId, want.Parent[:]) || s.TraceState != "a=1" || s.Flags != 1 ||
		s.Name != "GET \uFFFD" || s.Kind != spans.Span_SPAN_KIND_SERVER ||
		s.StartTimeUnixNano != uint64(want.Began.UnixNano()) || s.EndTimeUnixNano != uint64(want.Ended.UnixNano()) ||
		s.Status.Code != spans.Status_STATUS_CODE_ERROR || s.Status.Message != "worker died" {
		t.Errorf("%v", s)
	}
	if l := s.Links[0]; !bytes.Equal(l.TraceId, want.TraceID[:]) || !bytes.Equal(l.SpanId, want.SpanID[:]) {
		t.Errorf("%v", l)
	}
	if ev := s.Events[0]; ev.Name != "replaced" || said(t, ev.Attributes)["k"] != "v" {
		t.Errorf("%v", ev)
	}
	if a := said(t, s.Attributes); a["url.path"] != "/\uFFFD" || a["http.response.status_code"] != int64(502) ||
		a["workerhost.wait_ms"] != 1.5 {
		t.Errorf("%v", a)
	}
	if s := of.ScopeSpans[0].Spans[1]; s.ParentSpanId != nil || s.Status != nil || s.Links != nil || s.Events != nil {
		t.Errorf("%v", s)
	}
}

func TestWhatACollectorAnswersDecidesWhetherItIsAskedAgain(t *testing.T) {
	for _, test := range []struct {
		status int
		after  string
		again  bool
		wait   time.Duration
	}{
		{429, "7", true, 7 * time.Second}, {502, "", true, 0}, {503, "nonsense", true, 0}, {504, "-3", true, 0},
		{400, "7", false, 0}, {401, "", false, 0}, {404, "", false, 0}, {500, "", false, 0}, {302, "", false, 0},
	} {
		e, _ := serve(t, func(w http.ResponseWriter) {
			w.Header().Set("Retry-After", test.after)
			w.Header().Set("Location", "http://elsewhere.invalid/")
			w.WriteHeader(test.status)
		})
		_, err := e.Export(context.Background(), []*trace.Record{aSpan()})
		var later *trace.Delay
		if again := errors.As(err, &later); err == nil || again != test.again || again && later.After != test.wait {
			t.Errorf("%d: %v", test.status, err)
		}
	}
}

func TestSpansThatACollectorRefusesAreCounted(t *testing.T) {
	e, _ := serve(t, func(w http.ResponseWriter) {
		answer := collector.ExportTraceServiceResponse{PartialSuccess: &collector.ExportTracePartialSuccess{
			RejectedSpans: 3}}
		b, _ := proto.Marshal(&answer)
		w.Header().Set("Content-Type", "application/x-protobuf")
		w.Write(b)
	})
	if n, err := e.Export(context.Background(), []*trace.Record{aSpan()}); n != 3 || err != nil {
		t.Error(n, err)
	}
}

func TestACollectorThatIsNotThereMayComeBack(t *testing.T) {
	s := httptest.NewServer(nil)
	s.Close()
	e := New(Settings{URL: s.URL, Timeout: time.Second})
	var later *trace.Delay
	if _, err := e.Export(context.Background(), []*trace.Record{aSpan()}); !errors.As(err, &later) {
		t.Errorf("a refused connection: %v", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := e.Export(ctx, []*trace.Record{aSpan()}); err == nil || errors.As(err, &later) {
		t.Errorf("the host ends: %v", err)
	}
	e.Close()
}

func BenchmarkExport(b *testing.B) {
	batch := make([]*trace.Record, 512)
	for i := range batch {
		batch[i] = aSpan()
		batch[i].Events, batch[i].Link = nil, trace.Context{}
		for range 15 {
			batch[i].Attributes.Text("client.address", "192.0.2.1")
		}
	}
	e := New(Settings{})
	b.ReportAllocs()
	for b.Loop() {
		e.body = e.appendRequest(e.body[:0], batch)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*len(batch)), "ns/span")
}

func FuzzWhateverACollectorAnswersIsRead(f *testing.F) {
	b, _ := proto.Marshal(&collector.ExportTraceServiceResponse{
		PartialSuccess: &collector.ExportTracePartialSuccess{RejectedSpans: 3, ErrorMessage: "no"}})
	f.Add(b)
	f.Add([]byte{0x0a, 0xff})
	f.Fuzz(func(t *testing.T, answer []byte) {
		if rejected(answer) < 0 {
			t.Error("fewer than none")
		}
	})
}
