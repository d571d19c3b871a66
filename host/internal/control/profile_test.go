package control

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"
)

func TestAProfileIsAskedForAndNoted(t *testing.T) {
	host, path := newFakeHost(), socketPath(t)
	closeServer := serve(t, path, host)
	defer closeServer()
	c, slot := NewClient(path), 2
	order := ProfileOrder{Pool: "app", Slot: &slot, Kind: "cpu", Seconds: 1.5}
	made, err := c.Profile(context.Background(), order)
	if err != nil || string(made.Bytes) != "\x1f\x8b" || made.Format != FormatPprof || made.Pool != "app" ||
		len(made.Workers) != 1 || made.Workers[0] != (ProfiledWorker{2, 4712, 3}) {
		t.Errorf("%+v, %v", made, err)
	}
	below := -1
	for name, want := range map[string]struct {
		order  ProfileOrder
		status int
		says   string
	}{
		"unknown":     {ProfileOrder{Pool: "nosuch", Kind: "heap"}, http.StatusNotFound, "the pools are: app"},
		"impossible":  {ProfileOrder{Pool: "php-fpm", Kind: "heap"}, http.StatusConflict, "can't be asked"},
		"kind":        {ProfileOrder{Kind: "wine"}, http.StatusBadRequest, `expected one of ["cpu" "heap" "goroutine"]`},
		"no time":     {ProfileOrder{Kind: "cpu"}, http.StatusBadRequest, "more than 0, and at most 300"},
		"long":        {ProfileOrder{Kind: "cpu", Seconds: 301}, http.StatusBadRequest, "at most 300"},
		"of the host": {ProfileOrder{Slot: &slot, Kind: "heap"}, http.StatusBadRequest, "needs a pool"},
		"below 0":     {ProfileOrder{Pool: "app", Slot: &below, Kind: "heap"}, http.StatusBadRequest, "from 0 on"},
	} {
		var refused *Refusal
		if _, err := c.Profile(context.Background(), want.order); !errors.As(err, &refused) ||
			refused.Status != want.status || !strings.Contains(refused.Text, want.says) {
			t.Errorf("%s: %v", name, err)
		}
	}

	ctx, cancel := context.WithCancel(context.Background())
	go func() { <-host.begun; cancel() }()
	order.Seconds = 300
	if _, err := c.Profile(ctx, order); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	closeServer() // waits for what was asked
	got := host.audited()
	for _, want := range []string{
		"profile [kind cpu pool app slot 2 seconds 1.5] ",
		"profile [kind heap pool nosuch]  refused",
		"profile [kind cpu pool app slot 2 seconds 300]  refused",
	} {
		if !slices.Contains(got, want) {
			t.Errorf("no %q in\n%s", want, strings.Join(got, "\n"))
		}
	}
}

func TestATokenThatIsGoodForEverythingTakesNoProfile(t *testing.T) {
	host, slot := newFakeHost(), 0
	s := NewServer(claimed(t, socketPath(t)), host)
	address := open(t, s, Token{Name: "all", Secret: "0123456789abcdef"},
		Token{Name: "look", Secret: "fedcba9876543210", Rights: []Right{MayProfile}})
	served := make(chan error, 1)
	go func() { served <- s.Serve() }()
	order := ProfileOrder{Pool: "app", Slot: &slot, Kind: "heap"}
	var refused *Refusal
	if _, err := NewRemoteClient(address, "0123456789abcdef").Profile(context.Background(), order); !errors.As(err,
		&refused) || refused.Outcome != Forbidden {
		t.Error(err)
	}
	look := NewRemoteClient(address, "fedcba9876543210")
	if _, err := look.Profile(context.Background(), order); err != nil {
		t.Error(err)
	}
	if _, err := look.Status(context.Background()); !errors.As(err, &refused) || refused.Outcome != Forbidden {
		t.Error(err)
	}
	s.Close()
	if err := <-served; err != nil {
		t.Error(err)
	}
}
