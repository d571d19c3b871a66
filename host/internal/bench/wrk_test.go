package main

import (
	"strings"
	"testing"
	"time"
)

const wrkReport = `Running 5s test @ http://127.0.0.1:8191/
  2 threads and 64 connections
  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency   870.12us  412.10us  12.41ms   81.13%
    Req/Sec    36.71k     1.80k   41.10k    72.00%
  Latency Distribution
     50%  812.00us
     75%    1.02ms
     90%    1.31ms
     99%    2.20s 
  365210 requests in 5.00s, 46.32MB read
Requests/sec:  73012.44
Transfer/sec:      9.26MB
`

func TestAWrkReportGivesCountsAndLatencies(t *testing.T) {
	got, err := parseWrk(wrkReport)
	want := loadResult{
		Requests: 365210, Duration: 5 * time.Second, RequestsPerSecond: 73012.44,
		Mean: 870120 * time.Nanosecond, P50: 812 * time.Microsecond, P99: 2200 * time.Millisecond,
	}
	if err != nil || got != want {
		t.Fatalf("got %+v, %v; want %+v", got, err, want)
	}
}

func TestErrorsInAWrkReportAreCounted(t *testing.T) {
	report := strings.Replace(wrkReport, "Requests/sec:",
		"  Socket errors: connect 1, read 20, write 300, timeout 4000\n  Non-2xx or 3xx responses: 77\nRequests/sec:",
		1)
	got, err := parseWrk(report)
	if err != nil || got.SocketErrors != 4321 || got.NonOK != 77 || got.errors() != 4398 {
		t.Fatalf("got %+v, %v", got, err)
	}
}

func TestAWrkReportThatMeasuredNothingIsAnError(t *testing.T) {
	for name, report := range map[string]string{
		"empty":       "",
		"no requests": strings.NewReplacer("365210", "0", "73012.44", "0.00").Replace(wrkReport),
		"odd latency": strings.Replace(wrkReport, "812.00us", "fast", 1),
		"cut short":   wrkReport[:strings.Index(wrkReport, "Requests/sec")],
	} {
		if got, err := parseWrk(report); err == nil {
			t.Errorf("%s: got %+v and no error", name, got)
		}
	}
}

func TestMeanLatencyAtOneConnectionIsTimeOverRequests(t *testing.T) {
	r := loadResult{Requests: 50_000, Duration: 5 * time.Second}
	if got := r.perRequest(); got != 100*time.Microsecond {
		t.Fatal(got)
	}
	if got := (loadResult{}).perRequest(); got != 0 {
		t.Fatal(got)
	}
}
