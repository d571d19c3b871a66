// Workers that die with an event: it comes once more, and whoever kills two loses the connection.

package e2e

import (
	"strings"
	"testing"
	"time"
)

func TestAnEventWhoseWorkerDiedComesOnceMoreAndHalfOfItHasNoEffect(t *testing.T) {
	t.Parallel()
	k := startTalk(t, "", "workers = 2")
	s, other := k.upgrade("/?name=ann"), k.upgrade("/")
	s.say("n 1")
	s.say("die 1")
	s.say("n 2") // waits behind it
	s.expect("1 1 1 1")
	s.expect("survived as attempt 2")
	if got := s.hear(); got != "2 1 1 2" && got != "2 2 1 2" { // it may have travelled with the one before
		t.Errorf("the message behind: %q", got)
	}
	s.say("session")
	s.expect(`{"name":"ann","n":2,"deaths":1}`)
	s.say("who dead nobody")
	s.expect(`[2,1,1,[],false]`)
	settle(other)
	if n := strings.Count(k.logs.String(), "event is delivered once more"); n == 0 {
		t.Error("the log does not say that an event is delivered once more")
	}
}

func TestAnEventThatKillsTwoWorkersIsDroppedAndItsConnectionClosed(t *testing.T) {
	t.Parallel()
	k := startTalk(t, "", "workers = 3")
	s, other, watcher := k.upgrade("/?name=ann"), k.upgrade("/"), k.upgrade("/?join=watchers")
	id := idOf(s)
	s.say("die 9")
	s.say("n 1")
	if code, _ := s.ends(); code != 1011 {
		t.Errorf("closed with %d, want 1011", code)
	}
	k.awaitFarewell("ann websocket 1011 clean") // the client has answered
	if got := watcher.hear(); !strings.HasPrefix(got, "closed ann websocket 1011") {
		t.Errorf("onClose says %q", got)
	}
	settle(other)
	k.awaitReady()
	restarts := 0
	for _, w := range k.status().Pools[0].Workers {
		restarts += w.Restarts
	}
	if restarts != 2 {
		t.Errorf("%d workers died of one message, want 2", restarts)
	}
	if !strings.Contains(k.logs.String(), id) {
		t.Errorf("the log does not name the connection %s", id)
	}
}

func TestAnEventOfAPoolWithAtMostOnceIsNotDeliveredAgain(t *testing.T) {
	t.Parallel()
	k := startTalk(t, "", "workers = 2\ndelivery = \"at-most-once\"")
	s, other := k.upgrade("/?name=ann"), k.upgrade("/")
	s.say("die 1")
	if code, _ := s.ends(); code != 1011 {
		t.Errorf("closed with %d, want 1011", code)
	}
	k.awaitFarewell("ann websocket 1011 clean") // CLOSE comes always
	settle(other)
}

func TestAnOpenThatKillsTwoWorkersIsRefused(t *testing.T) {
	t.Parallel()
	k := startTalk(t, "", "workers = 2")
	s, a, err := k.tryUpgrade("/?die=1")
	if err != nil || s != nil || a.StatusCode < 500 {
		t.Errorf("%v %v %v", s, a.Response, err)
	}
	settle(k.upgrade("/"))
}

func TestCloseComesAfterACrashAndWhenTheClientJustLeaves(t *testing.T) {
	t.Parallel()
	k := startTalk(t, "", "workers = 2")
	gone := k.upgrade("/?name=gone")
	gone.Close()
	k.awaitFarewell("gone websocket 1006 unclean")

	ann := k.upgrade("/?name=ann")
	ann.say("wait ann")
	pid := awaitPID(t, k.dir, "ann")
	ann.Close()
	killNow(t, pid) // and no worker but the next one can tell
	awaitPID(t, k.dir, "ann")
	write(t, k.dir, "go", "1")
	k.awaitFarewell("ann websocket 1006 unclean")
	k.eventually("no connection is left", func() bool { _, n := k.get("/count"); return n == "0" })
	if n := len(k.farewells()); n != 2 {
		t.Errorf("two connections were closed %d times: %q", n, k.farewells())
	}
}

func TestAnEventWhoseWorkerExitsOrBreaksTheLinkComesOnceMore(t *testing.T) {
	t.Parallel()
	k := startTalk(t, "", "workers = 2")
	s := k.upgrade("/")
	for _, word := range []string{"exit", "garbage"} {
		s.say("%s", word)
		s.expect("survived as attempt 2")
	}
	k.awaitReady()
	before := k.pids()
	s.say("print")
	s.expect("printed")
	for _, line := range []string{"rubbish on the wire", "printed", "written", "by a child"} {
		k.logs.await(t, line)
	}
	for i, pid := range k.pids() {
		if pid != before[i] {
			t.Errorf("a handler that prints took worker %d with it", i)
		}
	}
}

func TestAMessageThatKillsWorkersTakesNoOtherConnectionWithIt(t *testing.T) {
	t.Parallel()
	k := startTalk(t, "", "workers = 2")
	c := newCrowd(t, 5*time.Millisecond)
	c.join(40, "bystander", func() (talker, error) { return k.socketTalker("/") })
	for range 8 {
		killer := k.upgrade("/")
		killer.say("die 9")
		if code, _ := killer.ends(); code != 1011 {
			t.Errorf("closed with %d", code)
		}
		k.awaitReady()
	}
	c.end()
}
