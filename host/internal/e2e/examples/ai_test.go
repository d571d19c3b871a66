// examples/chat-ai-php, in a browser, with a stand-in for the model.

package examples

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/workerhost/workerhost/examples/chat-ai-php/model/standin"
	"github.com/workerhost/workerhost/host/internal/e2e/harness"
)

func needSQLite(t *testing.T) {
	t.Helper()
	if err := exec.Command("php", "-r", "exit((int) !extension_loaded('pdo_sqlite'));").Run(); err != nil {
		t.Skip("PHP has no SQLite: .ci/setup test installs it")
	}
}

// serveAI serves the example from a copy, with the model in place of the pool that it brings.
func serveAI(t *testing.T, m *standin.Model) (h *harness.Host, folder string) {
	t.Helper()
	needSQLite(t)
	m.Key = "stand-in"
	server := httptest.NewServer(m)
	t.Cleanup(func() { server.CloseClientConnections(); server.Close() })
	folder = release(t, t.TempDir(), "1", "chat-ai-php")
	config := filepath.Join(folder, "host.toml")
	text := harness.ReadFile(t, config)
	own, _, found := strings.Cut(text, "# The stand-in, on an address of its own")
	if !found {
		t.Fatal("host.toml has no stand-in")
	}
	harness.Must(t, os.WriteFile(config, []byte(own), 0o644))
	edit(t, config, "http://127.0.0.1:8081", server.URL)
	edit(t, config, `first_byte_timeout = "20s"`, `first_byte_timeout = "1s"`)
	return harness.Start(t, "-c", config), folder
}

// Set CHAT_SCREENSHOTS to a folder to look at the page.
func TestAnAnswerOfAModelOutlivesAReloadAndIsStored(t *testing.T) {
	t.Parallel()
	next, asked, left := make(chan struct{}), make(chan standin.Question, 20), make(chan struct{}, 20)
	h, folder := serveAI(t, &standin.Model{Next: next, Asked: func(q standin.Question) { asked <- q },
		Left: func() { left <- struct{}{} }})
	say := func(tokens int) {
		t.Helper()
		for range tokens {
			select {
			case next <- struct{}{}:
			case <-time.After(30 * time.Second):
				t.Error("nobody listens to the model")
				return
			}
		}
	}
	page := []string{"ai.js", h.URL}
	if shots := os.Getenv("CHAT_SCREENSHOTS"); shots != "" {
		page = append(page, shots)
	}
	s := harness.RunScript(t, page...)
	token := func() { say(1) }
	s.Expect("token", token)
	s.Expect("token", token)
	s.Expect("reload", func() {
		edit(t, filepath.Join(folder, "src/Page.php"), "What would you like to know?", "What is new?")
		h.Reload()
	})
	s.Expect("token", token)
	s.Expect("rest", func() { say(3) })
	s.Expect("history", func() {
		<-asked
		q := <-asked
		var said []string
		for _, m := range q.Messages[1:] { // behind the system's
			said = append(said, m.Role+": "+m.Content)
		}
		answer := "One two **three** four <i>five</i> six"
		want := "user: !echo " + answer + "|assistant: " + answer + "|user: And a list? !echo - a\n- `b`"
		if got := strings.Join(said, "|"); got != want || q.Authorization != "Bearer stand-in" {
			t.Errorf("the model was told %q, with %q", got, q.Authorization)
		}
		say(4)
	})
	s.Expect("break", func() { say(2) })
	<-left // of the one that was to begin late
	for range 2 {
		s.Expect("token", token)
		s.Expect("gone", func() { // which may show only when something is sent
			pace := time.NewTicker(5 * time.Millisecond) // of what is looked at afterwards
			defer pace.Stop()
			for late, there := time.After(30*time.Second), true; there; <-pace.C {
				select {
				case next <- struct{}{}:
				case <-left:
					there = false
				case <-late:
					t.Fatal("the model talks on to a page that has left")
				}
			}
		})
	}
	s.Ends("done")
}

// aiVisitor has loaded the page.
func aiVisitor(t *testing.T, h *harness.Host) *browser {
	t.Helper()
	b := newBrowser(h)
	p := b.sees("/", 200, htmlType, "What would you like to know?")
	cookie := p.Header.Get("Set-Cookie")
	if !strings.Contains(cookie, "; HttpOnly") || !strings.Contains(cookie, "; SameSite=Strict") {
		t.Errorf("the cookie is %q", cookie)
	}
	return b
}

// asks does what the page does with a question.
func (b *browser) asks(id, text string) page {
	b.T.Helper()
	body, err := json.Marshal(map[string]string{"text": text})
	harness.Must(b.T, err)
	return b.do("POST", "/turns/"+id, "application/json", strings.NewReader(string(body)))
}

