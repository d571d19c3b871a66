package pusher

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// members are the ids that a subscription tells of.
func (k *client) enters(channel, who string) []string {
	k.Helper()
	var told struct {
		Presence struct {
			IDs   []string       `json:"ids"`
			Hash  map[string]any `json:"hash"`
			Count int            `json:"count"`
		} `json:"presence"`
	}
	e := k.subscribes(channel, who)
	(&said{Event: e.Event, Data: e.Data}).about(&told)
	p := told.Presence
	if p.Count != len(p.IDs) || len(p.Hash) != len(p.IDs) {
		k.Errorf("it is told %s", e.Data)
	}
	return p.IDs
}

// joins and parts are what the others hear.
func (k *client) told(event, channel, user string) {
	k.Helper()
	var m struct {
		ID   string         `json:"user_id"`
		Info map[string]any `json:"user_info"`
	}
	e := k.hears("pusher_internal:"+event, &m)
	if e.Channel != channel || m.ID != user || event == "member_added" && m.Info["name"] != "N" {
		k.Errorf("it heard %+v, of %+v", e, m)
	}
}

func TestEachUserIsSaidToComeAndToGoOnce(t *testing.T) {
	s := newStage(t)
	const room = "presence-room"
	a, one, two, three := s.comes(), s.comes(), s.comes(), s.comes()
	if ids := a.enters(room, user("ada")); !slices.Equal(ids, []string{"ada"}) {
		t.Errorf("ada is told %v", ids)
	}
	if ids := one.enters(room, user(7)); !slices.Equal(ids, []string{"7", "ada"}) {
		t.Errorf("7 is told %v", ids)
	}
	a.told("member_added", room, "7")
	two.enters(room, user("7"))
	three.enters(room, user("7"))
	a.quiet()
	s.wants(200, `{"users":[{"id":"7"},{"id":"ada"}]}`)(s.asks("GET", "/apps/7/channels/"+room+"/users", nil))
	one.says("pusher:unsubscribe", "", map[string]string{"channel": room})
	one.quiet()
	a.quiet()
	two.leaves()
	three.leaves()
	a.told("member_removed", room, "7")
	a.quiet()
	s.wants(200, `{"users":[{"id":"ada"}]}`)(s.asks("GET", "/apps/7/channels/"+room+"/users", nil))
	one.enters(room, user("7"))
	a.told("member_added", room, "7")
	one.says("pusher:unsubscribe", "", map[string]string{"channel": room})
	a.told("member_removed", room, "7")
	a.says("pusher:unsubscribe", "", map[string]string{"channel": room})
	a.quiet()
	s.app.desk.do(func() {
		if len(s.app.told) > 0 {
			t.Errorf("it remembers %v", s.app.told)
		}
	})
}

func TestAChannelHasNoMoreMembersThanItMay(t *testing.T) {
	s := newStage(t)
	for i := range 3 {
		s.comes().enters("presence-a", user(i))
	}
	s.comes().enters("presence-a", user(2)) // the same user
	k := s.comes()
	text := k.socket + ":presence-a:" + user(3)
	k.says("pusher:subscribe", "", map[string]string{"channel": "presence-a", "channel_data": user(3),
		"auth": "key:" + s.settings.signatureOf(text)})
	k.hears("pusher:error", nil)
	var r refused
	if k.hears("pusher:subscription_error", &r); r.Type != "LimitReached" {
		t.Errorf("it is told %+v", r)
	}
}

func TestWhoComesIntoAChannelHasToSayWho(t *testing.T) {
	s := newStage(t)
	k := s.comes()
	for _, who := range []string{"", "x", "{}", `{"user_id":""}`, `{"user_id":1.5}`, `{"user_id":true}`,
		`{"user_id":"` + strings.Repeat("x", 129) + `"}`} {
		text := k.socket + ":presence-a"
		data := map[string]string{"channel": "presence-a"}
		if who != "" {
			text += ":" + who
			data["channel_data"] = who
		}
		data["auth"] = "key:" + s.settings.signatureOf(text)
		k.says("pusher:subscribe", "", data)
		k.hears("pusher:error", nil)
		k.hears("pusher:subscription_error", nil)
	}
	big := fmt.Sprintf(`{"user_id":1,"user_info":%q}`, strings.Repeat("x", 60<<10)) // with the rest, beyond a session
	text := k.socket + ":presence-b:" + big
	auth := "key:" + s.settings.signatureOf(text)
	k.subscribes("presence-a", user(1))
	k.saysRaw(encode(event{Event: "pusher:subscribe", Data: map[string]string{"channel": "presence-b", "auth": auth,
		"channel_data": big}}))
	if e := k.next(); e.Event != subscribed && e.Event != "pusher:error" {
		t.Errorf("it heard %+v", e)
	}
	k.quiet()
}

// A host that has taken over knows of nobody what the one before has said, but finds its connections.
func TestAnAppThatHasJustBegunTellsWhoLeaves(t *testing.T) {
	s := newStage(t)
	a, b, c := s.comes(), s.comes(), s.comes()
	a.enters("presence-a", user("a"))
	b.enters("presence-a", user("b"))
	a.told("member_added", "presence-a", "b")
	c.enters("presence-a", user("b"))
	s.app.desk.do(func() { clear(s.app.told) })
	b.leaves()
	a.quiet()
	c.leaves()
	a.told("member_removed", "presence-a", "b")
	s.app.desk.do(func() { clear(s.app.told) })
	s.comes().enters("presence-a", user("a"))
	a.quiet()
	s.comes().enters("presence-a", user("d"))
	a.told("member_added", "presence-a", "d")
}
