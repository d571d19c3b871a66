// What the host keeps of connections, groups, users and sessions, seen from many workers and across their ends.

package connections

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/workerhost/workerhost/host/internal/e2e/harness"
)

// id is the connection's own, which the worker says.
func idOf(s *harness.Socket) string {
	s.T.Helper()
	s.Say("id")
	return s.Hear()
}

// settle returns when what the socket has said is done: two messages may travel together, and take effect together.
func settle(s *harness.Socket) {
	s.T.Helper()
	s.Say("say settled")
	s.Expect("settled")
}

func TestGroupsUsersAndBroadcastsReachAcrossWorkersAndAReload(t *testing.T) {
	t.Parallel()
	k := harness.StartTalk(t, "", "workers = 4")
	ann, bob, eve := k.Upgrade("/?join=lobby&uid=ann&name=ann"), k.Upgrade("/?join=lobby&name=bob"),
		k.Upgrade("/?name=eve")
	bob.Say("bind bob")
	settle(bob)

	for _, version := range []string{"1", "2"} {
		ann.Say("group lobby to the lobby %s", version)
		ann.Expect("to the lobby " + version)
		bob.Expect("to the lobby " + version)
		bob.Say("others lobby not to me %s", version)
		ann.Expect("not to me " + version)
		eve.Say("user ann for ann %s", version)
		ann.Expect("for ann " + version)
		eve.Say("all to all %s", version)
		for _, s := range []*harness.Socket{ann, bob, eve} {
			s.Expect("to all " + version)
		}
		eve.Say("tell %s to one %s", idOf(bob), version)
		bob.Expect("to one " + version)
		// A handler of HTTP sends, too.
		if _, text := k.Get("/send?group=lobby&text=by+request+" + version); text != "sent by "+version {
			t.Errorf("GET /send: %q", text)
		}
		ann.Expect("by request " + version)
		bob.Expect("by request " + version)
		if code, _ := k.Get("/throw"); code != 500 {
			t.Errorf("a request that throws: %d", code)
		}
		eve.Say("who lobby bob")
		eve.Expect(`[3,2,2,["ann","bob"],true]`)
		eve.Say("who nobody nobody")
		eve.Expect(`[3,0,0,[],false]`)

		k.Deploy(t, "2")
		k.Reload()
	}

	bob.Say("leave lobby")
	bob.Say("bind")
	settle(bob)
	ann.Say("group lobby only ann")
	ann.Expect("only ann")
	ann.Say("user bob nobody")
	settle(ann)
	settle(bob) // nothing came before
	eve.Leave(1000, "")
	k.AwaitFarewell("eve websocket 1000 clean")
	ann.Say("who lobby bob")
	ann.Expect(`[2,1,1,["ann"],false]`)
}

func TestASessionOutlivesWorkersThatAreKilledAndReloads(t *testing.T) {
	t.Parallel()
	k := harness.StartTalk(t, "", "workers = 2")
	s := k.Upgrade("/?name=ann")
	values := map[string]string{
		"text": `"ümläut \u0000 text"`, "int": `9007199254740993`, "float": `1.5`, "whole": `2.0`,
		"list": `[1,"two",[3,null,true]]`, "map": `{"a":{"b":[]},"c":false}`,
		"null": `null`, "negative": `-9223372036854775808`, "empty": `""`,
	}
	for key, value := range values {
		s.Say("set %s %s", key, value)
	}
	s.Say("set gone 1")
	s.Say("unset gone")
	settle(s)
	check := func(when string) {
		t.Helper()
		s.Say("session")
		var got map[string]json.RawMessage
		text := s.Hear()
		if err := json.Unmarshal([]byte(text), &got); err != nil || len(got) != len(values)+1 {
			t.Fatalf("%s: %s (%v)", when, text, err)
		}
		for key, value := range values {
			var want, have any
			json.Unmarshal([]byte(value), &want)
			json.Unmarshal(got[key], &have)
			if fmt.Sprint(want) != fmt.Sprint(have) ||
				strings.Contains(value, ".") != strings.Contains(string(got[key]), ".") {
				t.Errorf("%s: %s was %s and is %s", when, key, value, got[key])
			}
		}
	}
	check("at first")
	for range 3 {
		k.AwaitReady()
		for _, pid := range k.PIDs() {
			harness.KillNow(t, pid)
		}
		check("after all workers were killed")
	}
	k.AwaitReady()
	k.Deploy(t, "2")
	k.Reload()
	check("after a reload")
	s.Say("n 1")
	s.Expect("1 1 2 1")
}

