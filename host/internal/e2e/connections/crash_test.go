// Workers that die with an event: it comes once more, and whoever kills two loses the connection.

package connections

import (
	"strings"
	"testing"
	"time"

	"github.com/workerhost/workerhost/host/internal/e2e/harness"
)

func TestAnEventWhoseWorkerDiedComesOnceMoreAndHalfOfItHasNoEffect(t *testing.T) {
	t.Parallel()
	k := harness.StartTalk(t, "", "workers = 2")
	s, other := k.Upgrade("/?name=ann"), k.Upgrade("/")
	s.Say("n 1")
	s.Say("die 1")
	s.Say("n 2") // waits behind it
	s.Expect("1 1 1 1")
	s.Expect("survived as attempt 2")
	if got := s.Hear(); got != "2 1 1 2" && got != "2 2 1 2" { // it may have travelled with the one before
		t.Errorf("the message behind: %q", got)
	}
	s.Say("session")
	s.Expect(`{"name":"ann","n":2,"deaths":1}`)
	s.Say("who dead nobody")
	s.Expect(`[2,1,1,[],false]`)
	settle(other)
	if n := strings.Count(k.Logs.String(), "event is delivered once more"); n == 0 {
		t.Error("the log does not say that an event is delivered once more")
	}
}

func TestAnEventThatKillsTwoWorkersIsDroppedAndItsConnectionClosed(t *testing.T) {
	t.Parallel()
	k := harness.StartTalk(t, "", "workers = 3")
	s, other, watcher := k.Upgrade("/?name=ann"), k.Upgrade("/"), k.Upgrade("/?join=watchers")
	id := idOf(s)
	s.Say("die 9")
	s.Say("n 1")
	if code, _ := s.Ends(); code != 1011 {
		t.Errorf("closed with %d, want 1011", code)
	}
	k.AwaitFarewell("ann websocket 1011 clean") // the client has answered
	if got := watcher.Hear(); !strings.HasPrefix(got, "closed ann websocket 1011") {
		t.Errorf("onClose says %q", got)
	}
	settle(other)
	k.AwaitReady()
	restarts := 0
	for _, w := range k.Status().Pools[0].Workers {
		restarts += w.Restarts
	}
	if restarts != 2 {
		t.Errorf("%d workers died of one message, want 2", restarts)
	}
	if !strings.Contains(k.Logs.String(), id) {
		t.Errorf("the log does not name the connection %s", id)
	}
}

func TestAnEventOfAPoolWithAtMostOnceIsNotDeliveredAgain(t *testing.T) {
	t.Parallel()
	k := harness.StartTalk(t, "", "workers = 2\ndelivery = \"at-most-once\"")
	s, other := k.Upgrade("/?name=ann"), k.Upgrade("/")
	s.Say("die 1")
	if code, _ := s.Ends(); code != 1011 {
		t.Errorf("closed with %d, want 1011", code)
	}
	k.AwaitFarewell("ann websocket 1011 clean") // CLOSE comes always
	settle(other)
}

func TestAnOpenThatKillsTwoWorkersIsRefused(t *testing.T) {
	t.Parallel()
	k := harness.StartTalk(t, "", "workers = 2")
	s, a, err := k.TryUpgrade("/?die=1")
	if err != nil || s != nil || a.StatusCode < 500 {
		t.Errorf("%v %v %v", s, a.Response, err)
	}
	settle(k.Upgrade("/"))
}

func TestCloseComesAfterACrashAndWhenTheClientJustLeaves(t *testing.T) {
	t.Parallel()
	k := harness.StartTalk(t, "", "workers = 2")
	gone := k.Upgrade("/?name=gone")
	gone.Close()
	k.AwaitFarewell("gone websocket 1006 unclean")

	ann := k.Upgrade("/?name=ann")
	ann.Say("wait ann")
	pid := harness.AwaitPID(t, k.Dir, "ann")
	ann.Close()
	harness.KillNow(t, pid) // and no worker but the next one can tell
	harness.AwaitPID(t, k.Dir, "ann")
	harness.Write(t, k.Dir, "go", "1")
	k.AwaitFarewell("ann websocket 1006 unclean")
	k.Eventually("no connection is left", func() bool { _, n := k.Get("/count"); return n == "0" })
	if n := len(k.Farewells()); n != 2 {
		t.Errorf("two connections were closed %d times: %q", n, k.Farewells())
	}
}

func TestAnEventWhoseWorkerExitsOrBreaksTheLinkComesOnceMore(t *testing.T) {
	t.Parallel()
	k := harness.StartTalk(t, "", "workers = 2")
	s := k.Upgrade("/")
	for _, word := range []string{"exit", "garbage"} {
		s.Say("%s", word)
		s.Expect("survived as attempt 2")
	}
	k.AwaitReady()
	before := k.PIDs()
	s.Say("print")
	s.Expect("printed")
	for _, line := range []string{"rubbish on the wire", "printed", "written", "by a child"} {
		k.Logs.Await(t, line)
	}
	for i, pid := range k.PIDs() {
		if pid != before[i] {
			t.Errorf("a handler that prints took worker %d with it", i)
		}
	}
}

func TestAMessageThatKillsWorkersTakesNoOtherConnectionWithIt(t *testing.T) {
	t.Parallel()
	k := harness.StartTalk(t, "", "workers = 2")
	pause := 50 * time.Millisecond
	if harness.Long {
		pause = 5 * time.Millisecond
	}
	c := harness.NewCrowd(t, pause)
	c.Join(40, "bystander", func() (harness.Talker, error) { return k.SocketTalker("/") })
	for range 8 {
		killer := k.Upgrade("/")
		killer.Say("die 9")
		if code, _ := killer.Ends(); code != 1011 {
			t.Errorf("closed with %d", code)
		}
		k.AwaitReady()
	}
	c.End()
}
