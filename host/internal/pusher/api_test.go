package pusher

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"
)

// The example of Pusher's own documentation.
func TestASignatureIsWhatPusherSaysItIs(t *testing.T) {
	s := &Settings{Key: "278d425bdf160c739803", Secret: "7ad3773142a6692b25b8"}
	body := []byte(`{"name":"foo","channels":["project-3"],"data":"{\"some\":\"data\"}"}`)
	query := url.Values{"auth_key": {s.Key}, "auth_timestamp": {"1353088179"}, "auth_version": {"1.0"},
		"body_md5":       {"ec365a775a4cd0599faeb73354201b6f"},
		"auth_signature": {"da454824c97ba181a32ccc17a72625ba02771f50b50e1e7430e47a1f3f457e6c"}}
	now := time.Unix(1353088179, 0)
	if why := s.allows("POST", "/apps/3/events", query, body, now); why != "" {
		t.Error(why)
	}
	if !s.signs("278d425bdf160c739803:58df8b0c36d6982b82c3ecf6b4662e34fe8c25bba48f5369f135bf843651c3a4",
		"1234.1234:private-foobar") {
		t.Error("the signature of a private channel is refused")
	}
	for why, change := range map[string]func(q url.Values, body *[]byte, now *time.Time){
		"auth_key":       func(q url.Values, _ *[]byte, _ *time.Time) { q.Set("auth_key", "other") },
		"auth_version":   func(q url.Values, _ *[]byte, _ *time.Time) { q.Set("auth_version", "2.0") },
		"body_md5":       func(_ url.Values, b *[]byte, _ *time.Time) { *b = append(*b, ' ') },
		"within 600":     func(_ url.Values, _ *[]byte, now *time.Time) { *now = now.Add(601 * time.Second) },
		"seconds of":     func(_ url.Values, _ *[]byte, now *time.Time) { *now = now.Add(-601 * time.Second) },
		"auth_timestamp": func(q url.Values, _ *[]byte, _ *time.Time) { q.Set("auth_timestamp", "now") },
		"auth_signature": func(q url.Values, _ *[]byte, _ *time.Time) { q.Set("info", "user_count") },
		"is there 2":     func(q url.Values, _ *[]byte, _ *time.Time) { q.Add("auth_version", "1.0") },
	} {
		q, b, at := url.Values{}, bytes.Clone(body), now
		for name, values := range query {
			q[name] = append([]string(nil), values...)
		}
		if change(q, &b, &at); !strings.Contains(s.allows("POST", "/apps/3/events", q, b, at), why) {
			t.Errorf("%s: %q", why, s.allows("POST", "/apps/3/events", q, b, at))
		}
	}
	if s.allows("POST", "/apps/4/events", query, body, now) == "" || s.allows("GET", "/apps/3/events", query, body,
		now) == "" {
		t.Error("a signature is taken for another request")
	}
}

