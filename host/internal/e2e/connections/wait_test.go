// Messages that wait: for a handler that takes its time, for a worker that is no longer there, for code that works
// again.

package connections

import (
	"fmt"
	"testing"
	"time"

	"github.com/workerhost/workerhost/host/internal/e2e/harness"
)

func TestReloadLetsAHandlerFinishAndTheMessagesBehindItGoToNewCode(t *testing.T) {
	t.Parallel()
	k := harness.StartTalk(t, "", "workers = 1")
	s, other := k.Upgrade("/"), k.Upgrade("/")
	s.Say("wait begun")
	harness.AwaitPID(t, k.Dir, "begun")
	for n := 1; n <= 50; n++ {
		s.Say("n %d", n)
	}
	k.Deploy(t, "2")
	reloaded := make(chan string)
	go func() { out, _ := k.Run("reload"); reloaded <- out }()
	k.Eventually("the new code answers beside the old", func() bool {
		_, text := k.Get("/")
		return text == "hello 2"
	})
	other.Say("n 1")
	other.Expect("1 1 2 1")
	harness.Write(t, k.Dir, "go", "1")
	s.Expect("went 1")
	for n := 1; n <= 50; n++ {
		s.Expect(fmt.Sprintf("%d 1 2 %d", n, n))
	}
	<-reloaded
}

func TestAHandlerThatOutlastsDrainTimeoutBeginsAnewInNewCode(t *testing.T) {
	t.Parallel()
	k := harness.StartTalk(t, "", "workers = 1\ndrain_timeout = \"300ms\"\nstop_timeout = \"300ms\"")
	s := k.Upgrade("/")
	s.Say("wait begun")
	old := harness.AwaitPID(t, k.Dir, "begun")
	s.Say("n 1")
	k.Deploy(t, "2")
	k.Reload()
	if again := harness.AwaitPID(t, k.Dir, "begun"); again == old {
		t.Errorf("process %d lives on", old)
	}
	harness.AwaitGone(t, old)
	harness.Write(t, k.Dir, "go", "1")
	s.Expect("went 2")
	s.Expect("1 1 2 1")
}

func TestMessagesWaitInOrderWhileNoWorkerLives(t *testing.T) {
	t.Parallel()
	k := harness.StartTalkTCP(t, "", "workers = 2")
	s, l := k.Upgrade("/"), k.Line()
	settle(s)
	harness.WritePHP(t, k.Dir, "exit(1);")
	for _, pid := range k.PIDs() {
		harness.KillNow(t, pid)
	}
	k.Eventually("no worker is left", func() bool { return k.Count("idle")+k.Count("busy") == 0 })
	const n = 200
	for i := 1; i <= n; i++ {
		s.Say("n %d", i)
		l.Tell(fmt.Sprintf("n %d", i))
	}
	late := make(chan error, 1) // one who comes now waits as well
	go func() {
		talker, err := k.SocketTalker("/")
		if err == nil {
			defer talker.Close()
			if err = talker.Tell("n 1"); err == nil {
				_, err = talker.Listen()
			}
		}
		late <- err
	}()
	time.Sleep(300 * time.Millisecond)
	k.Deploy(t, "2")
	k.Reload()
	for i := 1; i <= n; i++ {
		s.Expect(fmt.Sprintf("%d 1 2 %d", i, i))
		l.Expect(fmt.Sprintf("%d 1 2 %d", i, i))
	}
	if err := <-late; err != nil {
		t.Errorf("a client that came while no worker lived: %v", err)
	}
}

func TestAHandlerThatHangsLosesItsConnectionAlone(t *testing.T) {
	t.Parallel()
	k := harness.StartTalk(t, "", "workers = 2\nrequest_timeout = \"700ms\"\nstop_timeout = \"300ms\"")
	s, other := k.Upgrade("/?name=ann"), k.Upgrade("/")
	s.Say("wait begun")
	pid := harness.AwaitPID(t, k.Dir, "begun")
	if code, _ := s.Ends(); code != 1011 {
		t.Errorf("closed with %d", code)
	}
	k.AwaitFarewell("ann websocket 1011 ")
	harness.AwaitGone(t, pid)
	settle(other)
	k.AwaitReady()
}
