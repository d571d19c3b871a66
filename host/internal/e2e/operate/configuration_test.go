// host reload reads host.toml anew: what the file says comes true without a dropped connection, and a file with a
// mistake changes nothing.

package operate

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/workerhost/workerhost/host/internal/e2e/harness"
)

// site is a host whose host.toml changes.
type site struct {
	*harness.Host
	dir, first, second string // the second address is not listened on at first
}

// startSite serves pages at the first address, with the pool web.
func startSite(t *testing.T, pool string) *site {
	t.Helper()
	s := &site{dir: harness.Pages(t, "1"), first: harness.FreeAddress(t), second: harness.FreeAddress(t)}
	s.configure(t, listens(s.first, "web")+web(pool))
	s.Host = harness.StartWith(t, s.first, "-c", filepath.Join(s.dir, "host.toml"))
	return s
}

func (s *site) configure(t *testing.T, text string) {
	t.Helper()
	harness.Write(t, s.dir, "host.toml", text)
}

func listens(address, pool string) string {
	return fmt.Sprintf("[[listen]]\naddress = %q\npool = %q\n", address, pool)
}

func web(settings string) string { return "[pool.web]\nworker = \"worker.php\"\n" + settings + "\n" }

// says reloads and checks the report.
func (s *site) says(t *testing.T, wants ...string) {
	t.Helper()
	out := s.Reload()
	for _, want := range wants {
		if !strings.Contains(out, want) {
			t.Errorf("host reload does not say %q:\n%s", want, out)
		}
	}
}

func (s *site) workers(pool string) int {
	for _, p := range s.Status().Pools {
		if p.Name == pool {
			return len(p.Workers)
		}
	}
	return 0
}

func TestAReloadReadsTheSettingsOfAPoolAnew(t *testing.T) {
	t.Parallel()
	s := startSite(t, "workers = 2\nenv = { COLOUR = \"red\" }")
	harness.WritePHP(t, s.dir,
		`Worker::create()->onRequest(fn () => Response::text('hello ' . getenv('COLOUR')))->run();`)
	s.Reload()
	if _, got := s.Get("/"); got != "hello red" {
		t.Fatal(got)
	}
	l := harness.NewLoad(s.Host).Kept(16).Fresh(2)
	s.configure(t, listens(s.first, "web")+web("workers = 4\nenv = { COLOUR = \"blue\" }"))
	s.says(t, "pool web: workers 2 → 4", "pool web: env changed")
	for range 8 {
		if _, got := s.Get("/"); got != "hello blue" {
			t.Errorf("with another environment: %q", got)
		}
	}
	if n := s.workers("web"); n != 4 {
		t.Errorf("%d workers", n)
	}
	s.configure(t, listens(s.first, "web")+web("workers = 1\nenv = { COLOUR = \"blue\" }"))
	s.says(t, "pool web: workers 4 → 1")
	s.Eventually("the pool has shrunk", func() bool { return s.workers("web") == 1 })
	l.Stop()
	if out := s.Reload(); strings.Contains(out, "→ 1\n") {
		t.Errorf("a reload without a change tells of one:\n%s", out)
	}
}

func TestAReloadReadsLimitsAndTheLogLevelAnew(t *testing.T) {
	t.Parallel()
	s := startSite(t, "workers = 2")
	l := harness.NewLoad(s.Host).Kept(8).Fresh(2).Posts(1, 100_000, "length").Streams(2, 5, 100).Http2(2)
	c := s.Dial()
	if err := harness.Hello(c); err != nil {
		t.Fatal(err)
	}
	os.Mkdir(filepath.Join(s.dir, "spool"), 0o755)
	s.configure(t, "[log]\nlevel = \"debug\"\n[http]\nmax_body = \"200KiB\"\nmax_header = \"8KiB\"\nidle_timeout = "+
		"\"60s\"\nspool_directory = \"spool\"\n"+listens(s.first, "web")+web("workers = 2"))
	s.says(t, "[http] max_body 1GiB → 200KiB", "[http] idle_timeout 120s → 60s", "[log] level info → debug",
		"spool_directory", "takes effect at a restart")
	if err := harness.Hello(c); err != nil {
		t.Errorf("a connection from before: %v", err)
	}
	resp, err := http.Post(s.URL+"/sum", "text/plain", strings.NewReader(strings.Repeat("x", 201<<10)))
	if err != nil {
		t.Fatal(err)
	}
	io.Copy(io.Discard, resp.Body)
	resp.Body.Close()
	if resp.StatusCode != 413 {
		t.Errorf("201 KiB at a max_body of 200 KiB: %s", resp.Status)
	}
	l.Stop()
	s.Reload()
	s.Logs.Await(t, "[DEBUG] worker started")
}

