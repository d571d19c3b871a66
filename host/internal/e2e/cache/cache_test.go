package cache

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/workerhost/workerhost/host/internal/e2e/harness"
)

func TestAThousandClientsOfAnAbsentPageThatTakesTwoSecondsMakeOneCall(t *testing.T) {
	t.Parallel()
	h, dir := start(t, `Worker::create()->onRequest(function (Request $r): Response {
    note($r->path);
    sleep(2);
    return new Response(200, ['Cache-Control' => 'max-age=60'], 'page');
})->run();`, "", "workers = 2")
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	var all sync.WaitGroup
	var mu sync.Mutex
	got := map[string]int{}
	for range 1000 {
		all.Go(func() {
			what := ""
			if r, err := client.Get(h.URL + "/slow"); err != nil {
				what = err.Error()
			} else {
				body, err := io.ReadAll(r.Body)
				r.Body.Close()
				what = fmt.Sprint(r.StatusCode, " ", string(body), " ", err)
			}
			mu.Lock()
			got[what]++
			mu.Unlock()
		})
	}
	all.Wait()
	if len(got) != 1 || got["200 page <nil>"] != 1000 {
		t.Errorf("they got %v", got)
	}
	if calls := harness.ReadFile(t, filepath.Join(dir, "noted")); calls != "/slow\n" {
		t.Errorf("a worker was called %d times", strings.Count(calls, "\n"))
	}
}

func TestASiteGoesOnWhileItsPoolCantStart(t *testing.T) {
	t.Parallel()
	h, dir := start(t, `if (file_exists(__DIR__ . '/broken')) { exit(1); }
Worker::create()->onRequest(fn (Request $r) => new Response(200, ['Cache-Control' => 'max-age=1'], 'page'))->run();`,
		`stale_if_error = "10m"`, "workers = 1\nqueue_timeout = \"500ms\"")
	if status, body := h.Get("/"); status != 200 || body != "page" {
		t.Fatal(status, body)
	}
	harness.Write(t, dir, "broken", "")
	for _, pid := range h.PIDs() {
		harness.KillNow(t, pid)
	}
	h.Eventually("requests fail that nothing is stored for", func() bool {
		status, _ := h.Get("/absent")
		return status >= 500
	})
	trouble := 3 * time.Second
	if harness.Long {
		trouble = time.Minute
	}
	for end := time.Now().Add(trouble); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		if status, body := h.Get("/"); status != 200 || body != "page" {
			t.Fatalf("in trouble it is %d %s", status, body)
		}
	}
	if s := said(t, h, "/"); !strings.Contains(s, "stale-if-error") {
		t.Error(s)
	}
	if err := os.Remove(filepath.Join(dir, "broken")); err != nil {
		t.Fatal(err)
	}
	h.Eventually("it is fresh again", func() bool { return !strings.Contains(said(t, h, "/"), "stale") })
}

func TestWhatNewCodeMakesIsSeenAfterAReload(t *testing.T) {
	t.Parallel()
	code := `Worker::create()->onRequest(fn (Request $r) =>
    new Response(200, ['Cache-Control' => 'max-age=600'], 'version 1'))->run();`
	admin := harness.FreeAddress(t)
	h, dir := start(t, code, "", fmt.Sprintf("workers = 2\n[admin]\nlisten = %q", admin))
	h.Get("/")
	harness.WritePHP(t, dir, strings.Replace(code, "version 1", "version 2", 1))
	if status, body := h.Get("/"); status != 200 || body != "version 1" {
		t.Errorf("before the reload %d %s", status, body)
	}
	h.Reload()
	if status, body := h.Get("/"); status != 200 || body != "version 1" {
		t.Errorf("the first who asks waits for %d %s", status, body)
	}
	h.Eventually("the new code's page is there", func() bool { _, body := h.Get("/"); return body == "version 2" })
	_, page := harness.Asked(admin, "/metrics")
	for _, line := range []string{`requests_total{how="miss"} 1`, "stored_total 2", "answers 1"} {
		if !strings.Contains(page, "\nworkerhost_cache_"+line+"\n") {
			t.Errorf("/metrics has no %s", line)
		}
	}
}

func TestAStoredAnswerIsTheSameOnEveryWay(t *testing.T) {
	t.Parallel()
	text := strings.Repeat("0123456789abcdef", 30<<10)
	for _, lane := range []bool{true, false} {
		h, dir := start(t, `Worker::create()->onRequest(function (Request $r): Response {
    note($r->path);
    return new Response(200, ['Cache-Control' => 'max-age=600', 'ETag' => '"1"', 'Content-Type' => 'text/plain'],
        str_repeat('0123456789abcdef', 30 << 10));
})->run();`, "", fmt.Sprintf("workers = 1\n[http]\nlane = %t\naccess_log = \"text\"", lane))
		ask := func(method string, headers ...string) (*http.Response, string) {
			t.Helper()
			r, err := http.NewRequest(method, h.URL+"/long", nil)
			harness.Must(t, err)
			for i := 0; i < len(headers); i += 2 {
				r.Header.Set(headers[i], headers[i+1])
			}
			answer, err := http.DefaultClient.Do(r)
			harness.Must(t, err)
			defer answer.Body.Close()
			var body bytes.Buffer
			if _, err := body.ReadFrom(answer.Body); err != nil {
				t.Fatal(err)
			}
			return answer, body.String()
		}
		for range 3 {
			if r, body := ask("GET"); r.StatusCode != 200 || body != text { // compressed on its way, and not
				t.Errorf("%d with %d bytes", r.StatusCode, len(body))
			}
			r, body := ask("GET", "Accept-Encoding", "identity")
			if r.ContentLength != int64(len(text)) || body != text {
				t.Errorf("%d with %d bytes of %d", r.StatusCode, len(body), r.ContentLength)
			}
		}
		if r, _ := ask("HEAD", "Accept-Encoding", "identity"); r.ContentLength != int64(len(text)) {
			t.Errorf("HEAD tells of %d bytes", r.ContentLength)
		}
		if r, body := ask("GET", "Range", "bytes=100000-300000"); r.StatusCode != 206 || body != text[100000:300001] {
			t.Errorf("a part: %d with %d bytes", r.StatusCode, len(body))
		}
		if r, body := ask("GET", "If-None-Match", `W/"1"`); r.StatusCode != 304 || body != "" {
			t.Errorf("a condition: %d", r.StatusCode)
		}
		if calls := harness.ReadFile(t, filepath.Join(dir, "noted")); calls != "/long\n" {
			t.Errorf("a worker was called %d times", strings.Count(calls, "\n"))
		}
		h.Logs.Await(t, " cache=hit")
	}
}
