package cluster

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/workerhost/workerhost/host/internal/e2e/harness"
)

// deploy puts another version of the code in place.
func deploy(t *testing.T, code, version string) {
	t.Helper()
	harness.WritePHP(t, code, strings.Replace(chat, "VERSION", version, 1))
}

func TestCommandsMeanAllHostsOneAfterTheOther(t *testing.T) {
	all, code := several(t, 3)
	all[1].Upgrade("/")
	run := func(want int, parts []string, command string, args ...string) string {
		t.Helper()
		out, code := all[0].Run(command, args...)
		for _, part := range parts {
			if !strings.Contains(out, part) {
				t.Errorf("host %s %v lacks %q:\n%s", command, args, part, out)
			}
		}
		if code != want {
			t.Errorf("host %s %v: exit %d, expected %d:\n%s", command, args, code, want, out)
		}
		return out
	}
	all[0].Eventually("all serve", func() bool {
		out, _ := all[0].Run("status", "--cluster")
		return strings.Count(out, "serving") == 3
	})
	run(0, []string{"chat-0 (here)", "chat-1", "chat-2", "chat 1"}, "status", "--cluster")
	var hosts []struct {
		Host   string
		Status struct{ Connections map[string]int }
	}
	if err := json.Unmarshal([]byte(run(0, nil, "status", "--cluster", "--json")), &hosts); err != nil ||
		len(hosts) != 3 || hosts[1].Host != "chat-1" || hosts[1].Status.Connections["websocket"] != 1 {
		t.Errorf("%+v, %v", hosts, err)
	}
	run(0, []string{"chat-1", "websocket"}, "connections", "--cluster")
	run(0, []string{`{"host":"chat-1","id":`}, "connections", "--cluster", "--json")

	deploy(t, code, "second")
	run(0, []string{"chat-0", "chat-1", "chat-2"}, "reload", "--cluster")
	for _, h := range all {
		if _, text := h.Get("/"); text != "second" {
			t.Errorf("after the reload it says %q", text)
		}
	}
	harness.Must(t, os.WriteFile(filepath.Join(code, "worker.php"), []byte("<?php throw new Exception('no');"), 0o644))
	run(1, []string{"it ended at chat-0; chat-1, chat-2 not reloaded"}, "reload", "--cluster")
	for _, h := range all {
		if _, text := h.Get("/"); text != "second" {
			t.Errorf("after a reload that failed it says %q", text)
		}
	}
	deploy(t, code, "third")
	all[2].Kill(syscall.SIGKILL)
	all[0].Logs.Await(t, "another host of the cluster is lost: it says nothing any more: host=chat-2")
	run(1, []string{"chat-2 is lost, so nothing was reloaded"}, "reload", "--cluster")
	run(0, []string{"lost for"}, "status", "--cluster")
}
