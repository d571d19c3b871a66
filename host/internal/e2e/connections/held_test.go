// Held responses: server-sent events with curl, and long polls, which outlive the worker that began them.

package connections

import (
	"bufio"
	"io"
	"net/http"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/workerhost/workerhost/host/internal/e2e/harness"
)

// curlStream is a curl that prints what comes, as it comes.
type curlStream struct {
	t     *testing.T
	cmd   *exec.Cmd
	lines chan string
}

// openCurl begins to fetch a path.
func openCurl(k *harness.Talk, path string, args ...string) *curlStream {
	k.T.Helper()
	program, err := exec.LookPath("curl")
	if err != nil {
		k.T.Skip("curl is not installed; .ci/setup test does that")
	}
	c := &curlStream{t: k.T, lines: make(chan string, 1000)}
	c.cmd = exec.CommandContext(k.T.Context(), program,
		append([]string{"-sS", "-N", "--max-time", "60", k.URL + path}, args...)...)
	out, err := c.cmd.StdoutPipe()
	if err != nil {
		k.T.Fatal(err)
	}
	if err := c.cmd.Start(); err != nil {
		k.T.Fatal(err)
	}
	go func() {
		defer close(c.lines)
		for r := bufio.NewScanner(out); r.Scan(); {
			c.lines <- r.Text()
		}
	}()
	return c
}

// expect takes lines, "" included; comments, which keep the connection awake, are passed over.
func (c *curlStream) expect(want ...string) {
	c.t.Helper()
	for _, w := range want {
		for {
			select {
			case got, ok := <-c.lines:
				if strings.HasPrefix(got, ":") {
					if <-c.lines != "" {
						c.t.Fatal("a comment without an empty line behind it")
					}
					continue
				}
				if !ok || got != w {
					c.t.Fatalf("heard %q (%t), want %q", got, ok, w)
				}
			case <-time.After(20 * time.Second):
				c.t.Fatalf("nothing came in place of %q", w)
			}
			break
		}
	}
}

// ends expects the end, and curl content with it.
func (c *curlStream) ends() {
	c.t.Helper()
	for text := range c.lines {
		if text != "" && text != ":" {
			c.t.Errorf("instead of the end: %q", text)
		}
	}
	if err := c.cmd.Wait(); err != nil {
		c.t.Errorf("curl: %v", err)
	}
}

func TestServerSentEventsOutliveReloadsAndWorkers(t *testing.T) {
	t.Parallel()
	k := harness.StartTalk(t, "ping_interval = \"200ms\"", "workers = 1")
	first := openCurl(k, "/events?name=first&uid=ann")
	first.expect("event: begin", "id: 1", "retry: 50", "data: after none by 1", "")
	second := openCurl(k, "/events?name=second", "-H", "Last-Event-ID: 41", "-H", "Accept: text/event-stream")
	second.expect("event: begin", "id: 1", "retry: 50", "data: after 41 by 1", "")
	third := openCurl(k, "/events?name=third", "--http1.0")
	third.expect("event: begin", "id: 1", "retry: 50", "data: after none by 1", "")
	fourth := openCurl(k, "/events?name=fourth", "--http2-prior-knowledge")
	fourth.expect("event: begin", "id: 1", "retry: 50", "data: after none by 1", "")
	both := func(want ...string) {
		t.Helper()
		for _, c := range []*curlStream{first, second, third, fourth} {
			c.expect(want...)
		}
	}
	k.Get("/event?text=42.50&id=7") // the only worker is free, though four of its responses are held
	both("id: 7", "data: 42.50", "")
	k.Get("/send?group=events&text=a%0Ab%0D%0A%0Dc") // text is made data lines of, however its lines end
	both("data: a", "data: b", "data: ", "data: c", "")

	k.Deploy(t, "2")
	k.Reload()
	for _, pid := range k.PIDs() {
		harness.KillNow(t, pid)
	}
	k.Get("/event?text=after&id=8")
	both("id: 8", "data: after", "")
	ws := k.Upgrade("/")
	ws.Say("user ann for ann")
	ws.Say("say done")
	ws.Expect("done")
	first.expect("data: for ann", "")

	time.Sleep(500 * time.Millisecond) // for comments to come
	second.cmd.Process.Kill()
	k.AwaitFarewell("second sse 1006 unclean")
	if out, code := k.Run("close", "--uid", "ann"); code != 0 {
		t.Errorf("host close: exit %d\n%s", code, out)
	}
	first.ends()
	k.AwaitFarewell("first sse 1000 clean")
	k.Stop()
	third.ends()
	fourth.ends()
	k.AwaitFarewell("third sse 1001 clean")
	k.AwaitFarewell("fourth sse 1001 clean")
	if n := len(k.Farewells()); n != 5 { // and the WebSocket's
		t.Errorf("%q", k.Farewells())
	}
}

func TestLongPollsAreAnsweredOnceByWhicheverWorker(t *testing.T) {
	t.Parallel()
	k := harness.StartTalk(t, "", "workers = 1")
	type outcome struct {
		text string
		err  error
	}
	poll := func(path string) chan outcome {
		done := make(chan outcome, 1)
		go func() {
			resp, err := http.Get(k.URL + path)
			if err != nil {
				done <- outcome{"", err}
				return
			}
			defer resp.Body.Close()
			text, err := io.ReadAll(resp.Body)
			done <- outcome{resp.Status + " " + string(text), err}
		}()
		return done
	}
	polls := []chan outcome{poll("/poll"), poll("/poll?timeout=30"), poll("/poll")}
	k.Eventually("three polls are held", func() bool { return len(k.Connections("--protocol", "poll")) == 3 })
	k.Deploy(t, "2")
	k.Reload()
	k.Get("/send?group=polls&text=news")
	k.Get("/send?group=polls&text=too+late")
	for _, p := range polls {
		if o := <-p; o.err != nil || o.text != "200 OK news" {
			t.Errorf("%q %v", o.text, o.err)
		}
	}
	k.AwaitFarewell("poll poll 1000 clean")

	began := time.Now()
	if o := <-poll("/poll?timeout=0.4"); o.err != nil || o.text != "200 OK " ||
		time.Since(began) < 400*time.Millisecond {
		t.Errorf("a poll that nobody answers: %q %v after %v", o.text, o.err, time.Since(began))
	}
	if list := k.Connections(); len(list) != 0 {
		t.Errorf("all polls are over, and there are %+v", list)
	}
	c := k.Dial()
	c.Send("GET /poll?timeout=0.05 HTTP/1.1\r\nHost: here\r\n\r\n")
	if a := c.Answer("GET"); a.StatusCode != 200 || a.Text != "" || !a.Close {
		t.Errorf("%s %q: the end of a held response is that of its connection, and it should say so", a.Status, a.Text)
	}
}
