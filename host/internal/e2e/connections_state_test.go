// What the host keeps of connections, groups, users and sessions, seen from many workers and across their ends.

package e2e

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"
)

// id is the connection's own, which the worker says.
func idOf(s *socket) string {
	s.t.Helper()
	s.say("id")
	return s.hear()
}

// settle returns when what the socket has said is done: two messages may travel together, and take effect together.
func settle(s *socket) {
	s.t.Helper()
	s.say("say settled")
	s.expect("settled")
}

func TestGroupsUsersAndBroadcastsReachAcrossWorkersAndAReload(t *testing.T) {
	t.Parallel()
	k := startTalk(t, "", "workers = 4")
	ann, bob, eve := k.upgrade("/?join=lobby&uid=ann&name=ann"), k.upgrade("/?join=lobby&name=bob"), k.upgrade("/?name=eve")
	bob.say("bind bob")
	settle(bob)

	for _, version := range []string{"1", "2"} {
		ann.say("group lobby to the lobby %s", version)
		ann.expect("to the lobby " + version)
		bob.expect("to the lobby " + version)
		bob.say("others lobby not to me %s", version)
		ann.expect("not to me " + version)
		eve.say("user ann for ann %s", version)
		ann.expect("for ann " + version)
		eve.say("all to all %s", version)
		for _, s := range []*socket{ann, bob, eve} {
			s.expect("to all " + version)
		}
		eve.say("tell %s to one %s", idOf(bob), version)
		bob.expect("to one " + version)
		// A handler of HTTP sends, too.
		if _, text := k.get("/send?group=lobby&text=by+request+" + version); text != "sent by "+version {
			t.Errorf("GET /send: %q", text)
		}
		ann.expect("by request " + version)
		bob.expect("by request " + version)
		if code, _ := k.get("/throw"); code != 500 {
			t.Errorf("a request that throws: %d", code)
		}
		eve.say("who lobby bob")
		eve.expect(`[3,2,2,["ann","bob"],true]`)
		eve.say("who nobody nobody")
		eve.expect(`[3,0,0,[],false]`)

		k.deploy(t, "2")
		k.reload()
	}

	bob.say("leave lobby")
	bob.say("bind")
	settle(bob)
	ann.say("group lobby only ann")
	ann.expect("only ann")
	ann.say("user bob nobody")
	settle(ann)
	settle(bob) // nothing came before
	eve.leave(1000, "")
	k.awaitFarewell("eve websocket 1000 clean")
	ann.say("who lobby bob")
	ann.expect(`[2,1,1,["ann"],false]`)
}

func TestASessionOutlivesWorkersThatAreKilledAndReloads(t *testing.T) {
	t.Parallel()
	k := startTalk(t, "", "workers = 2")
	s := k.upgrade("/?name=ann")
	values := map[string]string{
		"text": `"ümläut \u0000 text"`, "int": `9007199254740993`, "float": `1.5`, "whole": `2.0`, "list": `[1,"two",[3,null,true]]`, "map": `{"a":{"b":[]},"c":false}`,
		"null": `null`, "negative": `-9223372036854775808`, "empty": `""`,
	}
	for key, value := range values {
		s.say("set %s %s", key, value)
	}
	s.say("set gone 1")
	s.say("unset gone")
	settle(s)
	check := func(when string) {
		t.Helper()
		s.say("session")
		var got map[string]json.RawMessage
		text := s.hear()
		if err := json.Unmarshal([]byte(text), &got); err != nil || len(got) != len(values)+1 {
			t.Fatalf("%s: %s (%v)", when, text, err)
		}
		for key, value := range values {
			var want, have any
			json.Unmarshal([]byte(value), &want)
			json.Unmarshal(got[key], &have)
			if fmt.Sprint(want) != fmt.Sprint(have) || strings.Contains(value, ".") != strings.Contains(string(got[key]), ".") {
				t.Errorf("%s: %s was %s and is %s", when, key, value, got[key])
			}
		}
	}
	check("at first")
	for range 3 {
		k.awaitReady()
		for _, pid := range k.pids() {
			killNow(t, pid)
		}
		check("after all workers were killed")
	}
	k.awaitReady()
	k.deploy(t, "2")
	k.reload()
	check("after a reload")
	s.say("n 1")
	s.expect("1 1 2 1")
}

func TestASessionThatManyWorkersCountInEndsExact(t *testing.T) {
	t.Parallel()
	k := startTalk(t, "", "workers = 4")
	shared := idOf(k.upgrade("/"))
	const clients, times = 8, 50
	var all []*socket
	for range clients {
		s := k.upgrade("/")
		s.say("bump %s %d", shared, times)
		all = append(all, s)
	}
	pids := map[string]bool{}
	for _, s := range all {
		pids[s.hear()] = true
	}
	all[0].say("of %s", shared)
	if got, want := all[0].hear(), fmt.Sprintf(`"count":%d`, clients*times); !strings.Contains(got, want) {
		t.Errorf("%d workers counted %d times %d times, and the session is %s", len(pids), clients, times, got)
	}
	if len(pids) < 2 {
		t.Errorf("%d workers counted; this proves nothing", len(pids))
	}
}

func TestTimersSendFromEachWorkerAndKeepNoneFromDraining(t *testing.T) {
	t.Parallel()
	dir := phpWorker(t, `
$worker = Worker::create();
$worker->onOpen(fn ($c) => $c->join('clock'))->every(0.05, fn () => $worker->connections()->sendToGroup('clock', getmypid()))->run();`)
	h := start(t, "-n", "3", dir)
	s := h.upgrade("/")
	ticks := func() map[string]bool {
		seen := map[string]bool{}
		for deadline := time.Now().Add(20 * time.Second); len(seen) < 3 && time.Now().Before(deadline); {
			seen[s.hear()] = true
		}
		return seen
	}
	before := h.pids()
	if seen := ticks(); len(seen) < 3 {
		t.Errorf("ticks came from %v, workers are %v", seen, before)
	}
	h.reload()
	awaitGone(t, before...)
	now := fmt.Sprint(h.pids())
	h.eventually("all ticks come from new workers", func() bool {
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
	k := startTalk(t, "", "workers = 2")
	s := k.upgrade("/")
	s.say("throw")
	s.say("now")
	s.expect("at once")
	s.say("session")
	s.expect(`{"name":""}`)
	k.logs.await(t, "thrown on purpose")
	if a := k.pids(); len(a) != 2 {
		t.Errorf("workers are %v", a)
	}
	for _, w := range k.status().Pools[0].Workers {
		if w.Restarts != 0 {
			t.Errorf("a handler that throws took its worker with it: %+v", w)
		}
	}
}

func TestASessionBeyondItsLimitIsRefusedWithAllThatTheHandlerAskedFor(t *testing.T) {
	t.Parallel()
	k := startTalk(t, "session_limit = 1000", "workers = 1")
	s := k.upgrade("/")
	s.say("set small %q", strings.Repeat("x", 500))
	settle(s)
	s.say("set large %q", strings.Repeat("x", 600))
	settle(s)
	s.say("session")
	if got := s.hear(); !strings.Contains(got, "small") || strings.Contains(got, "large") {
		t.Errorf("the session is %s", got)
	}
	k.logs.await(t, "session_limit")
}
