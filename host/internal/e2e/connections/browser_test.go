// The client for browsers, in Chromium, as host/docs/channels.md has it.

package connections

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/workerhost/workerhost/host/internal/e2e/harness"
)

// newsPage lays out "A page, from nothing" in a folder, with some more in its worker.
func newsPage(t *testing.T, dir, addr string) {
	t.Helper()
	page := harness.ReadFile(t, filepath.Join(harness.Repository, "host/docs/channels.md"))
	_, page, _ = strings.Cut(page, "## A page, from nothing\n")
	page, _, _ = strings.Cut(page, "\n## ")
	blocks := map[string]string{}
	for _, b := range regexp.MustCompile("(?ms)^```([a-z]+)\n(.*?)^```$").FindAllStringSubmatch(page, -1) {
		if blocks[b[1]] == "" {
			blocks[b[1]] = b[2]
		}
	}
	with := func(text string, pairs ...string) string {
		t.Helper()
		for i := 0; i < len(pairs); i += 2 {
			if !strings.Contains(text, pairs[i]) {
				t.Fatalf("host/docs/channels.md has no %s:\n%s", pairs[i], text)
			}
		}
		return strings.NewReplacer(pairs...).Replace(text)
	}
	harness.Write(t, dir, "host.toml", with(blocks["toml"], ":8080", addr, "history = 100", "history = 1000",
		"worker.php\"", "worker.php\"\nworkers = 2")+
		"[channel.short]\nhistory = 5\nttl = \"1s\"\n[channel.room]\npresence = \"1s\"\n[engine]\ndirectory = \"e\"\n")
	harness.Write(t, dir, "worker.php", with(blocks["php"], "workerhost/autoload.php",
		filepath.Join(harness.Repository, "sdk-php/autoload.php"),
		"    $wish = json", "    if ($data === 'bye') {\n        $c->close();\n    }\n"+
			"    if (str_starts_with($data, 'I am ')) {\n        $c->bindUid(substr($data, 5));\n    }\n"+
			"    $wish = json",
		"'news.weather']));", "'news.weather', 'short', 'room']));",
		"    if ($r->method", "    if ($r->path === '/events') {\n"+
			"        return Response::hold(groups: ['news.sport', 'news.weather']);\n    }\n    if ($r->method"))
	public := filepath.Join(dir, "public")
	if !strings.HasPrefix(blocks["sh"], "mkdir public && host sdk js public && ") {
		t.Fatalf("host/docs/channels.md begins with %s", blocks["sh"])
	}
	out, err := exec.Command(harness.HostBinary, "sdk", "js", public).CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	harness.Write(t, public, "index.html", blocks["html"])
}

func TestAPageMissesNothingThroughKilledHosts(t *testing.T) {
	t.Parallel()
	dir, addr := t.TempDir(), harness.FreeAddress(t)
	newsPage(t, dir, addr)
	start := func() *harness.Host { return harness.StartWith(t, addr, "-c", filepath.Join(dir, "host.toml")) }
	h := start()
	send := func(to, text string) error {
		a, err := http.Post(h.URL+"/?"+url.Values{"to": {to}, "text": {text}}.Encode(), "", nil)
		if err != nil {
			return err
		}
		defer a.Body.Close()
		if a.StatusCode != 200 {
			return errors.New(a.Status)
		}
		return nil
	}
	s := harness.RunScript(t, "channels.js", h.URL)
	sends := func(to string, texts ...string) {
		t.Helper()
		for _, text := range texts {
			line := "send to=" + to + " " + text
			if to == "" {
				line, to = "send "+text, "news.sport"
			}
			s.Expect(line, func() { harness.Must(t, send(to, text)) })
		}
	}
	sends("", "ready")
	s.Answer("kill", func() string {
		var all struct {
			Sure  []int `json:"sure"`
			Maybe []int `json:"maybe"` // the sender does not know
		}
		for n := range 300 {
			if n%100 == 50 {
				h.Eventually("both are there", func() bool {
					out, _ := h.Run("connections", "--json")
					return strings.Count(out, "\n") == 2
				})
				go h.Kill(syscall.SIGKILL) // at any moment of what follows
			}
			if send([]string{"news.sport", "news.weather"}[n%2], strconv.Itoa(n)) == nil {
				all.Sure = append(all.Sure, n)
				continue
			}
			all.Maybe = append(all.Maybe, n)
			<-h.Exited
			h = start()
		}
		harness.Must(t, send("news.sport", "the last"))
		if len(all.Sure) < 290 || len(all.Maybe) < 3 {
			t.Errorf("%+v", all)
		}
		b, err := json.Marshal(all)
		harness.Must(t, err)
		return string(b)
	})
	sends("short", "1", "2", "3", "4")
	sends("news.weather", "sun")
	sends("short", "5")
	sends("news.sport", "a", "b")
	sends("news.weather", "c", "d")
	s.Ends("done")
}