func TestAReloadMovesTheAccessLogAndLosesNoLine(t *testing.T) {
	t.Parallel()
	s := startSite(t, "workers = 2")
	rest := listens(s.first, "web") + web("workers = 2")
	lines := func(name string) int {
		b, _ := os.ReadFile(filepath.Join(s.dir, name))
		return strings.Count(string(b), "\n")
	}
	s.configure(t, "[http]\naccess_log = \"one.log\"\n"+rest)
	s.says(t, "[http] access_log off → ", "one.log")
	l := harness.NewLoad(s.Host).Kept(8).Fresh(2)
	s.configure(t, "[http]\naccess_log = \"two.json\"\nrequest_id = \"X-Trace\"\n"+rest)
	s.says(t, "two.json", "[http] request_id X-Request-Id → X-Trace")
	s.Eventually("a request came after the reload", func() bool { return lines("two.json") > 0 })
	l.Stop()
	s.Eventually("each request has its line", func() bool {
		return lines("one.log")+lines("two.json") == int(l.Served.Load())
	})
	if lines("one.log") == 0 || lines("two.json") == 0 {
		t.Errorf("%d and %d lines", lines("one.log"), lines("two.json"))
	}
	resp, err := http.Get(s.URL + "/hello")
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.Header.Get("X-Trace") == "" || resp.Header.Get("X-Request-Id") != "" {
		t.Errorf("%v", resp.Header)
	}
	s.configure(t, "[http]\naccess_log = \"three.log\"\n"+listens(s.first, "web")+web("workers = 2\nmin = 3"))
	if out, code := s.Run("reload"); code == 0 {
		t.Errorf("a file with a mistake: %s", out)
	}
	if _, err := os.Stat(filepath.Join(s.dir, "three.log")); err == nil {
		t.Error("a file with a mistake has moved the access log")
	}
	s.configure(t, rest)
	s.says(t, "two.json → off")
	s.Eventually("no log is open", func() bool {
		open, _ := os.ReadDir(fmt.Sprintf("/proc/%d/fd", s.Cmd.Process.Pid))
		for _, fd := range open {
			if to, _ := os.Readlink(fmt.Sprintf("/proc/%d/fd/%s", s.Cmd.Process.Pid, fd.Name())); strings.HasPrefix(to,
				s.dir) {
				return false
			}
		}
		return true
	})
}

func TestAReloadReadsWhoMayComeHowOftenAnew(t *testing.T) {
	t.Parallel()
	s := startSite(t, "workers = 1")
	c := s.Dial()
	ask := func() int {
		t.Helper()
		c.Send("GET /hello HTTP/1.1\r\nHost: here\r\nX-Forwarded-For: 192.0.2.1\r\n\r\n")
		return c.Answer("GET").StatusCode
	}
	rest := listens(s.first, "web") + web("workers = 1")
	s.configure(t, "[http.rate_limit]\nrequests = 1\nburst = 1\n"+rest)
	s.says(t, "[http.rate_limit] requests 0 → 1")
	if first, second := ask(), ask(); first != 200 || second != 429 {
		t.Errorf("with one request a second: %d, then %d", first, second)
	}
	s.configure(t, "[http]\nmax_connections = 1\ntrusted_proxies = [\"127.0.0.1\"]\n"+rest)
	s.says(t, "[http] max_connections 16384 → 1", "[http] trusted_proxies off → 127.0.0.1",
		"[http.rate_limit] requests 1 → 0")
	if first, second := ask(), ask(); first != 200 || second != 200 {
		t.Errorf("without a limit: %d, then %d", first, second)
	}
	d := s.Dial()
	d.Send("GET /hello HTTP/1.1\r\nHost: here\r\n\r\n")
	if got := d.Answer("GET").StatusCode; got != 503 {
		t.Errorf("a second connection of one: %d", got)
	}
}

