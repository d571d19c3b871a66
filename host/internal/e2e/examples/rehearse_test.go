// host rehearse, with a Symfony application under PHP's own server as the old stack.

package examples

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/workerhost/workerhost/host/internal/e2e/harness"
)

// front is public/index.php of examples/symfony-php, had it one.
const front = `<?php
require %q;
set_include_path(get_include_path() . PATH_SEPARATOR . '/usr/share/php');
foreach (['FrameworkBundle', 'TwigBundle'] as $bundle) {
    require_once "Symfony/Bundle/$bundle/autoload.php";
}
require_once 'Twig/autoload.php';
spl_autoload_register(static function (string $class): void {
    if (is_file($file = __DIR__ . '/src/' . strtr(substr($class, 4), '\\', '/') . '.php')) {
        require $file;
    }
});
$kernel = new App\Kernel('prod', false);
$response = $kernel->handle($request = Symfony\Component\HttpFoundation\Request::createFromGlobals());
$response->send();
$kernel->terminate($request, $response);
`

// startOld starts PHP's own server for a program, which is killed with the test, and gives its URL.
func startOld(t *testing.T, script string, env ...string) string {
	t.Helper()
	address := harness.FreeAddress(t)
	server := exec.Command("php", "-d", "opcache.enable_cli=1", "-S", address, script)
	server.Dir, server.Env = filepath.Dir(script), append(os.Environ(), env...)
	harness.Must(t, harness.Spawn(server))
	t.Cleanup(func() {
		server.Process.Kill()
		server.Wait()
	})
	for end := time.Now().Add(20 * time.Second); harness.Refused(address); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("PHP's server does not listen")
		}
	}
	return "http://" + address
}

// rehearses runs host rehearse in a folder, and gives what it prints and its exit status.
func rehearses(t *testing.T, folder string, args ...string) (out string, status int) {
	t.Helper()
	command := exec.Command(harness.HostBinary, append([]string{"rehearse"}, args...)...)
	var errs bytes.Buffer
	command.Dir, command.Stderr = folder, &errs
	printed, err := command.Output()
	var ended *exec.ExitError
	if err != nil && !errors.As(err, &ended) {
		t.Fatal(err)
	}
	t.Log(errs.String())
	return string(printed), command.ProcessState.ExitCode()
}

const symfonyLog = `192.0.2.1 - - [29/Nov/2026:02:10:17 +0000] "GET / HTTP/1.1" 200 512 "-" "Mozilla/5.0"
192.0.2.1 - - [29/Nov/2026:02:10:18 +0000] "GET /hello/ada HTTP/1.1" 200 99 "-" "Mozilla/5.0"
192.0.2.1 - - [29/Nov/2026:02:10:18 +0000] "GET /hello/bob?from=here HTTP/1.1" 200 99 "-" "Mozilla/5.0"
192.0.2.1 - - [29/Nov/2026:02:10:19 +0000] "GET /report.csv?rows=50 HTTP/1.1" 200 99 "-" "Mozilla/5.0"
192.0.2.1 - - [29/Nov/2026:02:10:19 +0000] "HEAD /hello/ada HTTP/1.1" 200 0 "-" "Mozilla/5.0"
192.0.2.1 - - [29/Nov/2026:02:10:20 +0000] "POST /upload HTTP/1.1" 200 99 "-" "Mozilla/5.0"
192.0.2.1 - - [29/Nov/2026:02:10:20 +0000] "GET /broken HTTP/1.1" 500 99 "-" "Mozilla/5.0"
192.0.2.1 - - [29/Nov/2026:02:10:21 +0000] "GET /wp-login.php HTTP/1.1" 404 99 "-" "bot"
`

func TestARehearsalFindsWhatWasPlantedAndNothingElse(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	folder := releaseSymfony(t, root, "new")
	old := releaseSymfony(t, filepath.Join(root, "before"), "old")
	harness.Write(t, old, "front.php", fmt.Sprintf(front, filepath.Join(harness.Repository, "sdk-php/autoload.php")))
	url := startOld(t, filepath.Join(old, "front.php"), "APP_ENV=prod", "APP_DEBUG=0", "APP_SECRET=x",
		"APP_CACHE_DIR="+filepath.Join(root, "before/cache"))
	log := filepath.Join(root, "access.log")
	harness.Must(t, os.WriteFile(log, []byte(symfonyLog), 0o644))
	args := []string{log, "--beside", url, "--timeout", "1m", // machines of tests may be slow
		"--ignore", `worker \d+`} // the page shows the process that it is made by

	if out, status := rehearses(t, folder, args...); status != 0 ||
		!strings.Contains(out, "No difference in 7 answers.") ||
		!strings.Contains(out, "8 lines, left out: method 1; 7 different requests") {
		t.Fatalf("the same code: exit %d\n%s", status, out)
	}

	pages := filepath.Join(folder, "src/Controller/Pages.php")
	edit(t, pages, "$visits = 1 +", "$visits = 2 +")
	edit(t, pages, "'hello' => $name,", "'hello' => $name === 'bob' ? throw new \\RuntimeException('x') : $name,")
	edit(t, filepath.Join(folder, "src/Controller/Report.php"), "text/csv; charset=utf-8", "text/plain; charset=utf-8")
	junit := filepath.Join(root, "junit.xml")
	out, status := rehearses(t, folder, append(args, "--json", "--junit", junit)...)
	var found struct {
		Outcome     string
		Differ      int
		Differences []struct {
			Route, Kind string
			Example     struct{ Request, Old, New, Diff string }
		}
	}
	if err := json.Unmarshal([]byte(out), &found); err != nil || status != 1 || found.Outcome != "failed" {
		t.Fatalf("exit %d, %v\n%s", status, err, out)
	}
	var got []string
	for _, d := range found.Differences {
		got = append(got, d.Route+": "+d.Kind)
		if d.Kind == "body" && (!strings.Contains(d.Example.Diff, "-    <p>Visit 1 of") ||
			!strings.Contains(d.Example.Diff, "+    <p>Visit 2 of")) {
			t.Errorf("the diff is\n%s", d.Example.Diff)
		}
	}
	slices.Sort(got)
	want := []string{"GET /: body", "GET /: header Set-Cookie visits", "GET /hello/bob?from: status",
		"GET /report.csv?rows: header Content-Type"}
	if !slices.Equal(got, want) || found.Differ != 3 {
		t.Errorf("%d differ: %q", found.Differ, got)
	}
	var suite struct {
		Suite struct {
			Tests    int `xml:"tests,attr"`
			Failures int `xml:"failures,attr"`
		} `xml:"testsuite"`
	}
	if err := xml.Unmarshal([]byte(harness.ReadFile(t, junit)), &suite); err != nil || suite.Suite.Tests != 7 ||
		suite.Suite.Failures != 3 {
		t.Errorf("%v, %+v", err, suite)
	}
}
