package web

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/workerhost/workerhost/examples/chat-ai-php/model/standin"
	"github.com/workerhost/workerhost/host/internal/e2e/harness"
)

// model is a stand-in for a language model, told what to do in the question. It says a token with each step.
type model struct {
	*httptest.Server
	next chan struct{}
	keys chan string // what each request had for Authorization
	left chan struct{}
}

func newModel(t *testing.T) *model {
	m := &model{next: make(chan struct{}), keys: make(chan string, 100), left: make(chan struct{}, 100)}
	m.Server = httptest.NewServer(&standin.Model{Next: m.next,
		Asked: func(q standin.Question) { m.keys <- q.Authorization }, Left: func() { m.left <- struct{}{} }})
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

// chatWorker asks the model for what its clients ask.
const chatWorker = `
use WorkerHost\Fetched;
Worker::create()->onRequest(fn (Request $r): Response => match ($r->path) {
    '/chat' => Response::fetch('MODEL/v1/chat', 'POST', ['Authorization' => 'Bearer {secret:MODEL}'],
        ['model' => 'VERSION', 'stream' => true, 'messages' => [['role' => 'user', 'content' => $r->query['ask']]]],
        context: ['user' => 7], keep: 1000),
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

// streamed is an answer of the model's of three tokens, on its way to a client.
type streamed struct {
	t    *testing.T
	head *http.Response
	r    *bufio.Reader
}

// beginStream asks for one. force is what chooses the code in a canary.
func beginStream(t *testing.T, h *harness.Host, force string) *streamed {
	t.Helper()
	request, err := http.NewRequest("GET", h.URL+"/chat?ask=!echo+a+b+c", nil)
	harness.Must(t, err)
	if force != "" {
		request.Header.Set("X-Worker-Generation", force)
	}
	resp, err := http.DefaultClient.Do(request)
	harness.Must(t, err)
	t.Cleanup(func() { resp.Body.Close() })
	s := &streamed{t, resp, bufio.NewReader(resp.Body)}
	s.expect(`"role":"assistant"`)
	return s
}

func (s *streamed) expect(want string) {
	s.t.Helper()
	line, err := s.r.ReadString('\n')
	blank, _ := s.r.ReadString('\n')
	if !strings.HasPrefix(line, "data: ") || !strings.Contains(line, want) || blank != "\n" {
		s.t.Fatalf("got %q %q, %v; want %q", line, blank, err, want)
	}
}

// says has the model say a token, for code of a version.
func (s *streamed) says(m *model, version, token string) {
	s.t.Helper()
	m.step(s.t)
	s.expect(`"model":"` + version + `","choices":[{"index":0,"delta":{"content":"` + token + `"}`)
}

// goesOn has it say what is left after the first one, and holds that it all comes.
func (s *streamed) goesOn(m *model, version string) {
	s.t.Helper()
	s.says(m, version, " b")
	s.says(m, version, " c")
	s.expect(`"finish_reason":"stop"`)
	s.expect("[DONE]")
	if rest, err := io.ReadAll(s.r); err != nil || len(rest) > 0 {
		s.t.Errorf("behind the end came %q, %v", rest, err)
	}
}

func TestAFetchGoesOnThroughAReload(t *testing.T) {
	for _, lane := range []bool{true, false} {
		t.Run(fmt.Sprintf("lane=%v", lane), func(t *testing.T) {
			t.Parallel()
			h, m, dir := startChat(t, lane)
			s := beginStream(t, h, "")
			if resp := s.head; resp.StatusCode != 200 || resp.Header.Get("Set-Cookie") != "" ||
				resp.Header.Get("Content-Type") != "text/event-stream; charset=utf-8" ||
				resp.Header.Get("Openai-Version") != "stand-in" {
				t.Errorf("the head is %d %v", resp.StatusCode, resp.Header)
			}
			m.shows(t, "Bearer s3cr3t")
			s.says(m, "old", "a")
			harness.WritePHP(t, dir, version(strings.ReplaceAll(chatWorker, "MODEL/", m.URL+"/"), "new"))
			h.Reload()
			if _, text := h.Get("/"); text != "new" {
				t.Fatalf("the reload brought %q", text)
			}
			if lane {
				if out, _ := h.Run("status"); !strings.Contains(out, "fetches: 1 under way of 10000 at once\n") {
					t.Errorf("the status does not show it:\n%s", out)
				}
			}
			s.goesOn(m, "old")
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
		{"/chat?ask=!slow", 503, "fetched timeout 0"}, // in the worker's own words
		{"/chat?ask=!429", 429, "fetched complete 429"},
		{"/chat?ask=!500", 500, "fetched complete 500"},
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
	<-m.left // of the one that was slow
	resp, err := http.Get(h.URL + "/chat?ask=!break+!echo+a+b")
	harness.Must(t, err)
	m.step(t)
	text, err := io.ReadAll(resp.Body)
	if resp.Body.Close(); err == nil || !strings.Contains(string(text), `{"content":"a"}`) {
		t.Errorf("what broke off is %q, %v", text, err)
	}
	h.Logs.Await(t, "fetched broke 200")

	resp, err = http.Get(h.URL + "/chat?ask=!echo" + strings.Repeat("+on", 1000))
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
