// Channels: clients that come back get what they missed, through whatever happened to the host.

package connections

import (
	"bufio"
	"context"
	"net/http"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/workerhost/workerhost/host/internal/e2e/harness"
)

// channelWorker has a stream of events, a WebSocket whose client says what it wants, and a way to send.
const channelWorker = `
$worker = Worker::create();
$worker->onRequest(function (Request $r) use ($worker) {
    if ($r->path === '/events') {
        return Response::hold(groups: ['news.a', 'news.b', 'other']);
    }
    $worker->connections()->sendToGroup($r->query['to'], $r->query['text']);

    return Response::text('sent');
});
$worker->onMessage(function (WorkerHost\Connection $c, string $data): void {
    $wish = json_decode($data, true);
    $c->subscribe($wish['subscribe'], $wish['since']);
});
$worker->run();
`

const channelToml = "[pool.web]\nworker = \"worker.php\"\nworkers = 2\n[channel.\"news.*\"]\nhistory = 20\n"

// channelHost serves it; again has another host in the same folder, after this one's death.
func channelHost(t *testing.T) (h *harness.Host, again func() *harness.Host) {
	dir, addr := t.TempDir(), harness.FreeAddress(t)
	harness.WritePHP(t, dir, channelWorker)
	harness.Write(t, dir, "host.toml", "[engine]\ndirectory = \"e\"\n[[listen]]\naddress = \""+addr+"\"\n"+channelToml)
	start := func() *harness.Host { return harness.StartWith(t, addr, "-c", filepath.Join(dir, "host.toml")) }
	return start(), start
}

// events reads a stream of server-sent events, one "id event data" a line, until it ends.
func events(t *testing.T, h *harness.Host, since string) (<-chan [3]string, func()) {
	t.Helper()
	ctx, leave := context.WithCancel(context.Background())
	t.Cleanup(leave)
	r, err := http.NewRequestWithContext(ctx, "GET", "http://"+h.Addr+"/events", nil)
	harness.Must(t, err)
	if since != "" {
		r.Header.Set("Last-Event-ID", since)
	}
	a, err := http.DefaultTransport.RoundTrip(r)
	harness.Must(t, err)
	all := make(chan [3]string, 100)
	go func() {
		defer close(all)
		defer a.Body.Close()
		var e [3]string
		for lines := bufio.NewScanner(a.Body); lines.Scan(); {
			name, value, _ := strings.Cut(lines.Text(), ": ")
			switch name {
			case "id":
				e[0] = value
			case "event":
				e[1] = value
			case "data":
				e[2] = value
			case "":
				if e != ([3]string{}) {
					all <- e
				}
				e = [3]string{}
			}
		}
	}()
	return all, leave
}

// hear is the next event.
func hear(t *testing.T, all <-chan [3]string) [3]string {
	t.Helper()
	select {
	case e := <-all:
		return e
	case <-time.After(20 * time.Second):
		t.Fatal("no event came within 20 s")
		return [3]string{}
	}
}

func TestServerSentEventsThatWereMissedComeAfterTheHostWasKilled(t *testing.T) {
	t.Parallel()
	h, again := channelHost(t)
	first, leave := events(t, h, "")
	since := hear(t, first)[0] // where it is, before anything has come
	h.Get("/?to=news.a&text=one")
	h.Get("/?to=other&text=fleeting")
	if e := hear(t, first); e[2] != "one" || e[0] == since {
		t.Fatalf("%q", e)
	}
	if e := hear(t, first); e[2] != "fleeting" || e[0] != "" {
		t.Fatalf("%q", e)
	}
	leave()
	h.Get("/?to=news.b&text=two")
	h.Run("send", "--group", "news.a", "three") // nobody is there, and it says so
	h.Kill(syscall.SIGKILL)
	h = again()
	h.Get("/?to=news.a&text=four")
	second, _ := events(t, h, since)
	for _, want := range []string{"one", "two", "three", "four"} {
		if e := hear(t, second); e[2] != want || e[0] == "" {
			t.Fatalf("%q, want %s", e, want)
		}
	}
	at := hear(t, second)[0]
	h.Get("/?to=news.b&text=five")
	if e := hear(t, second); e[2] != "five" || e[0] == at {
		t.Fatalf("%q", e)
	}
	for range 21 { // one more than is kept
		h.Get("/?to=news.a&text=many")
	}
	third, _ := events(t, h, at)
	if e := hear(t, third); e[1] != "lost" || e[2] != `{"channels":["news.a"]}` || e[0] != "" {
		t.Fatalf("%q", e)
	}
	if e := hear(t, third); e[2] != "five" { // which is of another group
		t.Fatalf("%q", e)
	}
}

func TestAWebSocketThatSaysWhereItWasGetsWhatItMissed(t *testing.T) {
	t.Parallel()
	h, again := channelHost(t)
	position := func(envelope string) string {
		_, rest, _ := strings.Cut(envelope, `"position":"`)
		p, _, _ := strings.Cut(rest, `"`)
		return p
	}
	expect := func(s *harness.Socket, before, after string) (at string) {
		t.Helper()
		got := s.Hear()
		if at = position(got); at == "" || got != before+at+after {
			t.Fatalf("%s in place of %s…%s", got, before, after)
		}
		return at
	}
	one, plain := h.Upgrade("/"), h.Upgrade("/")
	one.Say(`{"subscribe":["news.a","news.b"],"since":""}`)
	expect(one, `{"joined":["news.a","news.b"],"position":"`, `"}`)
	plain.Say(`{"subscribe":["news.b"],"since":""}`)
	expect(plain, `{"joined":["news.b"],"position":"`, `"}`)
	h.Get("/?to=news.a&text=first")
	since := expect(one, `{"channel":"news.a","position":"`, `","data":"first"}`)
	h.Kill(syscall.SIGKILL)
	h = again()
	h.Get("/?to=news.b&text=while+it+was+away")
	two := h.Upgrade("/")
	two.Say(`{"subscribe":["news.a","news.b"],"since":"%s"}`, since)
	expect(two, `{"channel":"news.b","position":"`, `","data":"while it was away"}`)
	expect(two, `{"joined":["news.a","news.b"],"position":"`, `"}`)
	for range 21 {
		h.Get("/?to=news.a&text=many")
	}
	late := h.Upgrade("/")
	late.Say(`{"subscribe":["news.a"],"since":"%s"}`, since)
	if got := late.Hear(); got != `{"lost":["news.a"]}` {
		t.Fatal(got)
	}
	expect(late, `{"joined":["news.a"],"position":"`, `"}`)
}
