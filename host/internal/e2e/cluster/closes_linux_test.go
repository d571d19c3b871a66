package cluster

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/workerhost/workerhost/host/internal/e2e/harness"
)

// TestTheCloseOfAKilledHostsConnectionsIsHandledOnceElsewhere has one host upgraded, one killed and one stopped.
func TestTheCloseOfAKilledHostsConnectionsIsHandledOnceElsewhere(t *testing.T) {
	all, code := several(t, 3)
	clients := map[string]*harness.Socket{}
	for i, h := range all {
		for j := range 3 {
			s := h.Upgrade("/")
			s.Say("enter user-%d-%d room", i, j)
			s.Expect("entered")
			s.Say("put of-%d-%d", i, j)
			s.Expect("put")
			clients[fmt.Sprintf("%d-%d", i, j)] = s
		}
	}
	closed := func() []string {
		data, _ := os.ReadFile(filepath.Join(code, "closed"))
		return slices.Sorted(strings.Lines(string(data)))
	}
	of := func(i int, how string) (want []string) {
		for j := range 3 {
			want = append(want, fmt.Sprintf("user-%d-%d %s room of-%d-%d\n", i, j, how, i, j))
		}
		return want
	}
	if out, code := all[0].Run("upgrade"); code != 0 {
		t.Fatal(out)
	}
	clients["1-0"].Leave(1000, "")
	all[0].Eventually("the one who has left is gone", func() bool { return len(closed()) == 1 })
	time.Sleep(3 * time.Second) // nobody tells what is noted

	all[1].Kill(syscall.SIGKILL)
	<-all[1].Exited
	want := slices.Sorted(slices.Values(append(of(1, "1006 2"), closed()...)))
	want = slices.DeleteFunc(want, func(line string) bool { return strings.HasPrefix(line, "user-1-0 1006") })
	all[0].Eventually("the CLOSE of who was there is handled", func() bool { return len(closed()) >= len(want) })
	if got := closed(); !slices.Equal(got, want) {
		t.Fatalf("got %q, want %q", got, want)
	}
	const here = "the CLOSE of connections of a host that has died is handled here: host="
	log := all[0].Logs.String() + all[2].Logs.String()
	if strings.Count(log, here) != 1 || !strings.Contains(log, here+"chat-1 count=2") {
		t.Errorf("who handles it is told otherwise than once:\n%s", log)
	}
	ask(t, all[0], clients["0-1"], "count room", "6")

	all[2].Stop()
	all[2].AwaitExit(30 * time.Second)
	want = slices.Sorted(slices.Values(append(want, of(2, "1001 1")...)))
	if got := closed(); !slices.Equal(got, want) {
		t.Fatalf("got %q, want %q", got, want)
	}
}
