package webhook

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"
)

// sender logs into the buffer, and is closed by the test.
func sender() (*Sender, *bytes.Buffer) {
	said := new(bytes.Buffer)
	s := New("host/1", hclog.New(&hclog.LoggerOptions{Output: said}))
	s.pause = time.Millisecond
	return s, said
}

func TestAWebhookIsToldOnceItAnswers(t *testing.T) {
	var asked atomic.Int32
	told := make(chan string, 8)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if asked.Add(1) < 3 {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		body, _ := io.ReadAll(r.Body)
		told <- r.Method + " " + r.Header.Get("Content-Type") + " " + r.Header.Get("User-Agent") + " " + string(body)
	}))
	defer server.Close()
	s, said := sender()
	s.Send(server.URL+"/secret", map[string]int{"a": 1})
	if got := <-told; got != `POST application/json host/1 {"a":1}` {
		t.Error(got)
	}
	s.Send(server.URL, 2)
	s.Close()
	if got := <-told; !strings.HasSuffix(got, " 2") || said.Len() > 0 {
		t.Errorf("%s\n%s", got, said)
	}
}

func TestAWebhookThatDoesNotAnswerKeepsNobodyWaiting(t *testing.T) {
	release := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-release }))
	defer server.Close()
	s, said := sender()
	for range most + 5 {
		s.Send(server.URL+"/secret", "x")
	}
	close(release)
	s.Close()
	if text := said.String(); !strings.Contains(text, "too much waits") || strings.Contains(text, "secret") {
		t.Error(text)
	}
}

func TestWhatIsGivenUpIsLoggedWithoutItsAddress(t *testing.T) {
	var asked atomic.Int32
	status := http.StatusNotFound
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		http.Redirect(w, r, "/elsewhere", status)
	}))
	for want, tries := range map[string]int32{"404 Not Found": 1, "is not followed": 1, "502 Bad Gateway": attempts} {
		switch want {
		case "is not followed":
			status = http.StatusFound
		case "502 Bad Gateway":
			status = http.StatusBadGateway
		default:
			status = http.StatusNotFound
		}
		asked.Store(0)
		s, said := sender()
		s.deliver(delivery{server.URL + "/secret", nil})
		s.Close()
		if text := said.String(); !strings.Contains(text, want) || strings.Contains(text, "secret") ||
			asked.Load() != tries {
			t.Errorf("%d attempts: %s", asked.Load(), text)
		}
	}
	server.Close()
	s, said := sender()
	s.deliver(delivery{server.URL + "/secret", nil})
	s.Close()
	if text := said.String(); !strings.Contains(text, "refused") || strings.Contains(text, "secret") {
		t.Error(text)
	}
}
