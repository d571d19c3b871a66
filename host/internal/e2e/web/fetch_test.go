package web

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/workerhost/workerhost/host/internal/e2e/harness"
)

// model plays a language model: it streams tokens as server-sent events, at a pace, with faults on demand. A token is
// let go with next, where the request asks for that.
type model struct {
	*httptest.Server
	next chan struct{}
	keys chan string // what each request had for Authorization
	left chan struct{}
}

func newModel(t *testing.T) *model {
	m := &model{next: make(chan struct{}), keys: make(chan string, 100), left: make(chan struct{}, 100)}
	m.Server = httptest.NewServer(http.HandlerFunc(m.answer))
	t.Cleanup(func() { m.CloseClientConnections(); m.Close() })
	return m
}

// step lets the model say one token more.
func (m *model) step(t *testing.T) {
	t.Helper()
	select {
	case m.next <- struct{}{}:
	case <-time.After(20 * time.Second):
		t.Fatal("nobody waits for the model")
	}
}

func (m *model) shows(t *testing.T, key string) {
	t.Helper()
	select {
	case got := <-m.keys:
		if got != key {
			t.Errorf("the model was shown %q", got)
		}
	case <-time.After(20 * time.Second):
		t.Fatal("nobody asks the model")
	}
}

func (m *model) answer(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	m.keys <- r.Header.Get("Authorization")
	q := r.URL.Query()
	tokens, _ := strconv.Atoi(q.Get("tokens"))
	if status, err := strconv.Atoi(q.Get("status")); err == nil {
		http.Error(w, `{"error":"no"}`, status)
		return
	}
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("Set-Cookie", "theirs=1")
	w.Header().Set("X-Model", "stand-in")
	if q.Has("slow") { // its first byte
		<-r.Context().Done()
		return
	}
	w.(http.Flusher).Flush()
	for i := range tokens {
		if q.Has("steps") {
			select {
			case <-m.next:
			case <-r.Context().Done():
				m.left <- struct{}{}
				return
			}
		}
		fmt.Fprintf(w, "data: %d %s\n\n", i, body)
		w.(http.Flusher).Flush()
	}
	if q.Has("broken") {
		panic(http.ErrAbortHandler)
	}
	io.WriteString(w, "data: [DONE]\n\n")
}

// chatWorker asks the model for what its clients ask.
const chatWorker = `
use WorkerHost\Fetched;
Worker::create()->onRequest(fn (Request $r): Response => match ($r->path) {
    '/chat' => Response::fetch('MODEL/v1/chat?' . ($r->query['ask'] ?? ''), 'POST',
        ['Authorization' => 'Bearer {secret:MODEL}'], ['by' => 'VERSION'], context: ['user' => 7], keep: 1000),
    '/elsewhere' => Response::fetch('http://127.0.0.1:1/'),
    default => Response::text('VERSION'),
})->onFetchFailed(fn (Request $r, string $why): Response => Response::text("sorry: $why", 503))
->onFetched(function (Fetched $f): void {
    fwrite(STDERR, "fetched {$f->end} {$f->status} {$f->length} by VERSION for {$f->context['user']}: "
        . json_encode($f->body) . "\n");
})->run();
`

func startChat(t *testing.T, lane bool) (*harness.Host, *model, string) {
	m := newModel(t)
	dir := harness.PHPWorker(t, version(strings.ReplaceAll(chatWorker, "MODEL/", m.URL+"/"), "old"))
	harness.Write(t, dir, "secret", "s3cr3t\n")
	harness.Write(t, dir, "host.toml", fmt.Sprintf(`
[http]
lane = %v
access_log = "access.log"
[pool.chat]
worker = "worker.php"
workers = 2
[pool.chat.fetch]
allow = ["%s/v1/*"]
first_byte_timeout = "1s"
secrets = { MODEL = { from = "secret", header = "authorization" } }
`, lane, m.URL))
	return harness.Start(t, "-c", filepath.Join(dir, "host.toml")), m, dir
}

