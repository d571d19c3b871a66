// host stop, and what a person may do to connections meanwhile: list, send, close.

package e2e

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

func TestAStopClosesEveryConnectionWith1001SpreadOverTime(t *testing.T) {
	t.Parallel()
	k := startTalk(t, "shutdown_spread = \"1500ms\"", "workers = 2")
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
		s := k.upgrade(fmt.Sprintf("/?name=client-%d", i))
		all.Go(func() {
			<-begin
			code, _ := s.ends()
			ends[i] = end{code, time.Since(began)}
		})
	}
	began = time.Now()
	close(begin)
	if out, code := k.run("stop"); code != 0 {
		t.Errorf("host stop: exit %d\n%s", code, out)
	}
	k.awaitExit(20 * time.Second)
	took := time.Since(began)
	all.Wait()
	halves := [2]int{}
	for i, e := range ends {
		if e.code != 1001 {
			t.Errorf("client %d was closed with %d", i, e.code)
		}
		if e.after < 750*time.Millisecond {
			halves[0]++
		} else {
			halves[1]++
		}
	}
	if halves[0] < clients/6 || halves[1] < clients/6 {
		t.Errorf("%d clients were closed in the first half of the spread, %d later", halves[0], halves[1])
	}
	if took > 8*time.Second {
		t.Errorf("the stop took %v", took)
	}
	farewells := k.farewells()
	for i := range clients {
		if want := fmt.Sprintf("client-%d websocket 1001 clean ", i); !slices.ContainsFunc(farewells, func(l string) bool { return strings.HasPrefix(l, want) }) {
			t.Errorf("onClose never said %q", want)
		}
	}
	if len(farewells) != clients {
		t.Errorf("%d connections were closed %d times", clients, len(farewells))
	}
}

func TestAStopHandlesWhatClientsHaveSaidBefore(t *testing.T) {
	t.Parallel()
	k := startTalkTCP(t, "shutdown_spread = \"300ms\"", "workers = 1")
	s, l := k.upgrade("/?name=ann"), k.line()
	must(t, l.tell("say open"))
	l.expect("open")
	s.say("wait begun")
	awaitPID(t, k.dir, "begun")
	for n := 1; n <= 100; n++ {
		s.say("n %d", n)
		must(t, l.tell(fmt.Sprintf("n %d", n)))
	}
	l.tell("say heard") // lines are read in order, so that the host has all of the above when it has this one
	k.eventually("all of it has come", func() bool {
		for _, c := range k.connections() {
			if c.MessagesIn < 101 {
				return false
			}
		}
		return true
	})
	k.kill(syscall.SIGTERM)
	k.logs.await(t, "stopping gracefully")
	time.Sleep(100 * time.Millisecond)
	write(t, k.dir, "go", "1")
	s.expect("went 1")
	for n := 1; n <= 100; n++ {
		s.expect(fmt.Sprintf("%d 1 1 %d", n, n))
		l.expect(fmt.Sprintf("%d 1 1 %d", n, n))
	}
	l.expect("heard")
	if code, _ := s.ends(); code != 1001 {
		t.Errorf("closed with %d", code)
	}
	if !l.closed() {
		t.Error("the TCP connection stays open")
	}
	l.Close()
	k.awaitExit(20 * time.Second)
	k.awaitFarewell("ann websocket 1001 clean")
	k.awaitFarewell(" tcp 1001 ")
}

func TestAStopWaitsForNoClientThatHasGoneToSleep(t *testing.T) {
	t.Parallel()
	k := startTalk(t, "shutdown_spread = \"100ms\"\nslow_client = \"drop-oldest\"", "workers = 2\ndrain_timeout = \"4s\"")
	asleep := k.upgrade("/?name=asleep&join=flood") // never reads again
	k.upgrade("/").say("flood 2000 4000")
	_ = asleep
	began := time.Now()
	k.stop()
	if took := time.Since(began); took > 9*time.Second {
		t.Errorf("the stop took %v", took)
	}
	k.awaitFarewell("asleep websocket")
}

// shown is a line of `host connections --json`.
type shown struct {
	ID, Protocol, Remote, UID string
	Groups                    []string
	Listener, Pool            string
	MessagesIn                int64 `json:"messages_in"`
	MessagesOut               int64 `json:"messages_out"`
	BytesIn                   int64 `json:"bytes_in"`
	BytesOut                  int64 `json:"bytes_out"`
	Queued                    int64
}

func (k *talk) connections(args ...string) (all []shown) {
	k.t.Helper()
	out, code := k.run("connections", append([]string{"--json"}, args...)...)
	if code != 0 {
		k.t.Fatalf("host connections: exit %d\n%s", code, out)
	}
	for text := range strings.Lines(out) {
		var c shown
		if err := json.Unmarshal([]byte(text), &c); err != nil {
			k.t.Fatalf("%s: %v", text, err)
		}
		all = append(all, c)
	}
	return all
}

func TestAPersonListsAddressesAndClosesConnections(t *testing.T) {
	t.Parallel()
	k := startTalk(t, "", "workers = 2")
	ann, bob := k.upgrade("/?uid=ann&join=lobby&name=ann"), k.upgrade("/?uid=bob&join=lobby,red")
	id := idOf(ann)
	settle(ann)
	all := k.connections()
	if len(all) != 2 || all[0].ID != id || all[0].UID != "ann" || all[0].Protocol != "websocket" || all[0].MessagesIn != 2 || all[0].MessagesOut != 2 || all[0].BytesIn != 2+11 || all[0].Pool != "web" ||
		!strings.HasPrefix(all[0].Remote, "127.0.0.1:") || fmt.Sprint(all[1].Groups) != "[lobby red]" {
		t.Errorf("host connections --json: %+v", all)
	}
	if red := k.connections("--group", "red"); len(red) != 1 || red[0].UID != "bob" {
		t.Errorf("host connections --group red: %+v", red)
	}
	if out, code := k.run("connections"); code != 0 || !strings.Contains(out, id) || !strings.Contains(out, "lobby,red") {
		t.Errorf("host connections: exit %d\n%s", code, out)
	}
	send := func(want int, args ...string) {
		t.Helper()
		if out, code := k.run("send", args...); code != want {
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
		ann.expect(want)
	}
	for _, want := range []string{"for a group but one", "for all"} {
		bob.expect(want)
	}
	if out, code := k.run("close", id, "--code", "4001", "--reason", "house rules"); code != 0 {
		t.Errorf("host close: exit %d\n%s", code, out)
	}
	if code, reason := ann.ends(); code != 4001 || reason != "house rules" {
		t.Errorf("closed with %d %q", code, reason)
	}
	k.awaitFarewell("ann websocket 4001 clean house rules")
	settle(bob)
	if out, code := k.run("close", id); code != 1 || !strings.Contains(out, id) {
		t.Errorf("host close of one that has gone: exit %d\n%s", code, out)
	}
}
