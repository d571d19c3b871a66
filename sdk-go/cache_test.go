package sdk

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"testing"

	"github.com/workerhost/workerhost/protocol"
)

// newCacheHost is a host whose worker does f with each request; it knows of purges if features say so.
func newCacheHost(t *testing.T, f func(ctx context.Context) error, features ...string) *fakeHost {
	t.Helper()
	w := Worker{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := f(r.Context()); err != nil {
			http.Error(w, err.Error(), 500)
		}
	})}
	h := startHost(t, protocol.Hello{Pool: "web", Features: features}, w.Handler, w.option())
	h.awaitReady()
	t.Cleanup(func() {
		h.out.Close()
		<-h.gone
		h.in.Close()
	})
	return h
}

func TestWhatIsPurgedGoesWithTheHandlersOtherActs(t *testing.T) {
	h := newCacheHost(t, func(ctx context.Context) error {
		return errors.Join(Connections(ctx).SendToAll([]byte("first")),
			Cache(ctx).Purge(Purge{Tags: []string{"post-7"}, URLs: []string{"/blog/*"}}),
			Cache(ctx).Now().Purge(Purge{All: true}), Cache(ctx).Purge(Purge{}))
	}, protocol.FeatureCache)
	c := h.open(protocol.Request{})
	expectSame(c, &protocol.Purge{Flags: protocol.FlagNow, All: true})
	expect[*protocol.Send](c)
	expectSame(c, &protocol.Purge{Tags: []string{"post-7"}, URLs: []string{"/blog/*"}})
	if r := c.whole(); r.Status != 200 {
		t.Error(r.Status)
	}
}

func TestAHandlerThatPanicsHasPurgedNothing(t *testing.T) {
	h := newCacheHost(t, func(ctx context.Context) error {
		if err := Cache(ctx).Purge(Purge{All: true}); err != nil {
			t.Error(err)
		}
		panic("boom")
	}, protocol.FeatureCache)
	if r := h.open(protocol.Request{}).whole(); r.Status != 500 {
		t.Error(r.Status)
	}
}

func TestManyTagsGoInSeveralActs(t *testing.T) {
	var tags []string
	for i := range 1001 {
		tags = append(tags, strconv.Itoa(i))
	}
	h := newCacheHost(t, func(ctx context.Context) error {
		return Cache(ctx).Purge(Purge{Tags: tags, URLs: []string{"/"}})
	}, protocol.FeatureCache)
	c := h.open(protocol.Request{})
	expectSame(c, &protocol.Purge{Tags: tags[:1000]})
	expectSame(c, &protocol.Purge{Tags: tags[1000:]})
	expectSame(c, &protocol.Purge{URLs: []string{"/"}})
}

func TestAHostWithoutACacheIsToldOfNoPurges(t *testing.T) {
	h := newCacheHost(t, func(ctx context.Context) error { return Cache(ctx).Purge(Purge{All: true}) })
	if r := h.open(protocol.Request{}).whole(); r.Status != 200 {
		t.Error(r.Status)
	}
}

func TestWhatIsNoURLIsAnErrorOfPurge(t *testing.T) {
	got := make(chan error, 1)
	h := newCacheHost(t, func(ctx context.Context) error {
		got <- Cache(ctx).Purge(Purge{URLs: []string{"example.org"}})
		return nil
	}, protocol.FeatureCache)
	h.open(protocol.Request{}).whole()
	if err := <-got; err == nil || !strings.HasPrefix(err.Error(), `sdk: "example.org" is no URL to purge`) {
		t.Error(err)
	}
}
