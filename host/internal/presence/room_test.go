package presence

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/workerhost/workerhost/host/internal/hub"
	"github.com/workerhost/workerhost/protocol"
)

// fakeHub notes what it is to tell.
type fakeHub struct {
	room    *Room
	watched int

	mu   sync.Mutex
	told []string // guarded by mu
}

func (h *fakeHub) Watch(hub.Watcher) { h.watched++ }

func (h *fakeHub) Notify(n hub.Notice) {
	text := n.Text()
	h.mu.Lock()
	defer h.mu.Unlock()
	h.told = append(h.told, fmt.Sprintf("%s %s %s", n.Connection, n.Event, text))
}

// tells is what has been told since the last time.
func (h *fakeHub) tells(t *testing.T, want ...string) {
	t.Helper()
	synctest.Wait()
	h.mu.Lock()
	defer h.mu.Unlock()
	if !slices.Equal(h.told, want) {
		t.Errorf("it told\n%s\nin place of\n%s", strings.Join(h.told, "\n"), strings.Join(want, "\n"))
	}
	h.told = nil
}

func (h *fakeHub) forget() {
	synctest.Wait()
	h.mu.Lock()
	defer h.mu.Unlock()
	h.told = nil
}

// is has a connection be of a user and in groups.
func (h *fakeHub) is(id, user string, groups ...string) {
	h.room.changed(id, hub.Standing{UID: user, Groups: groups, Hears: true})
}

const entered, left = ` entered {"channel":"room.a","entered":["%s"]}`, ` left {"channel":"room.a","left":["%s"]}`

func in(text string, user string) string { return fmt.Sprintf(text, user) }

func members(connection, users string) string {
	return connection + ` members {"channel":"room.a","members":[` + users + `]}`
}

// inRoom runs a test with a room that has presence in "room.…".
func inRoom(t *testing.T, test func(t *testing.T, h *fakeHub)) {
	synctest.Test(t, func(t *testing.T) {
		h := &fakeHub{}
		h.room = NewRoom(h)
		h.room.Set(rooms)
		test(t, h)
		h.room.Close()
	})
}

func rooms(group string) time.Duration {
	if strings.HasPrefix(group, "room.") {
		return 10 * time.Second
	}
	return 0
}

func TestWhoComesIsToldWhoIsThereAndTheOthersThatItHasCome(t *testing.T) {
	inRoom(t, func(t *testing.T, h *fakeHub) {
		h.is("1", "ada", "room.a", "other")
		h.tells(t, in(entered, "ada"), members("1", `"ada"`))
		h.is("2", "ben", "room.a")
		h.tells(t, in(entered, "ben"), members("2", `"ada","ben"`))
		h.is("3", "", "room.a") // who is nobody is told, and not counted
		h.tells(t, members("3", `"ada","ben"`))
		h.is("4", "ben", "room.a") // the second connection of one who is there
		h.tells(t, members("4", `"ada","ben"`))
		h.is("4", "ben", "room.a", "other") // which changes nothing
		h.tells(t)
		if groups, users := h.room.Counts(); groups != 1 || users != 2 {
			t.Error(groups, users)
		}
	})
}

func TestWhoComesBackInTimeHasNeverBeenAway(t *testing.T) {
	inRoom(t, func(t *testing.T, h *fakeHub) {
		h.is("1", "ada", "room.a")
		h.is("2", "ben", "room.a")
		h.forget()
		h.is("2", "ben")
		time.Sleep(9 * time.Second)
		h.is("3", "ben", "room.a")
		time.Sleep(time.Minute)
		h.tells(t, members("3", `"ada","ben"`))
		h.is("3", "ben")
		time.Sleep(5 * time.Second)
		h.is("4", "ben", "room.a")
		h.is("4", "ben")
		time.Sleep(9 * time.Second) // it counts from the last time
		if users, _ := h.room.Members("room.a"); !slices.Equal(users, []string{"ada", "ben"}) {
			t.Error(users)
		}
		h.tells(t, members("4", `"ada","ben"`)) // which the hub drops
		time.Sleep(time.Second)
		h.tells(t, in(left, "ben"))
	})
}

func TestAUserLeavesWithItsLastConnection(t *testing.T) {
	inRoom(t, func(t *testing.T, h *fakeHub) {
		h.is("1", "ada", "room.a")
		h.is("2", "ada", "room.a")
		h.is("1", "ada")
		time.Sleep(time.Minute)
		h.tells(t, in(entered, "ada"), members("1", `"ada"`), members("2", `"ada"`))
		h.is("2", "ada", "room.b") // which is another group
		h.tells(t, ` entered {"channel":"room.b","entered":["ada"]}`, `2 members {"channel":"room.b","members":["ada"]}`)
		time.Sleep(time.Minute)
		h.tells(t, in(left, "ada"))
	})
}

