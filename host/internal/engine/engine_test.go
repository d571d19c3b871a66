package engine

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/workerhost/workerhost/host/internal/goroutines"
)

func TestMain(m *testing.M) { os.Exit(goroutines.Main(m, "internal/engine.")) }

func of(t *testing.T, folder string) *Engine {
	t.Helper()
	e := New(Settings{Folder: func() (string, error) { return folder, nil }, Name: t.Name(),
		Log: hclog.New(&hclog.LoggerOptions{Output: t.Output(), Level: hclog.Debug})})
	t.Cleanup(e.Close)
	return e
}

func bucket(t *testing.T, e *Engine) jetstream.KeyValue {
	t.Helper()
	js, err := e.JetStream(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	kv, err := js.CreateOrUpdateKeyValue(t.Context(), jetstream.KeyValueConfig{Bucket: "b"})
	if err != nil {
		t.Fatal(err)
	}
	return kv
}

func TestNothingStartsBeforeSomebodyAsks(t *testing.T) {
	folder := t.TempDir()
	e := of(t, folder)
	e.Yield()
	e.Close()
	if there, _ := os.ReadDir(folder); len(there) > 0 || e.Status().Begun {
		t.Fatalf("%v, %+v", there, e.Status())
	}
	if _, err := e.Conn(t.Context()); !errors.Is(err, ErrUnavailable) || !errors.Is(err, ErrClosed) {
		t.Fatalf("after the end: %v", err)
	}
}

func TestWhatWasWrittenIsThereAfterARestart(t *testing.T) {
	folder := t.TempDir()
	e := of(t, folder)
	if _, err := bucket(t, e).PutString(t.Context(), "k", "v"); err != nil {
		t.Fatal(err)
	}
	e.Close()
	got, err := bucket(t, of(t, folder)).Get(t.Context(), "k")
	if err != nil || string(got.Value()) != "v" {
		t.Fatal(got, err)
	}
}

func TestTheNextHostUsesTheEngineOfTheOneBeforeAndTheOtherWayRound(t *testing.T) {
	folder := t.TempDir()
	old, next := of(t, folder), of(t, folder)
	before, after := bucket(t, old), bucket(t, next)
	if !old.Status().Serves || next.Status().Serves {
		t.Fatalf("%+v, %+v", old.Status(), next.Status())
	}
	for i, kv := range []jetstream.KeyValue{before, after} {
		if _, err := kv.PutString(t.Context(), "k", string(rune('a'+i))); err != nil {
			t.Fatal(err)
		}
	}
	began := time.Now()
	old.Yield()
	for _, e := range []*Engine{next, old} { // each asks again until it can, as rooms do
		err := e.Again(t.Context(), func(ctx context.Context, js jetstream.JetStream) error {
			kv, err := js.KeyValue(ctx, "b")
			if err != nil {
				return err
			}
			got, err := kv.Get(ctx, "k")
			if err == nil && string(got.Value()) != "b" {
				t.Errorf("%q", got.Value())
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("both are back after %v", time.Since(began))
	if old.Status().Serves || !next.Status().Serves {
		t.Fatalf("%+v, %+v", old.Status(), next.Status())
	}
}

func TestAnEngineThatCanNotBeIsAClearErrorInTime(t *testing.T) {
	for name, s := range map[string]Settings{
		"folder": {Folder: func() (string, error) { return "", errors.New("no place") }},
		"file": {Folder: func() (string, error) {
			path := filepath.Join(t.TempDir(), "file")
			return path, os.WriteFile(path, nil, 0o600)
		}},
		"url": {URL: "nats://127.0.0.1:1"},
	} {
		t.Run(name, func(t *testing.T) {
			s.Log = hclog.NewNullLogger()
			e := New(s)
			t.Cleanup(e.Close)
			ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
			defer cancel()
			_, err := e.Conn(ctx)
			if !errors.Is(err, ErrUnavailable) || errors.Is(err, context.DeadlineExceeded) {
				t.Fatal(err)
			}
			t.Log(err, e.Status())
		})
	}
}

func TestAnEngineThatHasBeenAwayForLongIsWaitedForNoMore(t *testing.T) {
	e := New(Settings{URL: "nats://127.0.0.1:1", Log: hclog.NewNullLogger()})
	t.Cleanup(e.Close)
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	if _, err := e.Conn(ctx); !errors.Is(err, ErrUnavailable) { // so that there is a first try
		t.Fatal(err)
	}
	e.mu.Lock()
	e.missed = e.missed.Add(-Patience)
	e.mu.Unlock()
	past := time.Now().Add(-2 * Patience)
	e.mute.Store(&past)
	for name, ask := range map[string]func() error{
		"Conn": func() error { _, err := e.Conn(t.Context()); return err },
		"Again": func() error {
			return e.Again(t.Context(), func(context.Context, jetstream.JetStream) error { return nil })
		},
	} {
		began := time.Now()
		if err := ask(); !errors.Is(err, ErrUnavailable) || time.Since(began) > Patience/2 {
			t.Errorf("%s: %v after %v", name, err, time.Since(began))
		}
	}
}

func TestAnEngineThatDoesNotAnswerIsAskedOnceWhereItHasNotForLong(t *testing.T) {
	e := of(t, t.TempDir())
	tries := 0
	mute := func(ctx context.Context, _ jetstream.JetStream) error { tries++; return nats.ErrTimeout }
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	if err := e.Again(ctx, mute); !errors.Is(err, ErrUnavailable) || tries < 2 {
		t.Fatal(err, tries)
	}
	past := e.mute.Load().Add(-2 * Patience)
	e.mute.Store(&past)
	tries = 0
	if err := e.Again(t.Context(), mute); !errors.Is(err, ErrUnavailable) || tries != 1 {
		t.Fatal(err, tries)
	}
	if err := e.Again(t.Context(), func(context.Context, jetstream.JetStream) error { return nil }); err != nil {
		t.Fatal(err)
	}
	tries = 0
	again, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	if err := e.Again(again, mute); !errors.Is(err, ErrUnavailable) || tries < 2 {
		t.Fatal(err, tries)
	}
}
