package pusher

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
)

// Many connections of few users come and go at once. Whoever has been there all the time is told of each user in turn
// that it has come and that it has gone, and knows in the end who is there.
func TestWhatIsToldOfPresenceAddsUpWhileManyComeAndGo(t *testing.T) {
	s := newStage(t, func(s *Settings) { s.MaxMembers = 100 })
	const room, users, rounds = "presence-room", 4, 25
	watcher := s.comes()
	there := map[string]bool{}
	for _, id := range watcher.enters(room, user("watcher")) {
		there[id] = true
	}
	var clients, all sync.WaitGroup
	for i := range 3 * users {
		clients.Go(func() {
			who := user(fmt.Sprint("u", i%users))
			for range rounds {
				k := s.comes()
				k.says("pusher:subscribe", "", map[string]string{"channel": room, "channel_data": who,
					"auth": "key:" + s.settings.signatureOf(k.socket+":"+room+":"+who)})
				if rand.IntN(3) > 0 { // or it leaves before it knows that it is in
					k.hears(subscribed, nil)
				}
				if rand.IntN(2) == 0 {
					k.says("pusher:unsubscribe", "", map[string]string{"channel": room})
				}
				k.leaves()
			}
		})
	}
	all.Go(func() { // connections that have gone are told of in the end
		clients.Wait()
		s.eventually(func() bool { return s.hub.Count(s.app.group(room), false) == 1 })
		s.app.desk.do(func() { all.Go(func() { s.triggers("end", "", "", room) }) })
	})
	told := 0
	for e := watcher.next(); e.Event != "end"; e = watcher.next() {
		watch(t, there, e)
		told++
	}
	all.Wait()
	if len(there) != 1 || !there["watcher"] || told < 2*users {
		t.Errorf("%d events leave %v", told, there)
	}
}

// watch notes what a member is told, of which nothing is news twice.
func watch(t *testing.T, there map[string]bool, e heard) {
	m := said{Event: e.Event, Data: e.Data}
	var about wireMember
	if err := m.about(&about); err != nil {
		t.Error(err)
	}
	id, err := parseUser(about.ID)
	if err != nil {
		t.Error(err)
	}
	came := e.Event == "pusher_internal:member_added"
	if there[id] == came {
		t.Errorf("%s of %s, who was there: %v", e.Event, id, there[id])
	}
	if delete(there, id); came {
		there[id] = true
	}
}
