// host stop, and what a person may do to connections meanwhile: list, send, close.

package connections

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/workerhost/workerhost/host/internal/e2e/harness"
)

func TestAStopClosesEveryConnectionWith1001SpreadOverTime(t *testing.T) {
	t.Parallel()
	k := harness.StartTalk(t, "shutdown_spread = \"1500ms\"", "workers = 2")
	const clients = 60
	type end struct {
		code  int
		after time.Duration
	}
	ends := make([]end, clients)
	var all sync.WaitGroup
	var began time.Time
	begin := make(chan struct{})
	for i := range clients {
		s := k.Upgrade(fmt.Sprintf("/?name=client-%d", i))
		all.Go(func() {
			<-begin
			code, _ := s.Ends()
			ends[i] = end{code, time.Since(began)}
		})
	}
	began = time.Now()
	close(begin)
	if out, code := k.Run("stop"); code != 0 {
		t.Errorf("host stop: exit %d\n%s", code, out)
	}
	k.AwaitExit(20 * time.Second)
	all.Wait()
	first := slices.MinFunc(ends, func(a, b end) int { return cmp.Compare(a.after, b.after) }).after
	halves := [2]int{} // of the time from the first one on
	for i, e := range ends {
		if e.code != 1001 {
			t.Errorf("client %d was closed with %d", i, e.code)
		}
		if e.after-first < 750*time.Millisecond {
			halves[0]++
		} else {
			halves[1]++
		}
	}
	if halves[0] < clients/6 || halves[1] < clients/6 {
		t.Errorf("%d clients were closed in the first half of the spread, %d later", halves[0], halves[1])
	}
	farewells := k.Farewells()
	for i := range clients {
		if want := fmt.Sprintf("client-%d websocket 1001 clean ", i); !slices.ContainsFunc(farewells,
			func(l string) bool {
				return strings.HasPrefix(l, want)
			}) {
			t.Errorf("onClose never said %q", want)
		}
	}
	if len(farewells) != clients {
		t.Errorf("%d connections were closed %d times", clients, len(farewells))
	}
}

func TestAStopHandlesWhatClientsHaveSaidBefore(t *testing.T) {
	t.Parallel()
	k := harness.StartTalkTCP(t, "shutdown_spread = \"300ms\"", "workers = 1")
	s, l := k.Upgrade("/?name=ann"), k.Line()
	harness.Must(t, l.Tell("say open"))
	l.Expect("open")
	s.Say("wait begun")
	harness.AwaitPID(t, k.Dir, "begun")
	for n := 1; n <= 100; n++ {
		s.Say("n %d", n)
		harness.Must(t, l.Tell(fmt.Sprintf("n %d", n)))
	}
	l.Tell("say heard") // lines are read in order, so that the host has all of the above when it has this one
	k.Eventually("all of it has come", func() bool {
		for _, c := range k.Connections() {
			if c.MessagesIn < 101 {
				return false
			}
		}
		return true
	})
	k.Kill(syscall.SIGTERM)
	k.Logs.Await(t, "stopping gracefully")
	time.Sleep(100 * time.Millisecond)
	harness.Write(t, k.Dir, "go", "1")
	s.Expect("went 1")
	for n := 1; n <= 100; n++ {
		s.Expect(fmt.Sprintf("%d 1 1 %d", n, n))
		l.Expect(fmt.Sprintf("%d 1 1 %d", n, n))
	}
	l.Expect("heard")
	if code, _ := s.Ends(); code != 1001 {
		t.Errorf("closed with %d", code)
	}
	if !l.Closed() {
		t.Error("the TCP connection stays open")
	}
	l.Close()
	k.AwaitExit(20 * time.Second)
	k.AwaitFarewell("ann websocket 1001 clean")
	k.AwaitFarewell(" tcp 1001 ")
}

func TestAStopWaitsForNoClientThatHasGoneToSleep(t *testing.T) {
	t.Parallel()
	k := harness.StartTalk(t, "shutdown_spread = \"100ms\"\nslow_client = \"drop-oldest\"",
		"workers = 2\ndrain_timeout = \"4s\"")
	asleep := k.Upgrade("/?name=asleep&join=flood") // never reads again
	k.Upgrade("/").Say("flood 2000 4000")
	_ = asleep
	k.Stop()
	k.AwaitFarewell("asleep websocket")
}

func TestAPersonListsAddressesAndClosesConnections(t *testing.T) {
	t.Parallel()
	k := harness.StartTalk(t, "", "workers = 2")
	ann, bob := k.Upgrade("/?uid=ann&join=lobby&name=ann"), k.Upgrade("/?uid=bob&join=lobby,red")
	id := idOf(ann)
	settle(ann)
	all := k.Connections()
	if len(all) != 2 || all[0].ID != id || all[0].UID != "ann" || all[0].Protocol != "websocket" ||
		all[0].MessagesIn != 2 || all[0].MessagesOut != 2 || all[0].BytesIn != 2+11 || all[0].Pool != "web" ||
		!strings.HasPrefix(all[0].Remote, "127.0.0.1:") || fmt.Sprint(all[1].Groups) != "[lobby red]" {
		t.Errorf("host connections --json: %+v", all)
	}
	if red := k.Connections("--group", "red"); len(red) != 1 || red[0].UID != "bob" {
		t.Errorf("host connections --group red: %+v", red)
	}
	if out, code := k.Run("connections"); code != 0 || !strings.Contains(out, id) ||
		!strings.Contains(out, "lobby,red") {
		t.Errorf("host connections: exit %d\n%s", code, out)
	}
	send := func(want int, args ...string) {
		t.Helper()
		if out, code := k.Run("send", args...); code != want {
			t.Errorf("host send %q: exit %d, want %d\n%s", args, code, want, out)
		}
	}
	send(0, "--id", id, "for one")
	send(0, "--uid", "ann", "for a user")
	send(0, "--group", "lobby", "--except", id, "for a group but one")
	send(0, "--all", "for all")
	send(1, "--uid", "nobody", "for nobody")
	send(1, "--id", "nobody", "for nobody")
	for _, want := range []string{"for one", "for a user", "for all"} {
		ann.Expect(want)
	}
	for _, want := range []string{"for a group but one", "for all"} {
		bob.Expect(want)
	}
	if out, code := k.Run("close", id, "--code", "4001", "--reason", "house rules"); code != 0 {
		t.Errorf("host close: exit %d\n%s", code, out)
	}
	if code, reason := ann.Ends(); code != 4001 || reason != "house rules" {
		t.Errorf("closed with %d %q", code, reason)
	}
	k.AwaitFarewell("ann websocket 4001 clean house rules")
	settle(bob)
	if out, code := k.Run("close", id); code != 1 || !strings.Contains(out, id) {
		t.Errorf("host close of one that has gone: exit %d\n%s", code, out)
	}
}