func TestWhoGetsAnotherUserIdIsAnother(t *testing.T) {
	inRoom(t, func(t *testing.T, h *fakeHub) {
		h.is("1", "", "room.a")
		h.tells(t, members("1", ``))
		h.is("1", "ada", "room.a")
		h.is("1", "ben", "room.a")
		time.Sleep(time.Minute)
		h.tells(t, in(entered, "ada"), in(entered, "ben"), in(left, "ada"))
	})
}

func TestWhoseClientLearnsOfChannelsLaterIsToldThen(t *testing.T) {
	inRoom(t, func(t *testing.T, h *fakeHub) {
		h.room.changed("1", hub.Standing{UID: "ada", Groups: []string{"room.a"}})
		h.tells(t, in(entered, "ada"))
		h.is("1", "ada", "room.a")
		h.tells(t, members("1", `"ada"`))
	})
}

func TestThoseWhoComeFromAnotherHostAreThereAlready(t *testing.T) {
	inRoom(t, func(t *testing.T, h *fakeHub) {
		h.room.changed("1", hub.Standing{UID: "ada", Groups: []string{"room.a"}, Hears: true, Moved: true})
		h.tells(t, members("1", `"ada"`)) // those who were about to have left there are away
		h.room.changed("1", hub.Standing{UID: "ben", Groups: []string{"room.a"}, Hears: true, Moved: true})
		h.tells(t, in(entered, "ben"))
	})
}

func TestAReloadMayHaveItToldOfMoreAndOfLess(t *testing.T) {
	inRoom(t, func(t *testing.T, h *fakeHub) {
		h.is("1", "ada", "room.a", "hall")
		h.is("2", "ben", "room.a")
		h.is("2", "ben")
		h.forget()
		h.room.Set(func(group string) time.Duration { return map[string]time.Duration{"hall": time.Second}[group] })
		h.tells(t, `1 members {"channel":"hall","members":["ada"]}`)
		if _, told := h.room.Members("room.a"); told {
			t.Error("it tells of room.a still")
		}
		time.Sleep(time.Minute)
		h.is("4", "dora", "hall")
		h.is("4", "dora")
		h.forget()
		h.room.Set(func(group string) time.Duration { return time.Millisecond })
		h.forget()
		time.Sleep(time.Millisecond)
		h.tells(t, ` left {"channel":"hall","left":["dora"]}`)
		h.room.Set(nil)
		h.is("1", "ada")
		time.Sleep(time.Minute)
		h.tells(t)
		if groups, _ := h.room.Counts(); groups != 0 || h.watched != 1 {
			t.Error(groups, h.watched)
		}
		h.room.Set(rooms)
		h.is("3", "cleo", "room.a")
		h.tells(t, in(entered, "cleo"), members("3", `"cleo"`))
	})
}

// asked has one question answered.
type asked chan *protocol.Result

func (a asked) Reply(_ uint32, r *protocol.Result) { a <- r }

func (a asked) Waiting(uint32) context.Context { return context.Background() }

func TestWorkersAskWhoIsThere(t *testing.T) {
	inRoom(t, func(t *testing.T, h *fakeHub) {
		h.is("1", "ben", "room.a")
		h.is("2", "ada", "room.a")
		for _, c := range []struct {
			method string
			group  any
			want   string
			code   protocol.CallCode
		}{
			{"presence.members", "room.a", "[ada ben]", 0},
			{"presence.members", "room.z", "[]", 0},
			{"presence.members", "other", "needs a [channel] that names it", protocol.CallNotFound},
			{"presence.members", 7, "takes the name of one group", protocol.CallInvalidArgument},
			{"presence.nothing", "room.a", "presence.nothing", protocol.CallUnimplemented},
		} {
			value, err := protocol.NewValue(c.group)
			if err != nil {
				t.Fatal(err)
			}
			got := make(asked, 1)
			h.room.Call(&protocol.Call{Method: c.method, Arguments: []protocol.Value{value}},
				protocol.NewCaller(got, 0))
			r := <-got
			text := r.Error
			if r.Error == "" {
				v, _ := r.Value.Decode()
				text = fmt.Sprint(v)
			}
			if r.Code != c.code || !strings.Contains(text, c.want) {
				t.Errorf("%s %v: %d %s", c.method, c.group, r.Code, text)
			}
		}
	})
}
