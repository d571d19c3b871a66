package listen

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/workerhost/workerhost/host/internal/accesslog"
	"github.com/workerhost/workerhost/host/internal/guard"
	"github.com/workerhost/workerhost/protocol"
)

// withAccess logs to a file of that name; lines reads it once the log is closed.
func withAccess(t testing.TB, name string) (change func(*Options), lines func() []string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	a, err := accesslog.Open(path, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { a.Close() })
	change = func(o *Options) { o.Access, o.RequestID = a, "X-Request-Id" }
	return change, func() []string {
		t.Helper()
		if err := a.Close(); err != nil {
			t.Fatal(err)
		}
		all, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		return strings.Split(strings.TrimSuffix(string(all), "\n"), "\n")
	}
}

func TestTheAccessLogTellsWhoAnsweredAndHowLongItTook(t *testing.T) {
	change, lines := withAccess(t, "access.json")
	h := start(t, func(c *call) { c.whole(201, string(c.readAll())+"!") }, change)
	h.backend.traits = protocol.Traits{Pool: "web", WholeBody: true}
	resp, _ := h.do("POST", "/a?b=\"c\"", strings.NewReader("hello"), "X-Request-Id", "mine", "User-Agent", "tést\"",
		"Traceparent", "00-1-2-01")
	if resp.Header.Get("X-Request-Id") != "mine" {
		t.Errorf("response id %q", resp.Header.Get("X-Request-Id"))
	}
	h.Close() // the handler has ended by then
	var line map[string]any
	all := lines()
	if err := json.Unmarshal([]byte(all[0]), &line); err != nil || len(all) != 1 {
		t.Fatal(err, all)
	}
	for name, want := range map[string]any{
		"log": "access", "method": "POST", "target": "/a?b=\"c\"", "protocol": "HTTP/1.1", "status": 201.0,
		"bytes_in": 5.0, "bytes_out": 6.0,
		"pool": "web", "worker": 2.0, "generation": 7.0, "request_id": "mine", "user_agent": "tést\"",
		"traceparent": "00-1-2-01",
	} {
		if line[name] != want {
			t.Errorf("%s: %v, expected %v", name, line[name], want)
		}
	}
	took, wait, work := line["took_ms"].(float64), line["wait_ms"].(float64), line["work_ms"].(float64)
	if took <= 0 || wait < 0 || work <= 0 || wait+work > took+0.01 {
		t.Errorf("took %v, wait %v, work %v", took, wait, work)
	}
}

