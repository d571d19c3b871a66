// examples/chat-php, in a browser.

package examples

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/workerhost/workerhost/host/internal/e2e/harness"
)

// Set CHAT_SCREENSHOTS to a folder to look at the page.
func TestTabsOfTheChatStayConnectedThroughAReloadAndDeadWorkers(t *testing.T) {
	t.Parallel()
	folder := release(t, t.TempDir(), "1", "chat-php")
	arguments := []string{"-l", harness.FreeAddress(t), "-c", filepath.Join(folder, "host.toml")}
	h := harness.StartWith(t, arguments[1], arguments...)

	greeting := "Welcome back: the code is new, the chairs are not."
	page := []string{"chat.js", h.URL, greeting}
	if shots := os.Getenv("CHAT_SCREENSHOTS"); shots != "" {
		page = append(page, shots)
	}
	s := harness.RunScript(t, page...)
	s.Expect("reload", func() {
		edit(t, filepath.Join(folder, "src/Chat.php"), "Good to see you. Pull up a chair and say hello.", greeting)
		h.Reload()
	})
	s.Expect("kill", func() {
		for _, worker := range h.Status().Pools[0].Workers {
			process, err := os.FindProcess(worker.PID)
			harness.Must(t, err)
			harness.Must(t, process.Kill())
		}
	})
	s.Expect("stop", func() {
		h.Kill(syscall.SIGTERM)
		<-h.Exited
		if h.Err != nil {
			t.Errorf("the host ended with %v", h.Err)
		}
	})
	s.Expect("start", func() { harness.StartWith(t, arguments[1], arguments...) })
	s.Ends("done")
}

func TestTheChatRefusesWhomItDoesNotKnow(t *testing.T) {
	t.Parallel()
	folder := release(t, t.TempDir(), "1", "chat-php")
	b := newBrowser(harness.Start(t, "-c", filepath.Join(folder, "host.toml")))
	p := b.sees("/", 200, htmlType, "<h1>Lobby</h1>", `data-room="lobby"`, "Pull up a chair")
	if policy := p.Header.Get("Content-Security-Policy"); !strings.HasPrefix(policy, "default-src 'none'; ") {
		t.Errorf("Content-Security-Policy: %q", policy)
	}
	b.sees("/?room=kitchen", 200, htmlType, "<h1>Kitchen</h1>")
	b.sees("/chat.js", 200, "text/javascript; charset=utf-8", "new WebSocket(")
	b.sees("/chat.css", 200, "text/css; charset=utf-8", "prefers-color-scheme: dark")
	b.sees("/chat.svg", 200, "image/svg+xml", "<svg")
	textType := "text/plain; charset=utf-8"
	for path, status := range map[string]int{"/?room=cellar": 404, "/?room[]=lobby": 404, "/src/Chat.php": 404,
		"/chat": 426} {
		b.sees(path, status, textType)
	}
	for path, status := range map[string]int{
		"/chat?room=cellar&name=Ada": 404, "/chat?room[]=lobby&name=Ada": 404, "/elsewhere?room=lobby&name=Ada": 404,
		"/chat?room=lobby": 400, "/chat?room=lobby&name=%20": 400, "/chat?room=lobby&name=A%0Ada": 400,
		"/chat?room=lobby&name=" + strings.Repeat("x", 25): 400,
		"/chat?room=lobby&name=%C3%84da":                   101,
	} {
		socket, a, err := b.TryUpgrade(path)
		harness.Must(t, err)
		if a.StatusCode != status {
			t.Errorf("an upgrade at %s: %s, not %d", path, a.Status, status)
		}
		if socket != nil {
			socket.Close()
		}
	}
	for _, nonsense := range []string{"", "5", `"hello"`, "{}", `{"type":["say"]}`,
		`{"type":"say","id":"../x","text":"a"}`, `{"type":"say","id":"x","text":["a"]}`,
		`{"type":"say","id":"x","text":"a\nb"}`} {
		s := b.Upgrade("/chat?room=lobby&name=Ada")
		s.Say("%s", nonsense)
		if code, _ := s.Ends(); code != 1008 {
			t.Errorf("after %s the connection was closed with %d", nonsense, code)
		}
	}
}

// chatMessage is what a page of the chat is told.
type chatMessage struct {
	Type    string
	Message struct {
		Number   int
		ID, Text string
	}
	Messages []any
}

func TestTheChatKeepsAMessageOnceWhenItComesTwiceOrItsWorkerDies(t *testing.T) {
	t.Parallel()
	folder := release(t, t.TempDir(), "1", "chat-php")
	// the worst moment: the file is written, and nobody has been told
	edit(t, filepath.Join(folder, "src/Chat.php"),
		"        $this->worker->connections()->sendToGroup(self::group($room), $this->json('message'",
		"        if ($text === 'fatal' && $c->attempt === 1) { exit(1); }\n        "+
			"$this->worker->connections()->sendToGroup(self::group($room), $this->json('message'")
	h := harness.Start(t, "-c", filepath.Join(folder, "host.toml"))
	s := h.Upgrade("/chat?room=lobby&name=Ada")
	hear := func(kind string) (m chatMessage) {
		t.Helper()
		for m.Type != kind {
			m = chatMessage{}
			harness.Must(t, json.Unmarshal([]byte(s.Hear()), &m))
		}
		return m
	}
	s.Say(`{"type":"hello","after":0}`)
	if m := hear("welcome"); len(m.Messages) != 0 {
		t.Errorf("there is a message in an empty room: %v", m)
	}
	for i, id := range []string{"one", "one", "two", "one"} {
		s.Say(`{"type":"say","id":%q,"text":"fatal"}`, id)
		want := []int{1, 1, 2, 1}[i]
		if m := hear("message"); m.Message.Number != want || m.Message.ID != id {
			t.Errorf("message %d is number %d with the id %s, not %d with %s", i, m.Message.Number, m.Message.ID, want,
				id)
		}
	}
	s.Say(`{"type":"hello","after":1}`)
	if m := hear("welcome"); len(m.Messages) != 1 {
		t.Errorf("after the first message come %v", m.Messages)
	}
}
