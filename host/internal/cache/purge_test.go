package cache

import (
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/workerhost/workerhost/protocol"
)

// fill stores pages, each with tags.
func fill(t *testing.T) (*pool, *Room) {
	p := &pool{answer: func(c *call) {
		tag := map[string]string{"/a": "blog, front", "/b": "shop"}[c.request.Target]
		c.respond(200, c.request.Target, "Cache-Control", "max-age=60", "Cache-Tag", tag, "Surrogate-Key", "all x")
	}}
	r := newRoom(t, p, Settings{PurgeFrom: []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}})
	for _, page := range []string{"/a", "/b", "/b?x=1", "/c/d"} {
		ask1(r, page)
	}
	return p, r
}

func TestAPurgeDropsWhatItNamesAndNothingElse(t *testing.T) {
	all := []string{"/a", "/b", "/b?x=1", "/c/d"}
	for _, test := range []struct {
		purge protocol.Purge
		left  string // whether each of all is
		count int
	}{
		{protocol.Purge{Tags: []string{"blog"}}, "-+++", 1},
		{protocol.Purge{Tags: []string{"blog", "front", "none"}}, "-+++", 1},
		{protocol.Purge{Tags: []string{"all"}}, "----", 4},
		{protocol.Purge{URLs: []string{"/b"}}, "+-++", 1},
		{protocol.Purge{URLs: []string{"/b*"}}, "+--+", 2},
		{protocol.Purge{URLs: []string{"https://example.org/c/./%64"}}, "+++-", 1},
		{protocol.Purge{URLs: []string{"https://EXAMPLE.org/c/*"}}, "+++-", 1},
		{protocol.Purge{URLs: []string{"http://example.org/a", "https://example.com/a"}}, "++++", 0},
		{protocol.Purge{All: true}, "----", 4},
		{protocol.Purge{}, "++++", 0},
	} {
		p, r := fill(t)
		if n := r.store.Purge("default", &test.purge); n != test.count {
			t.Errorf("%+v: %d were dropped", test.purge, n)
		}
		for i, page := range all {
			before := p.asked()
			ask1(r, page)
			if stored := p.asked() == before; stored != (test.left[i] == '+') {
				t.Errorf("%+v: %s is stored: %t", test.purge, page, stored)
			}
		}
	}
}

func TestAPurgeMeansItsRealmAlone(t *testing.T) {
	p, r := fill(t)
	if n := r.store.Purge("other", &protocol.Purge{All: true, Tags: []string{"all"}, URLs: []string{"/a"}}); n != 0 {
		t.Errorf("%d of another realm's were dropped", n)
	}
	if ask1(r, "/a"); p.asked() != 4 {
		t.Error("it is gone")
	}
}

func TestWhatComesDuringAPurgeIsNotStored(t *testing.T) {
	p, r := fill(t)
	p.answer = nil
	c := get("/new").from(r)
	old := p.last()
	r.store.Purge("default", &protocol.Purge{Tags: []string{"t"}})
	second := get("/new").from(r)
	old.respond(200, "old", "Cache-Control", "max-age=60", "Cache-Tag", "t")
	p.last().respond(200, "new", "Cache-Control", "max-age=60", "Cache-Tag", "t")
	if c.wait(); string(c.body) != "old" {
		t.Errorf("who asked before got %q", c.body)
	}
	if second.wait(); string(second.body) != "new" {
		t.Errorf("who asked after it got %q", second.body)
	}
	if c := ask1(r, "/new"); string(c.body) != "new" {
		t.Errorf("stored is %q", c.body)
	}
}

func TestAPurgeLeavesAloneWhatComesAndIsNotNamed(t *testing.T) {
	p, r := fill(t)
	for _, test := range []struct {
		purge  protocol.Purge
		stored bool
	}{
		{protocol.Purge{Tags: []string{"other"}}, true},
		{protocol.Purge{Tags: []string{"other", "t"}}, false},
		{protocol.Purge{URLs: []string{"/other", "http://example.org/new"}}, true},
		{protocol.Purge{URLs: []string{"/ne*"}}, false},
		{protocol.Purge{Tags: []string{"other"}, All: true}, false},
		{protocol.Purge{Tags: make([]string, mostPurged+1)}, false},
	} {
		p.mu.Lock()
		p.answer = nil
		p.mu.Unlock()
		r.store.Purge("default", &protocol.Purge{All: true})
		c := get("/new").from(r)
		r.store.Purge("default", &test.purge)
		p.last().respond(200, "new", "Cache-Control", "max-age=60", "Cache-Tag", "t")
		c.wait()
		if is := slices.Contains(stored(r.store), "https://example.org/new"); is != test.stored {
			t.Errorf("%.3q %q: it is stored: %t", test.purge.Tags, test.purge.URLs, is)
		}
	}
}

func TestPURGEIsForThoseAddressesAlone(t *testing.T) {
	p, r := fill(t)
	stranger := get("PURGE /a")
	stranger.request().Remote = "198.51.100.1:2"
	if c := stranger.from(r).wait(); c.status != 403 {
		t.Errorf("a stranger got %d", c.status)
	}
	for _, test := range []struct {
		line   string
		how    string
		status int
	}{{"PURGE /a", "", 200}, {"PURGE /a", "", 404}, {"PURGE /b.*", "regex", 200}, {"PURGE /b?x=1", "", 404}} {
		if c := ask1(r, test.line, "X-Purge-Method", test.how); c.status != test.status {
			t.Errorf("%s: %d", test.line, c.status)
		}
	}
	if ask1(r, "/c/d"); p.asked() != 4 {
		t.Errorf("the pool was asked %d times", p.asked())
	}
	r.PurgeFrom = nil
	if ask1(r, "PURGE /c/d"); p.asked() != 5 {
		t.Error("without purge_from it is the pool's")
	}
}

func TestAPURGEWithTagsDropsWhatHasThem(t *testing.T) {
	for _, test := range []struct {
		headers []string
		status  int
		left    string // of /a, /b, /b?x=1 and /c/d
	}{
		{[]string{"Cache-Tag", "blog, none"}, 200, "-+++"},
		{[]string{"Surrogate-Key", "shop"}, 200, "+-++"},
		{[]string{"xkey", "x other"}, 200, "----"},
		{[]string{"Cache-Tag", "none"}, 404, "++++"},
	} {
		p, r := fill(t)
		if c := ask1(r, "PURGE /c/d", test.headers...); c.status != test.status {
			t.Errorf("%q: %d", test.headers, c.status)
		}
		for i, page := range []string{"/a", "/b", "/b?x=1", "/c/d"} {
			before := p.asked()
			ask1(r, page)
			if stored := p.asked() == before; stored != (test.left[i] == '+') {
				t.Errorf("%q: %s is stored: %t", test.headers, page, stored)
			}
		}
	}
}

func TestAnEntryThatGivesWayLeavesNoTagBehind(t *testing.T) {
	p := &pool{answer: func(c *call) {
		c.respond(200, string(make([]byte, 500<<10)), "Cache-Control", "max-age=60", "Xkey", c.request.Target)
	}}
	r := newRoom(t, p, Settings{})
	for i := range 60 {
		ask1(r, "/"+time.Duration(i).String())
	}
	r.store.slots.CleanUp()
	r.store.mu.Lock()
	tags := len(r.store.tags)
	r.store.mu.Unlock()
	if n := r.store.slots.EstimatedSize(); n > 40 || tags > n {
		t.Errorf("16 MiB hold %d answers of 500 KiB, and %d tags", n, tags)
	}
}
