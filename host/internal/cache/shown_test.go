package cache

import (
	"fmt"
	"testing"

	"github.com/workerhost/workerhost/protocol"
)

func TestWhatIsStoredIsShown(t *testing.T) {
	p := &pool{generation: 7, answer: func(c *call) {
		control := "max-age=60"
		if c.request.Target == "/no" {
			control = "no-store"
		}
		c.respond(200, "body", "Cache-Control", control, "Vary", "Accept-Language, Accept-Encoding",
			"Cache-Tag", "a, b")
	}}
	store := NewStore(16 << 20)
	t.Cleanup(store.Close)
	r := store.Room(p, Room{Settings: Settings{MaxBody: 1 << 20}, Realm: "shop", Pool: "web", Route: "api",
		Strip: "/api"})
	ask1(r, "/a?x=1", "Accept-Language", "de")
	ask1(r, "/a?x=1", "Accept-Encoding", "gzip, br", "Accept-Language", "en")
	ask1(r, "/a?x=1", "Accept-Encoding", "br,gzip", "Accept-Language", "en")
	ask1(r, "/no")
	all, more := store.Show("shop", "https://example.org/api/*")
	for i := range all {
		if all[i].Left <= 0 || all[i].Since < 0 {
			t.Errorf("%+v", all[i])
		}
		all[i].Left, all[i].Since = 0, 0
	}
	one := Stored{Realm: "shop", Pool: "web", Route: "api", URL: "https://example.org/api/a?x=1",
		Status: 200, Bytes: 4, Generation: 7, Tags: []string{"a", "b"},
		Vary: []string{"accept-encoding: br,gzip", "accept-language: en"},
		Hits: 1}
	other := one
	other.Vary, other.Hits = []string{"no accept-encoding", "accept-language: de"}, 0
	want := []Stored{one, other, {Realm: "shop", Pool: "web", Route: "api", URL: "https://example.org/api/no",
		Refused: true}}
	if fmt.Sprintf("%+v", all) != fmt.Sprintf("%+v", want) || more != 0 {
		t.Errorf("got  %+v\nwant %+v", all, want)
	}
	for _, of := range [][2]string{{"", "/a?x=1"}, {"blog", "/api/*"}, {"", "http://example.org/*"}} {
		if all, _ := store.Show(of[0], of[1]); len(all) != 0 {
			t.Errorf("%q: %+v", of, all)
		}
	}
	if n := store.Kept()[[2]string{"web", "api"}]; n.Answers != 2 || n.Bytes < 1400 || n.Bytes > 5000 {
		t.Errorf("%+v", n)
	}
	if n := store.Purge("shop", &protocol.Purge{URLs: []string{"/api/a?x=1"}}); n != 2 {
		t.Errorf("%d were purged", n)
	}
}
