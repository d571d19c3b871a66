package control

import (
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"
)

func (f *fakeHost) Maintenance() *Maintenance {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.shut
}

func (f *fakeHost) SetMaintenance(m *Maintenance) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	switch {
	case m != nil && slices.Contains(m.Routes, "none"):
		return &Unknown{What: "route", Name: "none", Known: []string{"shop"}}
	case m != nil && m.RetryAfter < 0:
		return &Misuse{errors.New("less than none")}
	case m != nil && m.Message == "full":
		return errors.New("no space left")
	case m != nil:
		m.Since = time.Unix(1700000000, 0).UTC()
	}
	f.shut = m
	return nil
}

func TestMaintenanceIsSetAndShownAndEnds(t *testing.T) {
	path, host := socketPath(t), newFakeHost()
	serve(t, path, host)
	client := NewClient(path)
	if now, err := client.Maintenance(t.Context()); err != nil || now != nil {
		t.Fatalf("%+v %v", now, err)
	}
	want := Maintenance{Message: "soon", Allow: []string{"unix"}, Routes: []string{"shop"}}
	if err := client.SetMaintenance(t.Context(), &want); err != nil {
		t.Fatal(err)
	}
	now, err := client.Maintenance(t.Context())
	if err != nil || now == nil || now.Message != "soon" || now.Since.IsZero() ||
		!slices.Equal(now.Allow, want.Allow) {
		t.Fatalf("%+v %v", now, err)
	}
	for _, test := range []struct {
		m      Maintenance
		status int
	}{
		{Maintenance{Routes: []string{"none"}}, http.StatusNotFound},
		{Maintenance{RetryAfter: -1}, http.StatusBadRequest},
		{Maintenance{Message: "full"}, http.StatusConflict},
	} {
		var refused *Refusal
		if err := client.SetMaintenance(t.Context(), &test.m); !errors.As(err, &refused) ||
			refused.Status != test.status {
			t.Errorf("%+v: %v", test.m, err)
		}
	}
	if err := client.SetMaintenance(t.Context(), nil); err != nil || host.Maintenance() != nil {
		t.Error(err)
	}
	last := host.audited()
	if !strings.HasPrefix(last[0], "maintenance on [routes [shop] allow [unix] except []]") ||
		!strings.HasPrefix(last[len(last)-1], "maintenance off") {
		t.Errorf("%q", last)
	}
	all, some := &Token{Name: "all"}, &Token{Name: "some", Rights: []Right{MayMaintenance}}
	if all.may(MayMaintenance) || !some.may(MayMaintenance) {
		t.Error("a token that is good for everything may take sites down")
	}
}
