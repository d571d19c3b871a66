// Canaries of code that is fine, and of code that is not.

package canary

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/workerhost/workerhost/host/internal/e2e/harness"
)

func TestACanaryTurnsBackWhatLogsErrorsOrDiesAndPromotesWhatIsFine(t *testing.T) {
	t.Parallel()
	s := start(t, "")
	c := s.crowd(t)
	c.come(60, 10, 200*time.Millisecond)
	c.connect(20, time.Second)
	for _, step := range []struct {
		how, outcome string
		code         int
		serves       string
	}{
		{"['logs' => 0.3]", "turned_back", 3, "r1 1"},
		{"['lives' => 3.0]", "turned_back", 3, "r1 1"},
		{"[]", "done", 0, "r4 8"},
	} {
		v := s.try(t, step.how, "--canary", "25%", "--for", "6s", "--at-most", "40s", "--max-slower", "2x")
		t.Logf("%s: %s after %v and %d requests: %s", step.how, v.outcome, v.judged.Sub(v.begun).Round(time.Second),
			v.requests, v.what)
		if v.outcome != step.outcome || v.code != step.code {
			t.Errorf("%s: %s, exit status %d\n%s", step.how, v.outcome, v.code, v.output)
		}
		c.stayed(v)
		if _, text := s.Get("/"); text != step.serves {
			t.Errorf("after that %s serves in place of %s", text, step.serves)
		}
	}
	c.end()
	kept, _ := s.Run("releases", "--json")
	if n := strings.Count(kept, `"canary":`); n != 3 || strings.Contains(kept, "over_time") {
		t.Errorf("the journal has the evidence of %d canaries:\n%s", n, kept)
	}
	t.Logf("%d requests, %d failed", c.asked.Load(), c.failed.Load())
	if n := c.sockets.Load(); n > 0 {
		t.Errorf("%d WebSockets were closed", n)
	}
}

func TestSeveralPoolsHaveOneVerdict(t *testing.T) {
	t.Parallel()
	second := harness.FreeAddress(t)
	s := start(t, fmt.Sprintf("[pool.api]\nworker = \"worker.php\"\ndirectory = \"current\"\nworkers = 2\n"+
		"env = { API = \"1\" }\n[[listen]]\naddress = %q\npool = \"api\"\n", second))
	c := s.crowd(t)
	c.come(30, 5, 100*time.Millisecond)
	over := make(chan struct{})
	c.all.Go(func() { // without cookies each request is a client
		for {
			select {
			case <-over:
				return
			case <-time.After(10 * time.Millisecond):
			}
			if resp, err := http.Get("http://" + second); err == nil {
				resp.Body.Close()
			}
		}
	})
	v := s.try(t, "['fails' => getenv('API') ? 0.5 : 0.0]", "--canary", "50%", "--for", "10s", "--at-most", "60s",
		"--max-slower", "3x")
	close(over)
	c.end()
	if v.code != 3 || v.outcome != "turned_back" || !strings.Contains(v.what, "api: ") {
		t.Errorf("exit status %d, %s: %s\n%s", v.code, v.outcome, v.what, v.output)
	}
	s.serves(t, "r1")
}