func TestTheAPIAnswersWhatIsWrong(t *testing.T) {
	s := newStage(t, func(s *Settings) { s.MaxEvent = 100 })
	ask := func(status int, part, method, path, body string, query ...string) {
		t.Helper()
		s.wants(status, part)(s.asks(method, path, []byte(body), query...))
	}
	ask(404, "there is nothing here", "GET", "/", "")
	ask(404, "there is nothing here", "GET", "/app/key", "")
	ask(404, "no app", "GET", "/apps/8/channels", "")
	ask(404, "there is no x", "GET", "/apps/7/x", "")
	ask(404, "there is no channels/a/b", "GET", "/apps/7/channels/a/b", "")
	ask(405, "takes a POST", "GET", "/apps/7/events", "")
	ask(405, "takes a GET", "POST", "/apps/7/channels", "")
	ask(400, "JSON", "POST", "/apps/7/events", "x")
	ask(400, "name", "POST", "/apps/7/events", "{}")
	ask(400, "data is missing", "POST", "/apps/7/events", `{"name":"a"}`)
	ask(400, "JSON", "POST", "/apps/7/events", `{"name":"a","data":{}}`)
	ask(400, "1 to 100", "POST", "/apps/7/events", `{"name":"a","data":""}`)
	ask(400, "no name of a channel", "POST", "/apps/7/events", `{"name":"a","data":"","channel":"a b"}`)
	ask(400, "socket_id", "POST", "/apps/7/events", `{"name":"a","data":"","channel":"a","socket_id":"x"}`)
	ask(400, "presence", "POST", "/apps/7/events", `{"name":"a","data":"","channel":"a","info":"user_count"}`)
	ask(413, "at most 100", "POST", "/apps/7/events", fmt.Sprintf(`{"name":"a","data":%q,"channel":"a"}`,
		strings.Repeat("x", 101)))
	ask(400, "event 2: name", "POST", "/apps/7/batch_events", `{"batch":[{"name":"a","data":"","channel":"a"},{}]}`)
	ask(400, "at most 10", "POST", "/apps/7/batch_events", `{"batch":[`+strings.Repeat("{},", 10)+"{}]}")
	ask(400, "presence", "GET", "/apps/7/channels", "", "info", "user_count")
	ask(400, "info", "GET", "/apps/7/channels", "", "info", "x")
	ask(400, "presence", "GET", "/apps/7/channels/a/users", "")
	ask(400, "no name", "GET", "/apps/7/channels/a%20b", "")
	ask(400, "bytes", "POST", "/apps/7/users/"+strings.Repeat("x", 129)+"/terminate_connections", "")
	r, err := http.NewRequest("GET", "http://"+s.address+"/apps/7/channels", nil)
	if err != nil {
		t.Fatal(err)
	}
	s.wants(401, "auth_key")(s.answered(r))
	// one that is much too long is not kept
	r, err = http.NewRequest("POST", "http://"+s.address+"/apps/7/events", io.LimitReader(zeros{}, 8<<20))
	if err != nil {
		t.Fatal(err)
	}
	s.wants(413, "the body has more")(s.answered(r))
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

func TestTheAPITellsWhoListens(t *testing.T) {
	s := newStage(t)
	a, b := s.comes(), s.comes()
	s.wants(200, `{"channels":{}}`)(s.asks("GET", "/apps/7/channels", nil))
	a.subscribes("orders")
	b.subscribes("orders")
	a.subscribes("presence-a", user(1))
	b.subscribes("presence-a", user(1))
	s.wants(200, `{"channels":{"orders":{},"presence-a":{}}}`)(s.asks("GET", "/apps/7/channels", nil))
	s.wants(200, `{"channels":{"presence-a":{"user_count":1,"subscription_count":2}}}`)(
		s.asks("GET", "/apps/7/channels", nil, "filter_by_prefix", "presence-",
			"info", "user_count,subscription_count"))
	s.wants(200, `{"occupied":true,"user_count":1}`)(
		s.asks("GET", "/apps/7/channels/presence-a", nil, "info", "user_count"))
	s.wants(200, `{"occupied":true,"subscription_count":2}`)(
		s.asks("GET", "/apps/7/channels/orders", nil, "info", "subscription_count"))
	s.wants(200, `{"occupied":false}`)(s.asks("GET", "/apps/7/channels/nobody", nil))
	s.wants(200, `{"channels":{"orders":{"subscription_count":2}}}`)(s.asks("POST", "/apps/7/events",
		[]byte(`{"name":"a","data":"","channels":["orders"],"info":"subscription_count"}`)))
	a.hears("a", nil)
	b.hears("a", nil)
	batch := `{"batch":[{"name":"b","data":"1","channel":"orders"},` +
		`{"name":"b","data":"2","channel":"presence-a","info":"user_count"}]}`
	s.wants(200, `{"batch":[{},{"user_count":1}]}`)(s.asks("POST", "/apps/7/batch_events", []byte(batch)))
	for _, channel := range []string{"orders", "presence-a"} {
		if e := b.hears("b", nil); e.Channel != channel {
			t.Errorf("it heard %+v before that of %s", e, channel)
		}
	}
	if a.hears("b", nil); a.hears("b", nil).Channel != "presence-a" {
		t.Error("events of a batch come in another order")
	}
}

func TestLargeBodiesAndAnswersComeWhole(t *testing.T) {
	s := newStage(t)
	k := s.comes()
	k.subscribes("orders")
	data := strings.Repeat("<\"é", 25<<10) // JSON makes more of it
	body := encode(map[string]any{"name": "a", "data": data, "channel": "orders"})
	s.wants(200, "{}")(s.asks("POST", "/apps/7/events", body))
	if e := k.hears("a", nil); !bytes.Equal(e.Data, encode(data)) {
		t.Errorf("it heard %d bytes", len(e.Data))
	}
	for i := range 500 {
		k.subscribes(strings.Repeat("x", 190) + strconv.Itoa(i))
	}
	if _, answer := s.asks("GET", "/apps/7/channels", nil); strings.Count(answer, ":{}") != 501 {
		t.Errorf("the answer has %d bytes", len(answer))
	}
}
