package cluster

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/workerhost/workerhost/host/internal/e2e/harness"
)

func TestAHostIsUpgradedInTheClusterAndItsClientsStay(t *testing.T) {
	all, _ := several(t, 3)
	var clients []*harness.Socket
	for i, h := range all {
		clients = append(clients, h.Upgrade("/"))
		clients[i].Say("enter user-%d room", i)
		clients[i].Expect("entered")
	}
	if out, code := all[0].Run("upgrade"); code != 0 {
		t.Fatal(out)
	}
	for _, s := range clients {
		all[0].Eventually("all are there again", func() bool {
			s.Say("count room")
			got, err := s.Listen()
			return err == nil && got == "3"
		})
	}
	for i, s := range clients {
		s.Say("group room from-%d", i)
		for _, each := range clients {
			each.Expect(fmt.Sprintf("from-%d", i))
		}
	}
}

func TestAllHostsAreUpgradedOneAfterTheOther(t *testing.T) {
	all, code := several(t, 3)
	var clients []*harness.Socket
	for i, h := range all {
		clients = append(clients, h.Upgrade("/"))
		clients[i].Say("enter user-%d room", i)
		clients[i].Expect("entered")
	}
	pids := func() (all3 []int) {
		for _, h := range all {
			all3 = append(all3, h.Status().PID)
		}
		return all3
	}
	before := pids()
	out, status := all[1].Run("upgrade", "--cluster")
	after := pids()
	if status != 0 || strings.Count(out, "upgraded in") != 3 {
		t.Fatalf("exit %d: %s", status, out)
	}
	for i := range all {
		if before[i] == after[i] {
			t.Errorf("host %d is the process that it was:\n%s", i, out)
		}
	}
	for _, s := range clients {
		all[0].Eventually("all are there again", func() bool {
			s.Say("count room")
			got, err := s.Listen()
			return err == nil && got == "3"
		})
	}
	harness.Must(t, os.WriteFile(filepath.Join(code, "worker.php"), []byte("<?php throw new Exception('no');"), 0o644))
	out, status = all[1].Run("upgrade", "--cluster")
	if now := pids(); status != 1 || !strings.Contains(out, "it ended at chat-1; chat-0, chat-2 not upgraded") ||
		fmt.Sprint(now) != fmt.Sprint(after) {
		t.Fatalf("exit %d, %v, %v: %s", status, now, after, out)
	}
}
