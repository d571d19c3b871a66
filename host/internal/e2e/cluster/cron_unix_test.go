//go:build unix

package cluster

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestARunIsDueOnceInAllHosts(t *testing.T) {
	done := filepath.Join(t.TempDir(), "done")
	user := ""
	if os.Geteuid() == 0 {
		user = `user = "root"` // has to be written where it is meant
	}
	all, _ := severalWith(t, 2, fmt.Sprintf(`[[cron]]
name = "tick"
schedule = "* * * * * *"
command = ["sh", "-c", "date +%%s >> %s"]
%s
`, done, user))
	seen := map[string]int{}
	all[0].Eventually("runs", func() bool {
		text, _ := os.ReadFile(done)
		clear(seen)
		for _, second := range strings.Fields(string(text)) {
			seen[second]++
		}
		return len(seen) >= 5
	})
	twice := 0
	for _, n := range seen {
		twice += n - 1
	}
	if twice > 1 { // one may be late for its second
		t.Errorf("%d of %d runs came twice: %v", twice, len(seen), seen)
	}
}
