package rehearse

import (
	"bytes"
	"context"
	"encoding/xml"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// stack answers by a function of the target, and of how often it was asked before.
type stack struct {
	mu    sync.Mutex
	asked []string
	says  func(target string, n int) *Answer
}

func (s *stack) Name() string { return "fake" }

func (s *stack) Ask(ctx context.Context, r *Request) *Answer {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked = append(s.asked, r.Target)
	return s.says(r.Target, len(s.asked))
}

func picked(targets ...string) []Picked {
	var all []Request
	for _, target := range targets {
		all = append(all, Request{Method: "GET", Target: target, Times: 1})
	}
	return Pick(all, len(all))
}

func always(a *Answer) *stack { return &stack{says: func(string, int) *Answer { return a }} }

func TestTheOldStackIsAskedBeforeTheNewAndAfterIt(t *testing.T) {
	clock := 0 // of both: what it shows passes
	tick := func(string, int) *Answer {
		clock++
		return says(200, fmt.Sprintf("<p>it is %d</p> all the rest of the page is as it was", clock))
	}
	old, new := &stack{says: tick}, &stack{says: tick}
	r := NewRehearsal(old, new, Settings{})
	if err := r.Run(t.Context(), picked("/")); err != nil {
		t.Fatal(err)
	}
	if report := r.Report(); report.Differ != 0 || len(old.asked) != 2 || len(new.asked) != 1 || report.Asked != 1 {
		t.Errorf("%d, %d, %+v", len(old.asked), len(new.asked), report)
	}
}

func TestADifferenceThatDoesNotComeBackIsCountedAlone(t *testing.T) {
	new := &stack{says: func(_ string, n int) *Answer {
		if n == 1 {
			return says(500, "")
		}
		return says(200, "a")
	}}
	r := NewRehearsal(always(says(200, "a")), new, Settings{})
	r.Run(t.Context(), picked("/"))
	if report := r.Report(); report.Differ != 0 || report.Left[leftPassing] != 1 {
		t.Errorf("%+v", report)
	}
}

func TestDifferencesAreGroupedByRouteAndKind(t *testing.T) {
	new := &stack{says: func(target string, _ int) *Answer {
		switch {
		case strings.HasPrefix(target, "/price"):
			return says(200, "price: 12")
		case target == "/gone":
			return says(404, "")
		}
		return says(200, "price: 10")
	}}
	r := NewRehearsal(always(says(200, "price: 10")), new, Settings{})
	r.Run(t.Context(), picked("/price/1?token=x", "/price/2", "/price/3", "/gone", "/"))
	report := r.Report()
	var got []string
	for _, g := range report.Groups {
		got = append(got, fmt.Sprintf("%s %s %d", g.Route, g.Kind, g.Count))
	}
	if want := "[GET /gone status 1 GET /price/{n} body 2 GET /price/{n}?token body 1]"; fmt.Sprint(got) != want {
		t.Errorf("%v", got)
	}
	if report.Differ != 4 || report.Asked != 5 || report.New.Statuses["4xx"] != 1 || report.Old.Statuses["2xx"] != 5 {
		t.Errorf("%+v", report)
	}
	if e := report.Groups[2].Example; e.Request != "GET /price/1?token=REDACTED" ||
		e.Diff != "@@ line 1 @@\n-price: 10\n+price: 12" {
		t.Errorf("%+v", e)
	}
}

func TestAnOldStackThatHasEnoughIsNotCompared(t *testing.T) {
	r := NewRehearsal(always(says(429, "")), always(says(200, "")), Settings{})
	r.Run(t.Context(), picked("/"))
	if report := r.Report(); report.Differ != 0 || report.Left[leftLimited] != 1 {
		t.Errorf("%+v", report)
	}
}

func TestAStackThatAnswersNothingIsAnError(t *testing.T) {
	silent := always(&Answer{Failure: FailedRefused})
	var targets []string
	for i := range 50 {
		targets = append(targets, fmt.Sprintf("/%d", i))
	}
	for name, r := range map[string]*Rehearsal{
		"old": NewRehearsal(silent, always(says(200, "")), Settings{}),
		"new": NewRehearsal(always(says(200, "")), silent, Settings{}),
	} {
		err := r.Run(t.Context(), picked(targets...))
		if err == nil || !strings.Contains(err.Error(), "the "+name+" stack, fake, has answered none of "+
			"5 requests: "+FailedRefused) {
			t.Errorf("%s: %v", name, err)
		}
		if report := r.Report(); report.Asked+report.NotAsked < 50 || report.Asked > 8 {
			t.Errorf("%d were asked", report.Asked)
		}
	}
}

func TestRequestsKeepThePaceAndEndInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var targets []string
		for i := range 100 {
			targets = append(targets, fmt.Sprintf("/%d", i))
		}
		old := always(says(200, ""))
		r := NewRehearsal(old, always(says(200, "")),
			Settings{Rate: 10, For: time.Second + 50*time.Millisecond, Parallel: 4})
		began := time.Now()
		r.Run(t.Context(), picked(targets...))
		if took := time.Since(began); took != time.Second+50*time.Millisecond {
			t.Errorf("it took %v", took)
		}
		if report := r.Report(); report.Asked != 11 || report.NotAsked != 89 || len(old.asked) != 22 {
			t.Errorf("%d were asked, %d were not", report.Asked, report.NotAsked)
		}
	})
}