func TestListenersAndPoolsComeAndGoUnderLoad(t *testing.T) {
	t.Parallel()
	s := startSite(t, "workers = 2")
	other := harness.Pages(t, "other")
	l := harness.NewLoad(s.Host).Kept(16).Fresh(2).Posts(1, 100_000, "chunked").Streams(2, 5, 100).Http2(2)
	api := fmt.Sprintf("[pool.api]\nworker = %q\nworkers = 2\n", filepath.Join(other, "worker.php"))
	s.configure(t, listens(s.first, "web")+listens(s.second, "api")+web("workers = 2")+api)
	s.says(t, "pool api added: 2 workers", "listener "+s.second+" added, for pool api")
	second := &harness.Host{T: t, Addr: s.second, URL: "http://" + s.second}
	if _, got := second.Get("/hello"); got != "hello other" {
		t.Errorf("the new pool: %q", got)
	}
	// The first listener moves to the new pool, its connections too; then the old pool goes.
	s.configure(t, listens(s.first, "api")+listens(s.second, "api")+api)
	pids := s.PIDs()
	s.says(t, "listener "+s.first+": pool web → api", "pool web removed")
	if _, got := s.Get("/hello"); got != "hello other" {
		t.Errorf("the listener that moved: %q", got)
	}
	if n := s.workers("web"); n != 0 {
		t.Errorf("%d workers of the pool that was removed", n)
	}
	harness.AwaitGone(t, pids[0], pids[1])
	l.Stop()
	// A listener that goes finishes what it has.
	c := second.Dial()
	c.Send("GET /steps?n=5&ms=100 HTTP/1.1\r\nHost: here\r\n\r\n")
	awaitSeen(t, s, "/steps?n=5&ms=100")
	s.configure(t, listens(s.first, "api")+api)
	s.says(t, "listener "+s.second+" removed")
	if a := c.Answer("GET"); !strings.HasSuffix(a.Text, "end other\n") {
		t.Errorf("what was in flight at the listener that was removed: %q", a.Text)
	}
	if !harness.Refused(s.second) {
		t.Error("the listener that was removed still accepts")
	}
}

// awaitSeen returns when a worker has told of the request.
func awaitSeen(t *testing.T, s *site, target string) {
	t.Helper()
	s.Logs.Await(t, "seen GET "+target)
}

