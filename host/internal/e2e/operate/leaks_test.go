// host serve --leaks and host check --leaks name what a request leaves behind for the next.

package operate

import (
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/workerhost/workerhost/host/internal/e2e/harness"
)

// leaking makes a new application for each request, whose providers are kept in a static array; it says which requests
// it gets.
const leaking = `
final class Provider { public static array $all = [];
    public static function register(object $app): void {
        self::$all[] = [new self(), $app];
    }
}
final class Application { public static ?self $instance = null; public string $config; }
Worker::create()->onRequest(function (Request $request): Response {
    WorkerHost\Log::info("seen $request->method $request->target " . $request->header('x-worker-leaks'));
    if ($request->path === '/clean') {
        return Response::text('clean');
    }
    if ($request->path === '/exit') {
        exit;
    }
    if ($request->path === '/locale') {
        setlocale(LC_ALL, 'C.UTF-8');
        return Response::text('locale');
    }
    $app = Application::$instance = new Application();
    $app->config = str_repeat('x', 300000);
    Provider::register($app);
    return Response::text('hello');
})->run();
`

func TestCheckLeaksNamesWhatARequestLeavesBehind(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	harness.WritePHP(t, dir, leaking)
	out, code := command(t, dir, []string{"LC_ALL=C"}, "check", "--leaks", "/", "--leaks", "/clean", "worker.php")
	for _, want := range []string{
		"GET /, answered with 200",
		"grows    Provider::$all: 1 more after each request (2 → 5)",
		"worker.php:8\n", "grows    memory: 29",
		"changes  Application::$instance: replaced by each request: Application",
		"GET /clean, answered with 200\n  nothing grows or changes", "2 leaks\n",
	} {
		if !strings.Contains(out, want) {
			t.Errorf("%q is missing", want)
		}
	}
	if code != 1 || t.Failed() {
		t.Errorf("exit %d\n%s", code, out)
	}
	out, code = command(t, dir, nil, "check", "--leaks", "http://example.org/clean?a=b", "worker.php")
	if code != 0 || !strings.Contains(out, "GET /clean?a=b, answered with 200") ||
		!strings.Contains(out, "Nothing leaks there.") {
		t.Errorf("exit %d\n%s", code, out)
	}
}

func TestCheckLeaksIsReadByPrograms(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	harness.WritePHP(t, dir, leaking)
	out, code := command(t, dir, nil, "check", "--json", "--leaks", "/locale", "worker.php")
	var shown struct {
		Event, Outcome string
		Leaks          int
		Reports        []struct {
			Request  string
			Status   int
			Findings []struct {
				Rank, Kind, Path string
				Places           []string
			}
		}
	}
	at := strings.Index(out, `{"event":"leaks"`)
	if at < 0 || json.NewDecoder(strings.NewReader(out[at:])).Decode(&shown) != nil {
		t.Fatalf("exit %d\n%s", code, out)
	}
	if code != 1 || shown.Outcome != "failed" || shown.Leaks == 0 || len(shown.Reports) != 1 ||
		!strings.Contains(out, `{"event":"error","outcome":"failed","status":1`) {
		t.Errorf("exit %d\n%s", code, out)
	}
	found := shown.Reports[0].Findings
	if len(found) == 0 || found[0].Rank != "left" || found[0].Kind != "setting" ||
		!strings.HasPrefix(found[0].Path, "locale LC_") || len(found[0].Places) != 1 ||
		found[0].Places[0] != "worker.php:21" {
		t.Errorf("%+v", found)
	}
}

func TestLeaksAreNotLookedForWhereTheyCanNotBe(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	harness.WritePHP(t, dir, leaking)
	harness.Write(t, dir, "index.php", "<?php")
	site := filepath.Join(dir, "site.toml")
	harness.Write(t, dir, "site.toml", "[pool.site]\nfpm = true\nroot = \".\"\n")
	broken := filepath.Join(dir, "broken.php")
	harness.Must(t, os.WriteFile(broken, []byte("<?php throw new Exception('it does not boot');"), 0o644))
	for _, c := range []struct {
		args []string
		code int
		want string
	}{
		{[]string{"check", "--leaks", "/", "-c", site}, 2, "forgets everything after each request"},
		{[]string{"serve", "--leaks", "-c", site}, 2, "forgets everything after each request"},
		{[]string{"check", "--leaks", "list", "worker.php"}, 2, `expected a URL, or its path`},
		{[]string{"check", "--leaks", "/", "--pool", "other", "worker.php"}, 2, `there is no pool "other"`},
		{[]string{"check", "--pool", "default", "worker.php"}, 2, "--pool goes with --leaks"},
		{[]string{"check", "--leaks", "/", broken}, 1, "it does not boot"},
		{[]string{"check", "--leaks", "/exit", "worker.php"}, 1, "replaced meanwhile, as one is that calls exit()"},
	} {
		out, code := command(t, dir, nil, c.args...)
		if code != c.code || !strings.Contains(out, c.want) {
			t.Errorf("host %s: exit %d, want %d and %q\n%s", strings.Join(c.args, " "), code, c.code, c.want, out)
		}
	}
}

func TestServeLeaksRepeatsSafeRequestsAndLogsWhatTheyLeave(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	harness.WritePHP(t, dir, leaking)
	h := harness.Start(t, "--leaks", "-n", "4", filepath.Join(dir, "worker.php"))
	h.Logs.Await(t, "ready: workers=1")
	if status, text := h.Get("/?a=b"); status != 200 || text != "hello" {
		t.Fatalf("%d %s", status, text)
	}
	h.Logs.Await(t, "leak: memory")
	logged := h.Logs.String()
	for _, want := range []string{"seen GET /?a=b 4", `leak: Provider::$all: `, `what="1 more after each request (2 → 5)`,
		"class=Provider property=all written_at=" + filepath.Join(dir, "worker.php") + ":8"} {
		if !strings.Contains(logged, want) {
			t.Errorf("%q is missing in\n%s", want, logged)
		}
	}
	head, err := http.Head(h.URL + "/head")
	harness.Must(t, err)
	head.Body.Close()
	h.Logs.Await(t, "seen HEAD /head 4")
	post, err := http.Post(h.URL+"/post", "text/plain", strings.NewReader("x"))
	harness.Must(t, err)
	post.Body.Close()
	if status, text := h.Get("/clean"); status != 200 || text != "clean" {
		t.Fatalf("%d %s", status, text)
	}
	h.Logs.Await(t, "seen GET /clean 4")
	if strings.Contains(h.Logs.String(), "could not be looked for") {
		t.Error("HEAD has no report")
	}
	if n := strings.Count(h.Logs.String(), "seen POST /post"); n != 1 {
		t.Errorf("the worker has seen POST %d times", n)
	}
}