func TestASessionThatManyWorkersCountInEndsExact(t *testing.T) {
	t.Parallel()
	k := harness.StartTalk(t, "", "workers = 4")
	shared := idOf(k.Upgrade("/"))
	const clients, times = 8, 50
	var all []*harness.Socket
	for range clients {
		s := k.Upgrade("/")
		s.Say("bump %s %d", shared, times)
		all = append(all, s)
	}
	pids := map[string]bool{}
	for _, s := range all {
		pids[s.Hear()] = true
	}
	all[0].Say("of %s", shared)
	if got, want := all[0].Hear(), fmt.Sprintf(`"count":%d`, clients*times); !strings.Contains(got, want) {
		t.Errorf("%d workers counted %d times %d times, and the session is %s", len(pids), clients, times, got)
	}
	if len(pids) < 2 {
		t.Errorf("%d workers counted; this proves nothing", len(pids))
	}
}

func TestTimersSendFromEachWorkerAndKeepNoneFromDraining(t *testing.T) {
	t.Parallel()
	dir := harness.PHPWorker(t, `
$worker = Worker::create();
$worker->onOpen(fn ($c) => $c->join('clock'))->every(0.05, fn () => $worker->connections()->sendToGroup('clock', getmypid()))->run();`)
	h := harness.Start(t, "-n", "3", dir)
	s := h.Upgrade("/")
	ticks := func() map[string]bool {
		seen := map[string]bool{}
		for deadline := time.Now().Add(20 * time.Second); len(seen) < 3 && time.Now().Before(deadline); {
			seen[s.Hear()] = true
		}
		return seen
	}
	before := h.PIDs()
	if seen := ticks(); len(seen) < 3 {
		t.Errorf("ticks came from %v, workers are %v", seen, before)
	}
	h.Reload()
	harness.AwaitGone(t, before...)
	now := fmt.Sprint(h.PIDs())
	h.Eventually("all ticks come from new workers", func() bool {
		for pid := range ticks() {
			if !strings.Contains(now, pid) {
				return false
			}
		}
		return true
	})
}

func TestAHandlerThatThrowsHasDoneNothing(t *testing.T) {
	t.Parallel()
	k := harness.StartTalk(t, "", "workers = 2")
	s := k.Upgrade("/")
	s.Say("throw")
	s.Say("now")
	s.Expect("at once")
	s.Say("session")
	s.Expect(`{"name":""}`)
	k.Logs.Await(t, "thrown on purpose")
	if a := k.PIDs(); len(a) != 2 {
		t.Errorf("workers are %v", a)
	}
	for _, w := range k.Status().Pools[0].Workers {
		if w.Restarts != 0 {
			t.Errorf("a handler that throws took its worker with it: %+v", w)
		}
	}
}

func TestASessionBeyondItsLimitIsRefusedWithAllThatTheHandlerAskedFor(t *testing.T) {
	t.Parallel()
	k := harness.StartTalk(t, "session_limit = 1000", "workers = 1")
	s := k.Upgrade("/")
	s.Say("set small %q", strings.Repeat("x", 500))
	settle(s)
	s.Say("set large %q", strings.Repeat("x", 600))
	settle(s)
	s.Say("session")
	if got := s.Hear(); !strings.Contains(got, "small") || strings.Contains(got, "large") {
		t.Errorf("the session is %s", got)
	}
	k.Logs.Await(t, "session_limit")
}
