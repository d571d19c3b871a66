package cache

import (
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/workerhost/workerhost/protocol"
)

// crowd has so many clients ask for the same.
func crowd(r *Room, n int, line string, headers ...string) (all []*client) {
	for range n {
		all = append(all, get(line, headers...).from(r))
	}
	return all
}

func TestOneOfAThousandAsksAndTheOthersWait(t *testing.T) {
	p := &pool{}
	r := newRoom(t, p, Settings{})
	all := crowd(r, 1000, "/")
	all[0].ticket.Cancel(protocol.ResetCancelled) // who leaves does not end the others' wait
	all[7].ticket.Cancel(protocol.ResetCancelled)
	if p.asked() != 1 || p.last().cancelled {
		t.Fatalf("the pool was asked %d times", p.asked())
	}
	p.last().respond(200, "page", "Cache-Control", "max-age=60")
	for i, c := range all {
		if c.wait(); i != 0 && i != 7 && (c.status != 200 || string(c.body) != "page") {
			t.Fatalf("client %d got %d %q, %v", i, c.status, c.body, c.failure)
		}
	}
	if !strings.Contains(all[1].said(), "collapsed") || all[7].failure == nil {
		t.Errorf("%s, %v", all[1].said(), all[7].failure)
	}
}

func TestARequestEndsWithTheLastWhoWaitsForIt(t *testing.T) {
	p := &pool{}
	r := newRoom(t, p, Settings{})
	all := crowd(r, 3, "/")
	for _, c := range all {
		if p.last().cancelled {
			t.Error("it ends while somebody waits")
		}
		c.ticket.Cancel(protocol.ResetCancelled)
	}
	for _, c := range all {
		c.wait()
	}
	if !p.last().cancelled {
		t.Error("the worker goes on for nobody")
	}
	p.answer = always(200, "page")
	if c := ask1(r, "/"); string(c.body) != "page" {
		t.Errorf("who comes then got %q", c.body)
	}
}

func TestWhatIsNotStorableIsNotWaitedForAgain(t *testing.T) {
	p := &pool{}
	r := newRoom(t, p, Settings{})
	all := crowd(r, 3, "/")
	p.answer = func(c *call) { c.respond(200, "yours", "Cache-Control", "private") }
	p.last().respond(200, "yours", "Cache-Control", "private")
	for _, c := range all {
		if c.wait(); string(c.body) != "yours" {
			t.Errorf("got %q", c.body)
		}
	}
	if p.asked() != 3 {
		t.Errorf("3 clients, %d answers", p.asked())
	}
	p.answer = nil
	all = crowd(r, 3, "/")
	if p.asked() != 6 {
		t.Errorf("then the pool is asked %d times", p.asked()-3)
	}
	for i, c := range p.calls[3:] {
		c.respond(200, "yours", "Cache-Control", "private")
		all[i].wait()
	}
}

func TestWhatIsTooLongIsPassedOnAndNotStored(t *testing.T) {
	p := &pool{}
	r := newRoom(t, p, Settings{MaxBody: 10})
	all := crowd(r, 2, "/")
	first := p.last()
	p.answer = always(200, "short", "Cache-Control", "max-age=60")
	first.head(200, "0123456789", "Cache-Control", "max-age=60")
	first.data("a", true)
	first.x.Sink.Finished()
	if all[0].wait(); string(all[0].body) != "0123456789a" {
		t.Errorf("the first got %q", all[0].body)
	}
	if all[1].wait(); string(all[1].body) != "short" {
		t.Errorf("the second got %q", all[1].body)
	}
}

func TestAnAnswerThatBrokeOffIsNotStored(t *testing.T) {
	for name, breaks := range map[string]func(*call){
		"the worker died": func(c *call) {
			c.head(200, "ha", "Cache-Control", "max-age=60")
			c.fail(protocol.FailedDied)
		},
		"it is shorter than it says": func(c *call) {
			c.respond(200, "ha", "Cache-Control", "max-age=60", "Content-Length", "4")
		},
		"it is longer than it says": func(c *call) {
			c.respond(200, "halves", "Cache-Control", "max-age=60", "Content-Length", "4")
		},
		"it has no end": func(c *call) { c.head(200, "ha", "Cache-Control", "max-age=60"); c.x.Sink.Finished() },
	} {
		p := &pool{}
		r := newRoom(t, p, Settings{})
		all := crowd(r, 2, "/")
		first := p.last()
		p.answer = always(200, "whole", "Cache-Control", "max-age=60")
		breaks(first)
		if all[1].wait(); string(all[1].body) != "whole" {
			t.Errorf("%s: who waited got %q", name, all[1].body)
		}
		if c := ask1(r, "/"); string(c.body) != "whole" {
			t.Errorf("%s: who comes then got %q", name, c.body)
		}
	}
}