func TestTheTextAccessLogIsTheCombinedFormatAndThenMore(t *testing.T) {
	change, lines := withAccess(t, "access.log")
	h := start(t, hello, change)
	h.raw("GET /x\"y HTTP/1.1\r\nHost: a\r\nUser-Agent: \xff\\\"z\r\nReferer: http://b/\r\nConnection: close\r\n\r\n")
	h.raw("GET /" + strings.Repeat("l", 5000) + " HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
	h.Close()
	all := lines()
	form := regexp.MustCompile(
		`^127\.0\.0\.1 - - \[\d\d/\w+/\d{4}:\d\d:\d\d:\d\d [+-]\d{4}\] "GET /x\\x22y HTTP/1\.1" 200 13 "http://b/" "\\xff\\x5c\\x22z" in=0 took=\d+\.\d{3} wait=\d+\.\d{3} work=\d+\.\d{3} worker=2 generation=7 id=[0-9a-f]{32}$`)
	if len(all) != 2 || !form.MatchString(all[0]) {
		t.Fatalf("%q", all)
	}
	if last := all[len(all)-1]; len(last) > 3000 || !strings.Contains(last, "lll...") {
		t.Errorf("%d bytes: %q", len(last), last)
	}
}

func TestABrokenOrAbandonedRequestIsLoggedAsSuch(t *testing.T) {
	change, lines := withAccess(t, "access.log")
	entered, read := make(chan struct{}), make(chan struct{})
	h := start(t, func(c *call) {
		if c.request.Target == "/left" {
			close(entered)
			<-c.gone
			return
		}
		c.respond(0, 200, nil, "half")
		<-read
		c.fail(protocol.FailedDied)
	}, change)
	c := h.dial()
	io.WriteString(c, "GET /broken HTTP/1.1\r\nHost: a\r\n\r\n")
	for in := bufio.NewReader(c); ; {
		if line, err := in.ReadString('\n'); err != nil || line == "4\r\n" {
			break
		}
	}
	close(read)
	c = h.dial()
	io.WriteString(c, "GET /left HTTP/1.1\r\nHost: a\r\n\r\n")
	<-entered
	hangUp(c)
	h.backend.busy.Wait()
	h.Shutdown(context.Background()) // waits for the handlers, which write the lines
	h.Close()
	all := strings.Join(lines(), "\n")
	if !regexp.MustCompile(`"GET /broken HTTP/1\.1" 200 4 .* fault="worker died" aborted`).MatchString(all) {
		t.Errorf("broken: %s", all)
	}
	if !regexp.MustCompile(`"GET /left HTTP/1\.1" 499 0 .* aborted`).MatchString(all) {
		t.Errorf("left: %s", all)
	}
}

func TestWhatTheFrontRefusesIsCountedAndNamedInTheAccessLog(t *testing.T) {
	change, lines := withAccess(t, "access.json")
	h := start(t, hello, change, func(o *Options) {
		o.Limits.MaxBody, o.RateLimit = 10, guard.NewRateLimit(time.Hour, 2)
	})
	h.raw("GET /a HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
	h.raw("POST /b HTTP/1.1\r\nHost: a\r\nContent-Length: 11\r\nConnection: close\r\n\r\n12345678901")
	h.raw("GET /c HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
	counts := h.Refused()
	h.Close()
	if counts["too large"] != 1 || counts["rate limit"] != 1 || counts["malformed"] != 0 {
		t.Errorf("%v", counts)
	}
	for i, want := range []string{"", "too large", "rate limit"} {
		var line struct{ Fault string }
		if err := json.Unmarshal([]byte(lines()[i]), &line); err != nil || line.Fault != want {
			t.Errorf("line %d: %v, fault %q instead of %q", i, err, line.Fault, want)
		}
	}
}

func TestStaticFilesAreLoggedWithoutAWorker(t *testing.T) {
	change, lines := withAccess(t, "access.json")
	base := tree(t, map[string]string{"a.txt": strings.Repeat("x", 1<<20)})
	h := start(t, func(c *call) { t.Error("a worker got it") }, change, func(o *Options) { o.Public = base })
	h.get("/a.txt")
	h.Close()
	var line map[string]any
	if err := json.Unmarshal([]byte(lines()[0]), &line); err != nil {
		t.Fatal(err)
	}
	if _, worker := line["worker"]; worker || line["bytes_out"] != float64(1<<20) || line["status"] != 200.0 {
		t.Errorf("%v", line)
	}
}

// A log that nobody reads: requests go on, lines are dropped, and Close gives up.
func TestARequestHasOneIdEverywhere(t *testing.T) {
	var seen [2]string
	h := start(t, func(c *call) {
		seen = [2]string{c.request.ID, c.header("X-Request-Id")}
		c.whole(200, "", "X-Request-Id", "the worker's", "Content-Length", "0")
	}, func(o *Options) { o.RequestID = "X-Request-Id" })
	made := map[string]bool{}
	for _, test := range []struct {
		given []string
		kept  bool
	}{
		{nil, false}, {nil, false}, {[]string{"a-b_c.d:1/2=@"}, true}, {[]string{"a b"}, false},
		{[]string{"a", "b"}, false},
		{[]string{strings.Repeat("x", 128)}, true}, {[]string{strings.Repeat("x", 129)}, false}, {[]string{""}, false},
	} {
		request := "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n"
		for _, id := range test.given {
			request += "X-Request-Id: " + id + "\r\n"
		}
		answer := h.raw(request + "\r\n")
		given := strings.Join(test.given, "|")
		if test.kept && seen != [2]string{given, given} ||
			!test.kept && (len(seen[0]) != 32 || seen[1] != "" || made[seen[0]]) {
			t.Errorf("%q: the worker saw %q", test.given, seen)
		}
		made[seen[0]] = true
		if strings.Count(answer, "X-Request-Id:") != 1 || !strings.Contains(answer, "X-Request-Id: "+seen[0]+"\r\n") {
			t.Errorf("%q: %q", test.given, answer)
		}
	}
}