func TestAFetchGoesOnThroughAReload(t *testing.T) {
	for _, lane := range []bool{true, false} {
		t.Run(fmt.Sprintf("lane=%v", lane), func(t *testing.T) {
			t.Parallel()
			h, m, dir := startChat(t, lane)
			resp, err := http.Get(h.URL + "/chat?ask=" + "tokens%3D3%26steps")
			harness.Must(t, err)
			defer resp.Body.Close()
			if resp.StatusCode != 200 || resp.Header.Get("Content-Type") != "text/event-stream" ||
				resp.Header.Get("X-Model") != "stand-in" || resp.Header.Get("Set-Cookie") != "" {
				t.Errorf("the head is %d %v", resp.StatusCode, resp.Header)
			}
			m.shows(t, "Bearer s3cr3t")
			r := bufio.NewReader(resp.Body)
			expect := func(want string) {
				t.Helper()
				line, err := r.ReadString('\n')
				blank, _ := r.ReadString('\n')
				if line != want+"\n" || blank != "\n" {
					t.Fatalf("got %q %q, %v; want %q", line, blank, err, want)
				}
			}
			m.step(t)
			expect(`data: 0 {"by":"old"}`)
			harness.WritePHP(t, dir, version(strings.ReplaceAll(chatWorker, "MODEL/", m.URL+"/"), "new"))
			h.Reload()
			if _, text := h.Get("/"); text != "new" {
				t.Fatalf("the reload brought %q", text)
			}
			for i := 1; i < 3; i++ {
				m.step(t)
				expect(fmt.Sprintf(`data: %d {"by":"old"}`, i))
			}
			expect("data: [DONE]")
			if rest, err := io.ReadAll(r); err != nil || len(rest) > 0 {
				t.Errorf("behind the end came %q, %v", rest, err)
			}
			h.Logs.Await(t, "fetched complete 200 ")
			h.Logs.Await(t, "by new for 7")
			if strings.Contains(h.Logs.String(), "s3cr3t") {
				t.Error("the secret is in the log")
			}
		})
	}
}

func TestAFetchThatFailsIsAnHonestError(t *testing.T) {
	t.Parallel()
	h, m, dir := startChat(t, true)
	for _, c := range []struct {
		path   string
		status int
		log    string
	}{
		{"/chat?ask=slow", 503, "fetched timeout 0"}, // in the worker's own words
		{"/chat?ask=status%3D429", 429, "fetched complete 429"},
		{"/chat?ask=status%3D500", 500, "fetched complete 500"},
		{"/elsewhere", 502, "allow does not have it"},
	} {
		resp, err := http.Get(h.URL + c.path)
		harness.Must(t, err)
		if resp.StatusCode != c.status {
			t.Errorf("%s: %d", c.path, resp.StatusCode)
		}
		resp.Body.Close()
		h.Logs.Await(t, c.log)
	}
	resp, err := http.Get(h.URL + "/chat?ask=tokens%3D2%26broken")
	harness.Must(t, err)
	text, err := io.ReadAll(resp.Body)
	if resp.Body.Close(); err == nil || !strings.HasPrefix(string(text), `data: 0 {"by":"old"}`) {
		t.Errorf("what broke off is %q, %v", text, err)
	}
	h.Logs.Await(t, "fetched broke 200")

	resp, err = http.Get(h.URL + "/chat?ask=tokens%3D1000%26steps")
	harness.Must(t, err)
	resp.Body.Close()
	for late, left := time.After(20*time.Second), false; !left; {
		select {
		case m.next <- struct{}{}: // that it has left shows when something is written to it
		case <-m.left:
			left = true
		case <-late:
			t.Fatal("the model goes on for a client that has left")
		}
	}
	h.Logs.Await(t, "fetched left 200")
	if lines := harness.ReadFile(t, filepath.Join(dir, "access.log")); !strings.Contains(lines, " fetch=") {
		t.Errorf("the access log has no time of a fetch:\n%s", lines)
	}
}
