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