func TestAnAnswerOfAModelIsStoredOnceAlthoughItsWorkerDies(t *testing.T) {
	t.Parallel()
	h, folder := serveAI(t, new(standin.Model))
	// the worst moment: it is in the database, and the host has not heard so
	chat := filepath.Join(folder, "src/Chat.php")
	edit(t, chat, "        $this->store->settle(", "        $kept = $this->store->settle(")
	edit(t, chat, "    /** Not one byte", "    // here\n    /** Not one byte")
	edit(t, chat, "    }\n\n    // here\n", "        error_log(\"attempt $f->attempt: \" . json_encode($kept));\n"+
		"        if ($f->attempt === 1) { exit(1); }\n    }\n\n")
	h.Reload()
	b := aiVisitor(t, h)
	const id = "0123456789abcdef"
	if p := b.asks(id, "!echo a b"); p.StatusCode != 200 || !strings.HasSuffix(p.body, "data: [DONE]\n\n") ||
		p.Header.Get("Content-Type") != "text/event-stream" || p.Header.Get("Openai-Version") != "" ||
		p.Header.Get("Set-Cookie") != "" {
		t.Errorf("the page got %v, %q", p.Header, p.body)
	}
	h.Logs.Await(t, "attempt 1: true")
	h.Logs.Await(t, "attempt 2: false")
	b.sees("/turns/"+id, 200, "application/json", `"state":"whole","answer":"a b"`)
	if strings.Contains(h.Logs.String(), "Bearer stand-in") {
		t.Error("the key is in the log")
	}
}

func TestTheChatWithAModelRefusesWhatItDoesNotKnow(t *testing.T) {
	t.Parallel()
	next := make(chan struct{})
	h, _ := serveAI(t, &standin.Model{Next: next})
	const first, second = "first-question-of-mine", "second-question-of-mine"
	b := newBrowser(h)
	if p := b.asks(first, "Who am I?"); p.StatusCode != 403 {
		t.Errorf("a visitor without a name: %d", p.StatusCode)
	}
	b = aiVisitor(t, h)
	if policy := b.sees("/", 200, htmlType).Header.Get("Content-Security-Policy"); !strings.HasPrefix(policy,
		"default-src 'none'; ") {
		t.Errorf("Content-Security-Policy: %q", policy)
	}
	for _, nonsense := range []string{"", " \n", strings.Repeat("x", 4001)} {
		if p := b.asks(first, nonsense); p.StatusCode != 400 {
			t.Errorf("%.10q: %d", nonsense, p.StatusCode)
		}
	}
	for body, status := range map[string]int{"": 400, "5": 400, `{"text":["a"]}`: 400, "{\"text\":\"\xff\"}": 400} {
		b.expect("POST", "/turns/"+first, "application/json", body, status, "application/json")
	}
	b.expect("POST", "/turns/"+first, "text/plain", `{"text":"a"}`, 415, "application/json")
	for path, status := range map[string]int{"/turns/short": 404, "/turns/../var/chat.sqlite": 404,
		"/var/chat.sqlite": 404, "/src/Chat.php": 404, "/model/key": 404, "/forget": 405} {
		b.sees(path, status, "text/plain; charset=utf-8")
	}

	// One answer at a time, and each question once.
	r, err := http.NewRequest("POST", b.URL+"/turns/"+first, strings.NewReader(`{"text":"!echo a b"}`))
	harness.Must(t, err)
	r.Header.Set("Content-Type", "application/json")
	resp, err := b.client.Do(r)
	harness.Must(t, err)
	defer resp.Body.Close()
	if p := b.asks(second, "And?"); p.StatusCode != 409 {
		t.Errorf("a second question at once: %d", p.StatusCode)
	}
	b.sees("/turns/"+first, 200, "application/json", `"state":"open"`)
	aiVisitor(t, h).sees("/turns/"+first, 404, "application/json")
	next <- struct{}{}
	next <- struct{}{}
	if _, err := io.Copy(io.Discard, resp.Body); err != nil {
		t.Error(err)
	}
	for stored := false; !stored; {
		stored = strings.Contains(b.sees("/turns/"+first, 200, "application/json").body, `"state":"whole"`)
	}
	if p := b.asks(first, "!echo a b"); p.StatusCode != 409 {
		t.Errorf("a question that comes twice: %d", p.StatusCode)
	}
}

// With the stand-in as a pool of the same host, as host.toml has it.
func TestTheChatWithAModelNeedsNoKeyToTryIt(t *testing.T) {
	t.Parallel()
	needSQLite(t)
	folder := release(t, t.TempDir(), "1", "chat-ai-php")
	config, addr, model := filepath.Join(folder, "host.toml"), harness.FreeAddress(t), harness.FreeAddress(t)
	edit(t, config, "127.0.0.1:8081", model)
	edit(t, config, "127.0.0.1:8080", addr)
	edit(t, config, `worker = "model"`, `worker = "`+
		filepath.ToSlash(filepath.Join(harness.Repository, "examples/chat-ai-php/model"))+`"`)
	b := aiVisitor(t, harness.StartWith(t, addr, "-c", config))
	const id = "0123456789abcdef"
	if p := b.asks(id, "!echo a b"); p.StatusCode != 200 || !strings.Contains(p.body, `"delta":{"content":" b"}`) ||
		!regexp.MustCompile(`"usage":{[^}]*"completion_tokens":2,`).MatchString(p.body) {
		t.Errorf("the page got %d, %q", p.StatusCode, p.body)
	}
}
