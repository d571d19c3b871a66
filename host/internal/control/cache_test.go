package control

import (
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"
)

func (f *fakeHost) CacheStatus() CacheStatus {
	return CacheStatus{Routes: []CacheRoute{{Route: "blog", Pool: "app", Answers: 2}},
		Requests: map[string]uint64{"hit": 7}}
}

func (f *fakeHost) Cached(realm, url string) (CachedAnswers, error) {
	if realm == "none" {
		return CachedAnswers{}, &Unknown{What: "realm", Name: realm, Known: []string{"default"}}
	}
	return CachedAnswers{Answers: []CachedAnswer{{URL: url, Realm: realm}}}, nil
}

func (f *fakeHost) PurgeCache(o CachePurge) (CachePurged, error) {
	if _, err := f.Cached(o.Realm, ""); err != nil {
		return CachePurged{}, err
	}
	return CachePurged{Answers: len(o.Tags) + len(o.URLs)}, nil
}

func TestWhatIsStoredIsShownAndPurged(t *testing.T) {
	path, host := socketPath(t), newFakeHost()
	serve(t, path, host)
	client := NewClient(path)
	if st, err := client.CacheStatus(t.Context()); err != nil || st.Routes[0].Answers != 2 || st.Requests["hit"] != 7 {
		t.Errorf("%+v %v", st, err)
	}
	all, err := client.Cached(t.Context(), "shop", "/a?b=1&c=*")
	if err != nil || all.Answers[0].URL != "/a?b=1&c=*" || all.Answers[0].Realm != "shop" {
		t.Errorf("%+v %v", all, err)
	}
	order := CachePurge{Tags: []string{"a", "b"}, URLs: []string{"/"}, Realm: "shop"}
	done, err := client.PurgeCache(t.Context(), order)
	if err != nil || done.Answers != 3 {
		t.Errorf("%+v %v", done, err)
	}
	if !slices.Contains(host.audited(), "cache purge [tags [a b] urls [/] all false realm shop answers 3] ") {
		t.Errorf("%q", host.audited())
	}
	for _, test := range []struct {
		purge  CachePurge
		status int
	}{
		{CachePurge{}, http.StatusBadRequest},
		{CachePurge{Realm: "shop"}, http.StatusBadRequest},
		{CachePurge{URLs: []string{"example.org"}}, http.StatusBadRequest},
		{CachePurge{All: true, Realm: "none"}, http.StatusNotFound},
	} {
		var refused *Refusal
		if _, err := client.PurgeCache(t.Context(), test.purge); !errors.As(err, &refused) ||
			refused.Status != test.status {
			t.Errorf("%+v: %v", test.purge, err)
		}
	}
	for _, of := range [][2]string{{"none", "/"}, {"", "a"}} {
		if _, err := client.Cached(t.Context(), of[0], of[1]); err == nil {
			t.Errorf("%q is shown", of)
		}
	}
}

func TestToPurgeATokenNeedsTheRightAndToLookThatOfStatus(t *testing.T) {
	s := NewServer(nil, newFakeHost())
	look, purge := strings.Repeat("l", 16), strings.Repeat("p", 16)
	address := open(t, s, Token{Name: "look", Secret: look, Rights: []Right{MayStatus}},
		Token{Name: "purge", Secret: purge, Rights: []Right{MayCache}})
	served := make(chan error, 1)
	go func() { served <- s.Serve() }()
	defer func() { s.Close(); <-served }()
	for secret, may := range map[string]bool{look: false, purge: true} {
		client := NewRemoteClient(address, secret)
		if _, err := client.PurgeCache(t.Context(), CachePurge{All: true}); (err == nil) != may {
			t.Errorf("purging: %v", err)
		}
		if _, err := client.CacheStatus(t.Context()); (err == nil) == may {
			t.Errorf("looking: %v", err)
		}
	}
	if all := (&Token{Name: "all"}); !all.may(MayCache) {
		t.Error("a token that is good for everything may not purge")
	}
}
