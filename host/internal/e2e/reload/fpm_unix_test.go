//go:build unix

// Unmodified PHP under php-fpm: what a reload, and a master's death, do to its clients.

package reload

import (
	"bytes"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/workerhost/workerhost/host/internal/e2e/harness"
)

const fpmIndex = `<?php
switch (parse_url($_SERVER['REQUEST_URI'], PHP_URL_PATH)) {
    case '/hello': echo "hello VERSION"; break;
    case '/slow': usleep(1500000); echo "slow VERSION"; break;
    case '/long': deep(); echo "long VERSION"; break;
    case '/spin': set_time_limit(0); while (true); break;
    case '/killed': posix_kill(getmypid(), 9); break;
    case '/warn': echo $undefined; break;
    case '/throw': error_log('[critical] said'); throw new Exception('thrown');
    case '/after':
        fastcgi_finish_request();
        usleep(1000000);
        file_put_contents(__DIR__ . '/after.txt', 'ran on');
        break;
    case '/sum':
        $body = file_get_contents('php://input');
        echo 'sum ', strlen($body), ' ', hash('sha256', $body);
        break;
    case '/upload':
        $file = $_FILES['file'];
        $sum = hash_file('sha256', $file['tmp_name']);
        echo $_POST['name'], ' ', $file['size'], ' ', $sum, ' ', (int) is_uploaded_file($file['tmp_name']);
        break;
    default: http_response_code(404); echo 'no page';
}

function deep(): void
{
    sleep(3);
}
`

// startSite serves a site in a folder of its own, as another user if this one is root.
func startSite(t *testing.T, rest string) (dir string, h *harness.Host) {
	t.Helper()
	dir, err := os.MkdirTemp("", "site") // which that user can reach
	harness.Must(t, err)
	t.Cleanup(func() { os.RemoveAll(dir) })
	harness.Must(t, os.Chmod(dir, 0o755))
	harness.Must(t, os.MkdirAll(filepath.Join(dir, "site/uploads"), 0o755))
	if os.Geteuid() == 0 {
		rest += "user = \"nobody\"\n"
		harness.Must(t, os.Chmod(filepath.Join(dir, "site"), 0o777))
	}
	harness.Write(t, dir, "site/index.php", strings.ReplaceAll(fpmIndex, "VERSION", "1"))
	harness.Write(t, dir, "site/style.css", "body {}")
	harness.Write(t, dir, "site/uploads/evil.php", "<?php echo 'evil';")
	harness.Write(t, dir, "site/dump.sql", "secret")
	harness.Must(t, os.Chmod(filepath.Join(dir, "site/dump.sql"), 0o600))
	harness.Write(t, dir, "host.toml", "[pool.site]\nfpm = true\nroot = \"site\"\nworkers = 4\n"+rest)
	return dir, harness.Start(t, "-c", filepath.Join(dir, "host.toml"))
}

// uploads has n clients send a form with a file.
func uploads(l *harness.Load, n int) {
	text, sum := harness.Body(300 << 10)
	l.Run(n, "upload", func() error {
		var body bytes.Buffer
		form := multipart.NewWriter(&body)
		form.WriteField("name", "a name")
		part, _ := form.CreateFormFile("file", "a.bin")
		io.WriteString(part, text)
		form.Close()
		resp, err := http.Post(l.H.URL+"/upload", form.FormDataContentType(), &body)
		if err != nil {
			return err
		}
		defer resp.Body.Close()
		got, err := io.ReadAll(resp.Body)
		if want := fmt.Sprintf("a name %d %s 1", len(text), sum); err == nil && string(got) != want {
			err = fmt.Errorf("%s: %q", resp.Status, got)
		}
		return err
	})
}

// A deploy moves a symlink: what lies beside the code is of the code's release.
func TestFilesOfASiteAreOfTheReleaseOfItsCode(t *testing.T) {
	t.Parallel()
	dir, h := startSite(t, "")
	site := filepath.Join(dir, "site")
	for name, pools := range map[string][]string{"1": nil, "2": nil, "3": {"site"}} {
		release := filepath.Join(dir, "release-"+name)
		harness.Must(t, os.CopyFS(release, os.DirFS(site)))
		harness.Write(t, release, "index.php", "<?php echo 'code "+name+"';")
		harness.Write(t, release, "style.css", "file "+name)
		harness.Must(t, os.Chmod(release, 0o755))
		harness.Must(t, os.Rename(site, filepath.Join(dir, "before-"+name)))
		harness.Must(t, os.Symlink(release, site))
		if out, code := h.Run("reload", pools...); code != 0 {
			t.Fatal(out)
		}
		if _, code := h.Get("/"); code != "code "+name {
			t.Errorf("the code says %q after the deploy of %s", code, name)
		}
		if _, file := h.Get("/style.css"); file != "file "+name {
			t.Errorf("the file says %q after the deploy of %s", file, name)
		}
	}
}

