package pusher

import (
	"strings"
	"testing"

	"github.com/workerhost/workerhost/protocol"
)

func TestASocketIsTwoNumbersAndBack(t *testing.T) {
	s := newStage(t)
	for range 3 {
		k := s.comes()
		id, ok := idOf(k.socket)
		if c := s.hub.Get(id); !ok || c == nil {
			t.Errorf("%s is %q, and no connection", k.socket, id)
		}
		if again, ok := socketOf(id); again != k.socket || !ok {
			t.Errorf("%q is %s again, and was %s", id, again, k.socket)
		}
	}
	for _, id := range []string{"", "-", "abc-1", "abcdefgh", "abcdefgh-", "abcdefg1-1", "ABCDEFGH-1", "abcdefgh-!",
		"abcdefgh-3w5e11264sgsg"} {
		if socket, ok := socketOf(id); ok {
			t.Errorf("%q is said to be %s", id, socket)
		}
	}
	for _, socket := range []string{"", ".", "1", "1.", ".1", "-1.1", "1099511627776.1", "1.18446744073709551616",
		"1.1.1", "a.b"} {
		if id, ok := idOf(socket); ok {
			t.Errorf("%q is said to be %s", socket, id)
		}
	}
}

func TestAClientThatMayNotComeIsToldWhy(t *testing.T) {
	s := newStage(t)
	for path, code := range map[string]int{
		"/app/other?protocol=7": 4001, "/app?protocol=7": 4005, "/?protocol=7": 4005, "/app/key": 4008,
		"/app/key?protocol=seven": 4006, "/app/key?protocol=4": 4007, "/app/key?protocol=8": 4007,
		"/app/key/?protocol=7": 4001,
	} {
		k := s.dial(path)
		var p problem
		k.hears("pusher:error", &p)
		if p.Code == nil || *p.Code != code || p.Message == "" {
			t.Errorf("%s: it is told %+v", path, p)
		}
		if k.next(); int(k.closed) != code {
			t.Errorf("%s: it is closed with %d, not %d", path, k.closed, code)
		}
	}
}

func TestWhatIsSentToAChannelIsHeardThereAndNowhereElse(t *testing.T) {
	s := newStage(t)
	a, b, c := s.comes(), s.comes(), s.comes()
	if e := a.subscribes("orders"); string(e.Data) != `"{}"` {
		t.Errorf("it is told %s", e.Data)
	}
	b.subscribes("orders")
	c.subscribes("other")
	s.triggers("created", `{"n":1}`, "", "orders")
	for _, k := range []*client{a, b} {
		if e := k.hears("created", nil); e.Channel != "orders" || string(e.Data) != `"{\"n\":1}"` || e.User != "" {
			t.Errorf("it heard %+v %s", e, e.Data)
		}
	}
	s.triggers("created", `2`, a.socket, "orders", "other")
	b.hears("created", nil)
	c.hears("created", nil)
	a.quiet()
	b.says("pusher:unsubscribe", "", map[string]string{"channel": "orders"})
	b.quiet()
	s.triggers("created", `3`, "", "orders")
	a.hears("created", nil)
	b.quiet()
	c.quiet()
}

// A worker of the realm sends to the channel's group what a client is to read.
func TestAChannelIsAGroupThatWorkersSendTo(t *testing.T) {
	s := newStage(t)
	a := s.comes()
	a.subscribes("orders")
	e := `{"event":"created","channel":"orders","data":"1"}`
	err := s.hub.Apply(nil, []protocol.Act{&protocol.Send{To: protocol.ToGroups, Names: []string{"pusher:main:orders"},
		Bytes: []byte(e)}})
	if err != nil {
		t.Fatal(err)
	}
	a.hears("created", nil)
}

func TestWhatAClientSaysWrongIsAnsweredAndEndsNothing(t *testing.T) {
	s := newStage(t)
	k := s.comes()
	for _, wrong := range []string{"", "x", "[]", "{}", `{"event":7}`, `{"event":"pusher:subscribe"}`,
		`{"event":"pusher:subscribe","data":"x"}`, `{"event":"pusher:subscribe","data":{"channel":"a b"}}`,
		`{"event":"pusher:subscribe","data":{"channel":""}}`, `{"event":"other"}`,
		`{"event":"pusher:subscribe","data":{"channel":"#server-to-user-"}}`,
		`{"event":"pusher:subscribe","data":{"channel":"` + strings.Repeat("x", 201) + `"}}`,
		`{"event":"pusher:signin","data":[]}`, strings.Repeat(" ", protocol.MaxData+1)} {
		k.saysRaw([]byte(wrong))
		var p problem
		if k.hears("pusher:error", &p); p.Message == "" || p.Code != nil {
			t.Errorf("%.40q is answered %+v", wrong, p)
		}
	}
	k.subscribes("orders")
	k.says("pusher:subscribe", "", map[string]string{"channel": "orders"})
	k.hears("pusher:error", nil)
	k.says("pusher:unsubscribe", "", map[string]string{"channel": "never"})
	k.saysRaw([]byte(`{"event":"pusher:subscribe","data":"{\"channel\":\"text\"}"}`))
	k.hears(subscribed, nil)
	k.quiet()
}

