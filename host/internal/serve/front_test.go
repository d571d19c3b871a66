package serve

import (
	"path/filepath"
	"testing"

	"github.com/hashicorp/go-hclog"
	"github.com/workerhost/workerhost/host/internal/config"
)

func TestLinesThatTheAccessLogLostStayCountedWhenItChanges(t *testing.T) {
	log, dir := hclog.NewNullLogger(), t.TempDir()
	var guards []*edge
	a, b := filepath.Join(dir, "a.log"), filepath.Join(dir, "b.json")
	for i, to := range []string{a, b, "off", a} {
		var old *edge
		if i > 0 {
			old = guards[i-1]
		}
		g, err := newEdge(&config.Config{HTTP: config.HTTP{AccessLog: to}}, old, log)
		if err != nil {
			t.Fatal(err)
		}
		defer g.close(log)
		guards = append(guards, g)
		if g.lost.Add(2); g.lost.Load() != uint64(2*(i+1)) {
			t.Errorf("%d lines count as lost with access_log = %q", g.lost.Load(), to)
		}
	}
	if guards[0].lost.Add(1); guards[3].lost.Load() != 9 { // its last requests end later
		t.Error("a line that was lost after the change does not count")
	}
}
