package control

import (
	"errors"
	"net/http"
	"testing"
)

func TestWhatFailedIsListedShownAndReplayed(t *testing.T) {
	path := socketPath(t)
	serve(t, path, newFakeHost())
	client := NewClient(path)
	all, err := client.Faults(t.Context(), "")
	if err != nil || all.Keep != 10 || len(all.Kinds) != 1 || all.Kinds[0].IDs[0] != "f2" {
		t.Errorf("%+v %v", all, err)
	}
	one, err := client.Fault(t.Context(), "f1")
	if err != nil || one.Name != "GET /" {
		t.Errorf("%+v %v", one, err)
	}
	came, err := client.Replay(t.Context(), Replay{Fault: &one, Body: []byte("b")})
	if err != nil || came.Status != 200 || string(came.Body) != "b" {
		t.Errorf("%+v %v", came, err)
	}
	for what, try := range map[string]func() error{
		"a pool that is not there":  func() error { _, err := client.Faults(t.Context(), "nosuch"); return err },
		"a fault that is not there": func() error { _, err := client.Fault(t.Context(), "f9"); return err },
	} {
		var refused *Refusal
		if err := try(); !errors.As(err, &refused) || refused.Status != http.StatusNotFound {
			t.Errorf("%s: %v", what, err)
		}
	}
	for _, order := range []Replay{{}, {ID: "f1", Fault: &one}, {ID: "f1", Headers: []string{"alone"}}} {
		var refused *Refusal
		_, err := client.Replay(t.Context(), order)
		if !errors.As(err, &refused) || refused.Status != http.StatusBadRequest {
			t.Errorf("%+v: %v", order, err)
		}
	}
	var refused *Refusal
	_, err = client.Replay(t.Context(), Replay{ID: "f1", Pool: "broken"})
	if !errors.As(err, &refused) || refused.Status != http.StatusConflict {
		t.Error(err)
	}
}

func TestOnlyATokenThatNamesTheRightSeesWhatClientsSent(t *testing.T) {
	all, some := &Token{Name: "all"}, &Token{Name: "some", Rights: []Right{MayFaults}}
	if all.may(MayFaults) || all.may(MayReplay) || !some.may(MayFaults) || some.may(MayReplay) {
		t.Error("a right is had that was not given, or the other way round")
	}
}