func TestNobodyHearsAPrivateChannelWithoutItsSignature(t *testing.T) {
	s := newStage(t)
	k, other := s.comes(), s.comes()
	good := s.settings.signatureOf(k.socket + ":private-a")
	for _, auth := range []string{"", "key:", "key:" + strings.Repeat("0", 64), good, "other:" + good,
		"key:" + s.settings.signatureOf(k.socket+":private-b"), "key:" + strings.ToUpper(good),
		"key:" + s.settings.signatureOf(other.socket+":private-a"),
		"key:" + s.settings.signatureOf(k.socket+":private-a:{}")} {
		k.says("pusher:subscribe", "", map[string]string{"channel": "private-a", "auth": auth})
		var p problem
		if k.hears("pusher:error", &p); p.Code == nil || *p.Code != 4009 {
			t.Errorf("%q is answered %+v", auth, p)
		}
		var r refused
		e := k.hears("pusher:subscription_error", &r)
		if e.Channel != "private-a" || r.Type != "AuthError" || r.Status != 401 || r.Error == "" {
			t.Errorf("%q is answered %+v %+v", auth, e, r)
		}
	}
	s.triggers("secret", "1", "", "private-a")
	k.quiet()
	k.subscribes("private-a")
	k.subscribes("private-encrypted-a")
	s.triggers("secret", "1", "", "private-a")
	k.hears("secret", nil)
}

func TestClientEventsGoToTheOthersOfAPrivateChannel(t *testing.T) {
	s := newStage(t)
	a, b, c := s.comes(), s.comes(), s.comes()
	a.subscribes("private-a")
	b.subscribes("private-a")
	a.subscribes("presence-a", user(1))
	b.subscribes("presence-a", user("2"))
	a.hears("pusher_internal:member_added", nil)
	a.says("client-typing", "private-a", map[string]bool{"on": true})
	if e := b.hears("client-typing", nil); e.Channel != "private-a" || string(e.Data) != `{"on":true}` || e.User != "" {
		t.Errorf("it heard %+v", e)
	}
	a.says("client-typing", "presence-a", nil)
	if e := b.hears("client-typing", nil); e.User != "1" {
		t.Errorf("it heard %+v", e)
	}
	a.subscribes("public")
	a.subscribes("private-encrypted-a")
	refused := func(k *client, channel string, data any) {
		t.Helper()
		k.says("client-typing", channel, data)
		var p problem
		if k.hears("pusher:error", &p); p.Code == nil || *p.Code != 4301 {
			t.Errorf("%s is answered %+v", channel, p)
		}
	}
	for _, channel := range []string{"public", "private-encrypted-a", "", "private-other"} {
		refused(a, channel, 1)
	}
	refused(c, "private-a", 1)
	off := *s.settings
	off.MaxEvent = 10
	s.app.Retune(&off)
	refused(a, "private-a", strings.Repeat("x", 9))
	off.ClientEvents = false
	refused(a, "private-a", 1)
	a.quiet()
	b.quiet()
}

func TestAUserWhoHasSignedInHearsWhatIsForItAndCanBeEnded(t *testing.T) {
	s := newStage(t)
	k, other := s.comes(), s.comes()
	mine := map[string]string{"channel": "#server-to-user-42"}
	k.says("pusher:subscribe", "", mine)
	k.hears("pusher:error", nil)
	k.hears("pusher:subscription_error", nil)
	data := `{"id":"42","user_info":{"name":"Ada"}}`
	signIn := func(k *client, data, auth string) {
		k.says("pusher:signin", "", map[string]string{"user_data": data, "auth": auth})
	}
	signIn(k, data, "key:"+s.settings.signatureOf(k.socket+"::user::"+data))
	var done struct {
		Data string `json:"user_data"`
	}
	if k.hears("pusher:signin_success", &done); done.Data != data {
		t.Errorf("it is told %+v", done)
	}
	k.says("pusher:subscribe", "", mine)
	k.hears(subscribed, nil)
	s.triggers("bill", "9", "", "#server-to-user-42")
	k.hears("bill", nil)
	k.says("pusher:subscribe", "", map[string]string{"channel": "presence-a", "auth": "key:" +
		s.settings.signatureOf(k.socket+":presence-a")})
	if e := k.hears(subscribed, nil); !strings.Contains(string(e.Data), `\"ids\":[\"42\"]`) {
		t.Errorf("without channel_data it is told %s", e.Data)
	}
	for _, bad := range []string{`{"id":""}`, `{}`, `x`, `{"id":"` + strings.Repeat("x", 129) + `"}`} {
		k := s.comes()
		signIn(k, bad, "key:"+s.settings.signatureOf(k.socket+"::user::"+bad))
		k.hears("pusher:error", nil)
		if k.next(); k.closed != 4009 {
			t.Errorf("%s: it is closed with %d", bad, k.closed)
		}
	}
	signIn(other, data, "key:"+s.settings.signatureOf(k.socket+"::user::"+data))
	other.hears("pusher:error", nil)
	if other.next(); other.closed != 4009 {
		t.Errorf("it is closed with %d", other.closed)
	}
	s.wants(200, "{}")(s.asks("POST", "/apps/7/users/42/terminate_connections", nil))
	if k.next(); k.closed != 4009 {
		t.Errorf("it is closed with %d", k.closed)
	}
}

func TestAnAppThatEndsClosesItsClientsAlone(t *testing.T) {
	s := newStage(t)
	k := s.comes()
	other := New("other", s.hub, s.settings)
	other.End(4003, "not here")
	k.quiet()
	s.app.End(4003, "the app has gone")
	if k.next(); k.closed != 4003 {
		t.Errorf("it is closed with %d", k.closed)
	}
}
