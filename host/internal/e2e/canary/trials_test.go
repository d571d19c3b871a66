// How often real canaries are right, after how long, and whether their clients stay where they are: make trials.

package canary

import (
	"os"
	"strconv"
	"testing"
	"time"
)

func TestCanariesAreRight(t *testing.T) {
	runs, err := strconv.Atoi(os.Getenv("TRIALS"))
	if err != nil {
		t.Skip("it takes an hour; make trials")
	}
	for _, c := range []struct {
		name, how, outcome, lasts string
	}{
		{"fine", "[]", "done", "60s"},
		{"1.3 times as slow", "['slow' => 1.3]", "turned_back", "60s"},
		{"2 in a hundred fail", "['fails' => 0.02]", "turned_back", "60s"},
		{"100 KB leak with each request", "['leak' => 100_000]", "turned_back", "60s"},
		{"dies once a minute", "['lives' => 60.0]", "turned_back", "120s"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := start(t, "")
			crowd := s.crowd(t)
			crowd.connect(150, 10*time.Second)
			crowd.come(80, 10, 500*time.Millisecond)
			crowd.connect(150, 10*time.Second)
			right, requests := 0, 0
			var took time.Duration
			for i := range runs {
				v := s.try(t, c.how, "--canary", "25%", "--for", c.lasts, "--at-most", "4m", "--max-slower", "1.2x",
					"--max-errors", "0.5%")
				crowd.stayed(v)
				lasted := v.judged.Sub(v.begun)
				t.Logf("%s, %d: %s after %v and %d requests: %s", c.name, i+1, v.outcome, lasted.Round(time.Second),
					v.requests, v.what)
				if v.outcome == c.outcome {
					right++
					took += lasted
					requests += v.requests
				} else if v.outcome == "done" { // it would be compared with itself from now on
					s.deploy(t, "[]")
					if out, code := s.Run("reload", "--canary=off"); code != 0 {
						t.Fatalf("host reload: exit status %d\n%s", code, out)
					}
				}
			}
			crowd.end()
			t.Logf("%s: %d of %d were right, in the mean after %v and %d requests; %d WebSockets closed", c.name,
				right, runs, (took / time.Duration(max(1, right))).Round(time.Second), requests/max(1, right),
				crowd.sockets.Load())
			if right*10 < runs*9 {
				t.Errorf("only %d of %d were right", right, runs)
			}
			if n := crowd.sockets.Load(); n > 0 {
				t.Errorf("%d WebSockets were closed", n)
			}
		})
	}
}
