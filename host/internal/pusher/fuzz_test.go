package pusher

import (
	"encoding/json"
	"testing"
	"unicode/utf8"

	"github.com/workerhost/workerhost/protocol"
)

func FuzzSaid(f *testing.F) {
	for _, seed := range []string{`{"event":"pusher:ping","data":{}}`,
		`{"event":"pusher:subscribe","data":{"channel":"a","auth":"k:s","channel_data":"{\"user_id\":1}"}}`,
		`{"event":"client-a","channel":"private-a","data":"x"}`, `{"event":"a","data":"{\"channel\":\"\\u0000\"}"}`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := parseSaid(b)
		if err != nil {
			return
		}
		e := event{Event: m.Event, Channel: m.Channel, Data: m.Data}
		if len(m.Data) == 0 {
			e.Data = nil
		}
		if again := encode(e); !json.Valid(again) {
			t.Errorf("%q is passed on as %q", b, again)
		}
		var s subscription
		if m.about(&s) != nil {
			return
		}
		if who, err := parseMember(s.Data); err == nil {
			again, err := parseMember(who.text())
			if err != nil || again.ID != who.ID || !utf8.ValidString(who.text()) {
				t.Errorf("%q is written as %q: %v", s.Data, who.text(), err)
			}
		}
	})
}

func FuzzNames(f *testing.F) {
	for _, seed := range []string{"a", "private-a", "presence-a", "#server-to-user-1", "1.2", "abcdefgh-1z", "a#b"} {
		f.Add(seed)
	}
	a := New("main", nil, &Settings{})
	f.Fuzz(func(t *testing.T, name string) {
		if id, ok := idOf(name); ok {
			socket, ok := socketOf(id)
			if again, same := idOf(socket); !ok || !same || again != id {
				t.Errorf("%q is %q, and that %q", name, id, socket)
			}
		}
		if kindOf(name) == none {
			return
		}
		if channel, user, ok := a.channelOf(a.group(name)); channel != name || user != "" || !ok {
			t.Errorf("the group of %q is that of %q and %q", name, channel, user)
		}
		if kindOf(name) != presence {
			return
		}
		if channel, user, ok := a.channelOf(a.groupOf(name, "a#b")); channel != name || user != "a#b" || !ok {
			t.Errorf("the group of a user in %q is that of %q and %q", name, channel, user)
		}
	})
}

// Whatever a request says, without a signature it is told so, or that there is nothing.
func FuzzRequestsWithoutASignature(f *testing.F) {
	for _, seed := range []string{"/apps/7/events?auth_key=key&auth_version=1.0", "/apps/7/channels/a/users", "/", "*",
		"/apps/7/?%zz", "/apps/7/users/%2f/terminate_connections?auth_key=key&auth_version=1.0&auth_timestamp=0"} {
		f.Add("POST", seed, []byte("{}"))
	}
	a := New("main", nil, &Settings{ID: "7", Key: "key", Secret: "secret"})
	f.Fuzz(func(t *testing.T, method, target string, body []byte) {
		_, no := a.answer(&protocol.Request{Method: method, Target: target}, body)
		if no == nil || no.status < 400 || no.status > 499 {
			t.Errorf("%s %s is answered %+v", method, target, no)
		}
	})
}