func TestOneFailureOfThePoolIsAllTheirs(t *testing.T) {
	p := &pool{}
	r := newRoom(t, p, Settings{})
	all := crowd(r, 3, "/")
	p.last().fail(protocol.FailedQueueFull)
	for _, c := range all {
		if c.wait(); c.failure == nil || c.failure.Kind != protocol.FailedQueueFull {
			t.Errorf("got %v", c.failure)
		}
	}
	if p.asked() != 1 {
		t.Errorf("the pool was asked %d times", p.asked())
	}
}

func TestAPageCarriesTheSiteThroughTrouble(t *testing.T) {
	for name, trouble := range map[string]func(*call){
		"status 503": always(503, "oops"),
		"queue full": func(c *call) { c.fail(protocol.FailedQueueFull) },
		"no worker":  func(c *call) { c.fail(protocol.FailedNoWorker) },
		"it dies":    func(c *call) { c.x.Sink.Begin(c); c.fail(protocol.FailedDied) },
	} {
		synctest.Test(t, func(t *testing.T) {
			p := &pool{answer: always(200, "page", "Cache-Control", "max-age=10")}
			r := newRoom(t, p, Settings{StaleIfError: time.Hour})
			ask1(r, "/")
			p.answer = nil
			time.Sleep(time.Minute)
			all := crowd(r, 3, "/")
			p.answer = trouble
			trouble(p.last())
			for _, c := range all {
				if c.wait(); c.status != 200 || string(c.body) != "page" ||
					!strings.Contains(c.said(), "stale-if-error") {
					t.Errorf("%s: %d %q, %v, %s", name, c.status, c.body, c.failure, c.said())
				}
			}
			time.Sleep(time.Minute)
			if c := ask1(r, "/"); string(c.body) != "page" {
				t.Errorf("%s: a minute later %d %v", name, c.status, c.failure)
			}
			synctest.Wait()
			p.answer = always(200, "new", "Cache-Control", "max-age=10")
			time.Sleep(2 * time.Second)
			ask1(r, "/") // which has it asked for in the background
			synctest.Wait()
			if c := ask1(r, "/"); string(c.body) != "new" {
				t.Errorf("%s: after the trouble %q, %s", name, c.body, c.said())
			}
			p.answer = trouble
			time.Sleep(2 * time.Hour)
			if c := ask1(r, "/"); c.status == 200 {
				t.Errorf("%s: after the time for it %q", name, c.body)
			}
			synctest.Wait()
		})
	}
}

func TestWhatMustBeValidatedIsNeverServedStale(t *testing.T) {
	for _, word := range []string{"must-revalidate", "proxy-revalidate", "no-cache", "s-maxage=10"} {
		synctest.Test(t, func(t *testing.T) {
			p := &pool{answer: always(200, "page", "Etag", `"a"`, "Cache-Control", word+
				", max-age=10, stale-while-revalidate=600, stale-if-error=600")}
			r := newRoom(t, p, Settings{StaleIfError: time.Hour})
			ask1(r, "/")
			time.Sleep(11 * time.Second)
			p.answer = always(503, "oops")
			if c := ask1(r, "/"); c.status != 503 {
				t.Errorf("%s: %d %q", word, c.status, c.body)
			}
			synctest.Wait()
		})
	}
}

func TestOneIsAskedForWhileOthersGetWhatIsStale(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &pool{answer: always(200, "old", "Cache-Control", "max-age=10, stale-while-revalidate=60")}
		r := newRoom(t, p, Settings{})
		ask1(r, "/")
		p.answer = nil
		time.Sleep(30 * time.Second)
		for range 5 {
			if c := ask1(r, "/"); string(c.body) != "old" {
				t.Errorf("got %q", c.body)
			}
		}
		if p.asked() != 2 {
			t.Errorf("the pool was asked %d times", p.asked()-1)
		}
		p.last().respond(200, "new", "Cache-Control", "max-age=10")
		if c := ask1(r, "/"); string(c.body) != "new" {
			t.Errorf("then %q", c.body)
		}
		time.Sleep(71 * time.Second)
		if c := get("/").from(r); !c.waits() {
			t.Errorf("after the window %s", c.said())
		}
		p.last().respond(200, "newer")
		synctest.Wait()
	})
}

func TestFewAreAskedForInTheBackground(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &pool{answer: always(200, "old", "Cache-Control", "max-age=10, stale-while-revalidate=600")}
		r := newRoom(t, p, Settings{})
		pages := strings.Split(strings.Repeat("/a", 3*mostBehind), "a")[:3*mostBehind]
		for i := range pages {
			pages[i] = strings.Repeat("/x", i+1)
			ask1(r, pages[i])
		}
		p.answer = nil
		time.Sleep(time.Minute)
		for _, page := range pages {
			ask1(r, page)
		}
		if n := p.asked() - len(pages); n != mostBehind {
			t.Errorf("%d at once", n)
		}
		for _, c := range p.calls[len(pages):] {
			c.respond(500, "")
		}
		synctest.Wait()
	})
}

