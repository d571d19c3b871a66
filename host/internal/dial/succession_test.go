package dial

import (
	"strings"
	"testing"

	"github.com/workerhost/workerhost/protocol"
)

func TestAnotherHostGoesOnWithDials(t *testing.T) {
	s, server := newStage(t), newServer(t)
	s.crew.does(func(e protocol.Opening) ([]protocol.Act, *protocol.Response) {
		if _, ok := e.(*protocol.Open); ok {
			return []protocol.Act{&protocol.Join{Groups: []string{"later"}}}, nil
		}
		return nil, nil
	})
	s.standing(server, s.dial(server.url("ws", "/"), "p"))
	s.open(s.dial("tcp://127.0.0.1:1", "waits"), protocol.DialBegun)
	s.until("one waits", func(all []State) bool { return all[1].Failures > 0 && all[1].Phase == "waiting" })
	s.room.Suspend()
	records := s.room.Records()

	heir := newStage(t)
	room := New(heir.room.Settings)
	heir.room = room
	heir.opens(heir.owner, 1, heir.dial(server.url("ws", "/"), "p"), protocol.DialBegun) // as its workers boot
	room.Restore(records, func(pool string) (*Owner, Fence) { return heir.owner, heir.fence })
	if n := len(room.List()); n != 2 || len(server.came) != 0 {
		t.Fatalf("the heir has %+v", room.List())
	}
	s.room.Leave()
	room.Start()
	hears(t, server.accepts()).accept("", nil)
	c := heir.isOpen("p")
	if c.Dial.Reconnects != 1 || len(c.Groups) != 1 || c.Groups[0] != "later" {
		t.Errorf("OPEN has %+v, %+v", c, c.Dial)
	}

	none := New(heir.room.Settings)
	heir.fence.none = true
	none.Restore(records, func(pool string) (*Owner, Fence) { return heir.owner, heir.fence })
	none.Restore(records, func(pool string) (*Owner, Fence) { return nil, nil })
	if n := len(none.List()); n != 0 || !strings.Contains(heir.logged.String(), "does not go on") {
		t.Errorf("what is not allowed goes on: %+v", none.List())
	}
}

func TestASuspendedRoomDialsNothingUntilItStartsAgain(t *testing.T) {
	s, server := newStage(t), newServer(t)
	e := s.standing(server, s.dial(server.url("ws", "/"), "p"))
	s.room.Suspend()
	e.Close()
	next[*protocol.Close](s)
	s.until("it waits", func(all []State) bool { return len(all) == 1 && all[0].Phase == "waiting" })
	if len(server.came) != 0 {
		t.Error("it is dialed nevertheless")
	}
	s.room.Start()
	hears(t, server.accepts()).accept("", nil)
	s.isOpen("p")
}