func TestWhoIsInterruptedGetsWhatWasFound(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	old := &stack{says: func(_ string, n int) *Answer {
		if n == 4 {
			cancel()
		}
		return says(200, "")
	}}
	r := NewRehearsal(old, always(says(200, "")), Settings{})
	if err := r.Run(ctx, picked("/a", "/b", "/c")); err != nil || r.Report().Asked != 1 {
		t.Errorf("%v, %+v", err, r.Report())
	}
}

func TestASiteIsAskedAsTheLogHasIt(t *testing.T) {
	var seen []string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		seen = append(seen, fmt.Sprint(r.Method, " ", r.Host, " ", r.RequestURI, " ", r.Header))
		w.Header().Set("Location", "/elsewhere")
		w.WriteHeader(302)
	}))
	defer server.Close()
	for base, c := range map[string]struct {
		settings SiteSettings
		request  Request
		want     string
	}{
		"": {SiteSettings{Host: "shop.example", Headers: []string{"Cookie", "a=1"}},
			Request{Method: "GET", Target: "/a%2fb/%C3%A9?x=%20&y", Headers: []string{"Accept", "text/html"}},
			"GET shop.example /a%2fb/%C3%A9?x=%20&y map[Accept:[text/html] Cookie:[a=1] User-Agent:[us]]"},
		"/": {SiteSettings{}, Request{Method: "HEAD", Target: "//admin?a=b", Host: "log.example"},
			"HEAD log.example //admin?a=b map[Accept:[*/*] User-Agent:[us]]"},
		"/shop/": {SiteSettings{}, Request{Method: "GET", Target: "/a", Host: "log.example"},
			"GET log.example /shop/a map[Accept:[*/*] User-Agent:[us]]"},
	} {
		seen = nil
		c.settings.URL, c.settings.Timeout, c.settings.Agent = server.URL+base, time.Minute, "us"
		site, err := NewSite(c.settings)
		if err != nil {
			t.Fatal(err)
		}
		a := site.Ask(t.Context(), &c.request)
		site.Close()
		if a.Status != 302 || a.value("location") != "/elsewhere" || len(seen) != 1 || seen[0] != c.want {
			t.Errorf("%+v, %v", a, seen)
		}
	}
}

func TestWhyASiteDoesNotAnswerIsSaid(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/cut" {
			w.Header().Set("Content-Length", "10")
			w.Write([]byte("x"))
			panic(http.ErrAbortHandler)
		}
		<-r.Context().Done()
	}))
	gone := httptest.NewServer(nil)
	gone.Close()
	for _, c := range []struct{ url, target, want string }{
		{server.URL, "/cut", FailedCut}, {server.URL, "/slow", FailedTimeout}, {gone.URL, "/", FailedRefused},
	} {
		site, err := NewSite(SiteSettings{URL: c.url, Timeout: 200 * time.Millisecond})
		if err != nil {
			t.Fatal(err)
		}
		a := site.Ask(t.Context(), &Request{Method: "GET", Target: c.target})
		if a.Status != 0 || a.Failure != c.want {
			t.Errorf("%s: %+v", c.target, a)
		}
		site.Close()
	}
	server.Close()
	for _, url := range []string{"old.example", "ftp://old.example", "http://", "http://a/?b", "http://u:p@a"} {
		if _, err := NewSite(SiteSettings{URL: url}); err == nil {
			t.Errorf("%s is taken", url)
		}
	}
}

func TestJUnitHasARouteForACaseAndAKindForAFailure(t *testing.T) {
	new := &stack{says: func(target string, _ int) *Answer {
		if target == "/a" {
			return says(200, "a\x00<&]]>\x1b", "X-A", "1")
		}
		return says(200, "")
	}}
	r := NewRehearsal(always(says(200, "")), new, Settings{})
	r.Run(t.Context(), picked("/a", "/b"))
	var b bytes.Buffer
	if err := r.Report().JUnit(&b); err != nil {
		t.Fatal(err)
	}
	var s suites
	if err := xml.Unmarshal(b.Bytes(), &s); err != nil {
		t.Fatalf("%v:\n%s", err, b.Bytes())
	}
	cases := s.Suite.Cases
	if s.Suite.Tests != 2 || s.Suite.Failures != 1 || len(cases) != 2 || len(cases[0].Failures) != 2 ||
		len(cases[1].Failures) != 0 || cases[0].Name != "GET /a" {
		t.Errorf("%+v", s)
	}
}
