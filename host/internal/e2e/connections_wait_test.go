// Messages that wait: for a handler that takes its time, for a worker that is no longer there, for code that works again.

package e2e

import (
	"fmt"
	"testing"
	"time"
)

func TestReloadLetsAHandlerFinishAndTheMessagesBehindItGoToNewCode(t *testing.T) {
	t.Parallel()
	k := startTalk(t, "", "workers = 1")
	s, other := k.upgrade("/"), k.upgrade("/")
	s.say("wait begun")
	awaitPID(t, k.dir, "begun")
	for n := 1; n <= 50; n++ {
		s.say("n %d", n)
	}
	k.deploy(t, "2")
	reloaded := make(chan string)
	go func() { out, _ := k.run("reload"); reloaded <- out }()
	k.eventually("the new code answers beside the old", func() bool { _, text := k.get("/"); return text == "hello 2" })
	other.say("n 1")
	other.expect("1 1 2 1")
	write(t, k.dir, "go", "1")
	s.expect("went 1")
	for n := 1; n <= 50; n++ {
		s.expect(fmt.Sprintf("%d 1 2 %d", n, n))
	}
	<-reloaded
}

func TestAHandlerThatOutlastsDrainTimeoutBeginsAnewInNewCode(t *testing.T) {
	t.Parallel()
	k := startTalk(t, "", "workers = 1\ndrain_timeout = \"300ms\"\nstop_timeout = \"300ms\"")
	s := k.upgrade("/")
	s.say("wait begun")
	old := awaitPID(t, k.dir, "begun")
	s.say("n 1")
	k.deploy(t, "2")
	k.reload()
	if again := awaitPID(t, k.dir, "begun"); again == old {
		t.Errorf("process %d lives on", old)
	}
	awaitGone(t, old)
	write(t, k.dir, "go", "1")
	s.expect("went 2")
	s.expect("1 1 2 1")
}

func TestMessagesWaitInOrderWhileNoWorkerLives(t *testing.T) {
	t.Parallel()
	k := startTalkTCP(t, "", "workers = 2")
	s, l := k.upgrade("/"), k.line()
	settle(s)
	writePHP(t, k.dir, "exit(1);")
	for _, pid := range k.pids() {
		killNow(t, pid)
	}
	k.eventually("no worker is left", func() bool { return k.count("idle")+k.count("busy") == 0 })
	const n = 200
	for i := 1; i <= n; i++ {
		s.say("n %d", i)
		l.tell(fmt.Sprintf("n %d", i))
	}
	late := make(chan error, 1) // one who comes now waits as well
	go func() {
		talker, err := k.socketTalker("/")
		if err == nil {
			defer talker.Close()
			if err = talker.tell("n 1"); err == nil {
				_, err = talker.listen()
			}
		}
		late <- err
	}()
	time.Sleep(300 * time.Millisecond)
	k.deploy(t, "2")
	k.reload()
	for i := 1; i <= n; i++ {
		s.expect(fmt.Sprintf("%d 1 2 %d", i, i))
		l.expect(fmt.Sprintf("%d 1 2 %d", i, i))
	}
	if err := <-late; err != nil {
		t.Errorf("a client that came while no worker lived: %v", err)
	}
}

func TestAHandlerThatHangsLosesItsConnectionAlone(t *testing.T) {
	t.Parallel()
	k := startTalk(t, "", "workers = 2\nrequest_timeout = \"700ms\"\nstop_timeout = \"300ms\"")
	s, other := k.upgrade("/?name=ann"), k.upgrade("/")
	s.say("wait begun")
	pid := awaitPID(t, k.dir, "begun")
	if code, _ := s.ends(); code != 1011 {
		t.Errorf("closed with %d", code)
	}
	k.awaitFarewell("ann websocket 1011 ")
	awaitGone(t, pid)
	settle(other)
	k.awaitReady()
}