func TestAConfigurationThatDoesNotValidateChangesNothing(t *testing.T) {
	t.Parallel()
	s := startSite(t, "workers = 2")
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	l := harness.NewLoad(s.Host).Kept(8).Fresh(1)
	before := fmt.Sprint(s.PIDs())
	broken := t.TempDir()
	harness.WritePHP(t, broken, `Worker::create() ->> ;`)
	_, port, _ := net.SplitHostPort(s.first)
	for _, mistake := range []struct{ name, text, says string }{
		{"no TOML", "[pool.web\n", "host.toml:1"},
		{"two mistakes, the first", "worcers = 2\n" + web("workers = 0"), "worcers"},
		{"two mistakes, the second", "worcers = 2\n" + web("workers = 0"), "workers: "},
		{"a port that is taken", listens(s.first, "web") + listens(s.second, "web") +
			listens(taken.Addr().String(), "web") + web("workers = 3"), "another process listens there"},
		{"its own port at another address", listens("0.0.0.0:"+port, "web") + web("workers = 3"), "two reloads"},
		{"a certificate that is missing",
			listens(s.second, "web") + "tls = { certificate = \"none.pem\", key = \"none.key\" }\n" +
				web("workers = 3"), "none.pem"},
		{"a public folder that is missing",
			"[http]\npublic = \"nowhere\"\n" + listens(s.first, "web") + web("workers = 3"), "nowhere"},
		{"a new pool that does not start",
			listens(s.first, "web") + listens(s.second, "api") + web("workers = 3") +
				fmt.Sprintf("[pool.api]\nworker = %q\n", filepath.Join(broken, "worker.php")), "syntax error"},
	} {
		s.configure(t, mistake.text)
		want := 6
		if strings.Contains(mistake.name, "does not start") {
			want = 1
		}
		out, code := s.Run("reload")
		if code != want || !strings.Contains(out, mistake.says) || !strings.Contains(out, "nothing was changed") {
			t.Errorf("%s: host reload exits %d and does not say %q:\n%s", mistake.name, code, mistake.says, out)
		}
		if got := fmt.Sprint(s.PIDs()); got != before {
			t.Errorf("%s: the workers were %v and are %v", mistake.name, before, got)
		}
		if !harness.Refused(s.second) {
			t.Errorf("%s: the second address is listened on", mistake.name)
		}
		if len(s.Status().Pools) != 1 {
			t.Errorf("%s: %v", mistake.name, s.Status().Pools)
		}
	}
	os.Remove(filepath.Join(s.dir, "host.toml"))
	if out, code := s.Run("reload"); code != 6 || !strings.Contains(out, "there is no such file") {
		t.Errorf("without the file: exit %d\n%s", code, out)
	}
	s.configure(t, listens(s.first, "web")+listens(s.second, "web")+web("workers = 3"))
	s.says(t, "pool web: workers 2 → 3", "listener "+s.second+" added")
	l.Stop()
}

func TestCodeThatDoesNotBootTakesTheRestOfTheReloadBack(t *testing.T) {
	t.Parallel()
	s := startSite(t, "workers = 2")
	other := harness.Pages(t, "other")
	before := fmt.Sprint(s.PIDs())
	harness.WritePHP(t, s.dir, `Worker::create() ->> ;`)
	s.configure(t, "[http]\nmax_body = \"1KiB\"\n"+listens(s.first, "web")+listens(s.second,
		"api")+web("workers = 3")+fmt.Sprintf("[pool.api]\nworker = %q\nworkers = 1\n",
		filepath.Join(other, "worker.php")))
	out, code := s.Run("reload")
	if code != 1 || !strings.Contains(out, "listener "+s.second+" is closed again") ||
		!strings.Contains(out, "pool api is stopped again") {
		t.Errorf("exit %d:\n%s", code, out)
	}
	if got := fmt.Sprint(s.PIDs()); got != before || !harness.Refused(s.second) {
		t.Errorf("the workers were %v and are %v", before, got)
	}
	resp, err := http.Post(s.URL+"/sum", "text/plain", strings.NewReader(strings.Repeat("x", 2<<10)))
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != 200 {
		t.Errorf("the limits of the reload that failed count: %s", resp.Status)
	}
	harness.DeployPages(t, s.dir, "2")
	s.says(t, "listener "+s.second+" added", "pool web: workers 2 → 3", "pool api added", "max_body")
}

func TestAReloadOfOnePoolLeavesTheRestForAFullOne(t *testing.T) {
	t.Parallel()
	s := startSite(t, "workers = 1")
	s.configure(t, "[http]\nmax_body = \"1KiB\"\n"+listens(s.first, "web")+listens(s.second, "web")+web("workers = 2"))
	out, code := s.Run("reload", "web")
	for _, want := range []string{"pool web: workers 1 → 2\n",
		"[http] max_body 1GiB → 1KiB  waits for a reload of all pools", "listener " + s.second + " added  waits"} {
		if code != 0 || !strings.Contains(out, want) {
			t.Errorf("exit %d, and not %q:\n%s", code, want, out)
		}
	}
	if !harness.Refused(s.second) {
		t.Error("the second address is listened on")
	}
	out, code = s.Run("reload", "--json")
	if want := `"event":"changed","key":"max_body","from":"1GiB","to":"1KiB"`; code != 0 ||
		!strings.Contains(out, want) {
		t.Errorf("exit %d, and not %s:\n%s", code, want, out)
	}
}
