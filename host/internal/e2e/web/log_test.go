// Whose a line of the log is, and how much of it there may be.

package web

import (
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/workerhost/workerhost/host/internal/e2e/harness"
)

// Requests that are handed ahead, and print at their beginning and at their end, without ending the line.
func TestALogLineNamesTheRequestThatWroteItOrNone(t *testing.T) {
	t.Parallel()
	dir := harness.PHPWorker(t, `
		Worker::create()->superglobals()->onRequest(function (Request $r) {
			$id = $r->header('x-request-id');
			echo "echoed by <$id>, ";
			error_log("error_log by <$id>");
			trigger_error("warned by <$id>", E_USER_WARNING);
			fwrite(STDERR, "to stderr by <$id>\n");
			system("echo 'by a command of <$id>'; echo 'to its stderr by <$id>' >&2");
			echo "no end by <$id>";
			return Response::text('fine');
		})->run();`)
	h := harness.StartPHP(t, dir, "", "workers = 1", "")
	const clients, each = 4, 25
	var all sync.WaitGroup
	for c := range clients {
		all.Go(func() {
			for n := range each {
				r, err := http.NewRequest("GET", h.URL+"/", nil)
				if err != nil {
					t.Error(err)
					return
				}
				r.Header.Set("X-Request-Id", fmt.Sprintf("%d-%d", c, n))
				answer, err := http.DefaultClient.Do(r)
				if err != nil {
					t.Error(err)
					return
				}
				io.Copy(io.Discard, answer.Body)
				answer.Body.Close()
			}
		})
	}
	all.Wait()
	h.Stop()
	named := map[string]int{}
	who, id := regexp.MustCompile(`<([^>]*)>`), regexp.MustCompile(` request_id=(\S+)`)
	for line := range strings.Lines(h.Logs.String()) {
		writers, name := who.FindAllStringSubmatch(line, -1), id.FindStringSubmatch(line)
		for _, w := range writers {
			if w[1] != writers[0][1] || name != nil && name[1] != w[1] {
				t.Errorf("of another one: %s", line)
			}
		}
		if len(writers) > 0 {
			_, message, _ := strings.Cut(line, "]  ")
			what, _, _ := strings.Cut(message, "<")
			named[fmt.Sprintf("%s%v", what, name != nil)]++
		}
	}
	for what, want := range map[string]int{
		"echoed by true": clients * each, "no end by true": clients * each,
		"error_log by false": clients * each, "to its stderr by false": clients * each,
		"Warning: warned by false": clients * each, "to stderr by false": clients * each,
	} {
		if named[what] != want {
			t.Errorf("%q: %d lines of %d; %v", what, named[what], want, named)
		}
	}
}

// What PHP and Symfony's own logger write, byte by byte.
func TestTheLevelsOfPHPsLoggersArriveAndATraceIsOneEntry(t *testing.T) {
	t.Parallel()
	dir := harness.PHPWorker(t, `
		set_include_path('/usr/share/php'); // of Debian's packages
		require 'Symfony/Component/HttpKernel/autoload.php';
		$plain = new Symfony\Component\HttpKernel\Log\Logger('debug');
		$dated = new Symfony\Component\HttpKernel\Log\Logger('debug', 'php://stderr');
		Worker::create()->onRequest(function (Request $r) use ($plain, $dated): Response {
			foreach (['debug', 'notice', 'warning', 'error', 'critical'] as $level) {
				$plain->log($level, "a plain $level");
				$dated->log($level, "a dated $level");
			}
			error_log(new LogicException('by error_log'));
			$code = 'function f() { throw new RuntimeException("two\nlines"); } f();';
			system(escapeshellarg(PHP_BINARY) . ' -d display_errors=stderr -d log_errors=0 -r ' . escapeshellarg($code));
			return Response::text('fine');
		})->run();`)
	h := harness.StartPHP(t, dir, "", "workers = 1", "")
	h.Get("/")
	h.Stop()
	all := h.Logs.String()
	for text, level := range map[string]string{
		"[debug] a plain debug": "INFO", "[debug] a dated debug": "INFO", "[notice] a plain notice": "INFO",
		"[warning] a plain warning": "WARN", "[warning] a dated warning": "WARN", "[error] a plain error": "ERROR",
		"[error] a dated error": "ERROR", "[critical] a plain critical": "ERROR",
		"[critical] a dated critical": "ERROR", "LogicException: by error_log": "INFO",
		"Fatal error: Uncaught RuntimeException: two": "ERROR",
	} {
		found := regexp.MustCompile(`\[(\w+)\] +[^\n]*`+regexp.QuoteMeta(text)).FindAllStringSubmatch(all, -1)
		if len(found) != 1 || found[0][1] != level {
			t.Errorf("%q is logged as %q, not once as %s", text, found, level)
		}
	}
	for _, want := range []string{
		`trace=\n  \| Stack trace:\n  \| #0 .*\n  \| #1 .*Requests->answer\(\)\n`,
		`trace=\n  \| lines in Command line code:1\n  \| Stack trace:\n  \| #0 .*: f\(\)\n  \| #1 \{main\}\n` +
			`  \|   thrown in Command line code on line 1\n`,
	} {
		if !regexp.MustCompile(want).MatchString(all) {
			t.Errorf("no %s in\n%s", want, all)
		}
	}
}