func TestReloadOfUnmodifiedPHPFailsNoRequest(t *testing.T) {
	t.Parallel()
	dir, h := startSite(t, "")
	load := harness.NewLoad(h).Kept(3).Fresh(1).Posts(1, 200<<10, "length")
	uploads(load, 1)
	slow := make(chan string, 1)
	go func() {
		_, text := h.Get("/slow")
		slow <- text
	}()
	if code, _ := h.Get("/after"); code != 200 {
		t.Errorf("/after: %d", code)
	}
	h.Get("/warn")
	harness.Write(t, dir, "site/index.php", strings.ReplaceAll(fpmIndex, "VERSION", "2"))
	if _, text := h.Get("/hello"); text != "hello 1" {
		t.Errorf("before the reload: %q", text)
	}
	h.Reload()
	if _, text := h.Get("/hello"); text != "hello 2" {
		t.Errorf("after the reload: %q", text)
	}
	if text := <-slow; text != "slow 1" {
		t.Errorf("a request across the reload: %q", text)
	}
	if text, err := os.ReadFile(filepath.Join(dir, "site/after.txt")); string(text) != "ran on" {
		t.Errorf("code that ran on after its response was cut: %q, %v", text, err)
	}
	h.Logs.Await(t, `Undefined variable $undefined`)
	for line := range strings.SplitSeq(h.Logs.String(), "\n") {
		if strings.Contains(line, "Undefined variable") && !strings.Contains(line, `request="GET /warn"`) {
			t.Errorf("the log has no request with %q", line)
		}
	}
	harness.Write(t, dir, "site/index.php", "<?php this is broken")
	out, code := h.Run("reload")
	if code == 0 || !strings.Contains(out, "syntax error") || !strings.Contains(out, "index.php on line 1") {
		t.Errorf("a reload to broken code: exit %d\n%s", code, out)
	}
	load.Stop()
	dump := "200 secret"
	if os.Geteuid() == 0 { // it is not its user's to read
		dump = "404 no page"
	}
	for path, want := range map[string]string{
		"/dump.sql": dump,
		"/hello":    "200 hello 2", "/style.css": "200 body {}", "/uploads/evil.php": "403 Forbidden\n",
		"/nothing": "404 no page",
	} {
		if code, text := h.Get(path); fmt.Sprint(code, " ", text) != want {
			t.Errorf("%s: %d %q", path, code, text)
		}
	}
	h.Stop()
}

func TestWhatPHPSaysHasItsLevelItsTraceAndItsRequest(t *testing.T) {
	t.Parallel()
	_, h := startSite(t, "")
	h.Get("/throw")
	h.Logs.Await(t, "  thrown in")
	log := h.Logs.String()
	for _, want := range []string{
		`\[ERROR\] \[critical\] said: .*request="GET /throw"`,
		`\[ERROR\] PHP Fatal error:  Uncaught Exception: thrown in .*request="GET /throw" .*\n  trace=\n` +
			`  \| Stack trace:\n  \| #0 \{main\}\n  \|   thrown in`,
	} {
		if !regexp.MustCompile(want).MatchString(log) {
			t.Errorf("no %s in\n%s", want, log)
		}
	}
	h.Stop()
}

func TestASitesCodeOutsideOfItsRootDoesNotGoLiveBroken(t *testing.T) {
	t.Parallel()
	dir, err := os.MkdirTemp("", "site") // which php-fpm's user can reach
	harness.Must(t, err)
	t.Cleanup(func() { os.RemoveAll(dir) })
	harness.Must(t, os.Chmod(dir, 0o755))
	for _, folder := range []string{"app", "public"} {
		harness.Must(t, os.Mkdir(filepath.Join(dir, folder), 0o755))
	}
	harness.Write(t, dir, "composer.json", "{}")
	harness.Write(t, dir, "app/Late.php", "<?php echo 'late 1';")
	harness.Write(t, dir, "public/index.php", "<?php echo 'front '; if ($_GET) { require '../app/Late.php'; }")
	user := ""
	if os.Geteuid() == 0 {
		user = "user = \"nobody\"\n"
	}
	harness.Write(t, dir, "host.toml", "[pool.site]\nfpm = true\nroot = \"public\"\n"+user)
	h := harness.Start(t, "-c", filepath.Join(dir, "host.toml"))
	harness.Write(t, dir, "app/Late.php", "<?php echo 'late 2' . ;")
	if out, code := h.Run("reload"); code != 1 || !strings.Contains(out, "app/Late.php on line 1") {
		t.Errorf("a reload to broken code: exit %d\n%s", code, out)
	}
	harness.Write(t, dir, "app/Late.php", "<?php echo 'late 2';")
	h.Reload()
	if code, text := h.Get("/?late"); code != 200 || text != "front late 2" {
		t.Errorf("with the code mended: %d %q", code, text)
	}
}

func TestTheDeathOfPHPFPMFailsNoSafeRequest(t *testing.T) {
	t.Parallel()
	_, h := startSite(t, "")
	load := harness.NewLoad(h).Kept(4).Fresh(2)
	for range 2 {
		master := h.Status().Pools[0].Workers[0].PID
		time.Sleep(200 * time.Millisecond) // of load
		syscall.Kill(master, syscall.SIGKILL)
		h.Eventually("another master has taken its place", func() bool {
			w := h.Status().Pools[0].Workers[0]
			return w.PID != 0 && w.PID != master && w.State != "starting"
		})
	}
	load.Stop()
}