func TestWhatOldCodeMadeIsStaleOnceNewCodeIsLive(t *testing.T) {
	for _, keeps := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			p := &pool{answer: always(200, "old", "Cache-Control", "max-age=600"), generation: 1}
			r := newRoom(t, p, Settings{KeepOnReload: keeps})
			r.store.Went("web", 1)
			ask1(r, "/")
			time.Sleep(time.Second)
			p.answer, p.generation = always(200, "new", "Cache-Control", "max-age=600"), 2
			ask1(r, "/of-the-new") // before all workers are new
			ask1(r, "/of-the-new")
			if c := ask1(r, "/"); string(c.body) != "old" || p.asked() != 2 {
				t.Errorf("before it is live: %q", c.body)
			}
			time.Sleep(time.Second)
			r.store.Went("web", 2)
			if c := ask1(r, "/"); string(c.body) != "old" {
				t.Errorf("the first who asks waits for %q", c.body)
			}
			want := "new"
			if keeps {
				want = "old"
			}
			if c := ask1(r, "/"); string(c.body) != want {
				t.Errorf("keep_on_reload = %t: then %q", keeps, c.body)
			}
			if before := p.asked(); ask1(r, "/of-the-new") != nil && p.asked() != before {
				t.Error("what the new code made is asked for again")
			}
			p.generation = 1
			time.Sleep(time.Second)
			r.store.Went("web", 1) // rolled back
			p.answer = always(200, "old", "Cache-Control", "max-age=600")
			ask1(r, "/")
			if c := ask1(r, "/"); string(c.body) != "old" {
				t.Errorf("after a roll back %q", c.body)
			}
			synctest.Wait()
		})
	}
}

func TestClientsOfNewCodeInACanaryAreApart(t *testing.T) {
	p := &pool{answer: always(200, "old", "Cache-Control", "max-age=600")}
	r := newRoom(t, p, Settings{})
	r.Apart = func(q *protocol.Request) bool { return value(q.Headers, "Cookie") == "new" }
	ask1(r, "/")
	p.answer = always(200, "new", "Cache-Control", "max-age=600")
	if c := ask1(r, "/", "Cookie", "new"); string(c.body) != "new" {
		t.Errorf("a client of the new code got %q", c.body)
	}
	if c := ask1(r, "/"); string(c.body) != "old" {
		t.Errorf("the others got %q", c.body)
	}
}

func TestPoisonReachesNeitherThePoolNorTheStore(t *testing.T) {
	p := &pool{answer: func(c *call) {
		c.respond(200, strings.Join(c.request.Headers, "|")+c.request.Host, "Cache-Control", "max-age=60")
	}}
	r := newRoom(t, p, Settings{})
	for _, header := range []string{"X-Original-URL", "X-Rewrite-Url", "X-HTTP-Method-Override", "X-Method-Override",
		"X_Forwarded_Host", "Content_Length", "X-Host", "x-http-destinationurl"} {
		c := ask1(r, "/"+strings.ToLower(header), header, "evil")
		if strings.Contains(string(c.body), "evil") {
			t.Errorf("%s: the worker sees %q", header, c.body)
		}
	}
	for _, target := range []string{"/%61", "//a", "/x/../a", "/a/.", "/%zz", "*"} {
		before := p.asked()
		ask1(r, target)
		if ask1(r, target); p.asked() != before+2 {
			t.Errorf("%s is stored", target)
		}
	}
	upper := get("/host")
	upper.x.Request.(*protocol.Request).Host = "Evil.example.org"
	upper.from(r).wait()
	if c := ask1(r, "/host"); strings.Contains(string(c.body), "vil") {
		t.Errorf("another host's answer: %q", c.body)
	}
	body := get("/body")
	body.x.Request.(*protocol.Request).Body = []byte("evil")
	body.from(r).wait()
	if before := p.asked(); ask1(r, "/body") != nil && p.asked() != before+1 {
		t.Error("what was asked for with a body is stored")
	}
	ask1(r, "/split", "X-A", "1") // whatever no key has changes nothing for others
	if c := ask1(r, "/split?"); strings.Contains(c.said(), "; hit") {
		t.Errorf("another target's answer: %s", c.said())
	}
}

func TestWhatChangesUnderManyHandsStaysWhole(t *testing.T) {
	p := &pool{answer: func(c *call) {
		go c.respond(200, strings.Repeat(c.request.Target, 1000), "Cache-Control", "max-age=60", "Cache-Tag", "t")
	}}
	r := newRoom(t, p, Settings{})
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			for j := range 200 {
				page := []string{"/a", "/b", "/c"}[(i+j)%3]
				switch j % 7 {
				case 0:
					ask1(r, "POST "+page)
				case 1:
					c := get(page).from(r)
					c.ticket.Cancel(protocol.ResetCancelled)
					c.wait()
				default:
					if c := ask1(r, page); string(c.body) != strings.Repeat(page, 1000) {
						t.Errorf("%s got %d bytes, %v, %s", page, len(c.body), c.failure, c.said())
					}
				}
			}
		})
	}
	all.Wait()
	r.store.mu.Lock()
	defer r.store.mu.Unlock()
	if len(r.store.flights) > 0 {
		t.Errorf("%d are under way for ever", len(r.store.flights))
	}
}
