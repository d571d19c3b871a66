package cron

import (
	"context"
	"errors"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/workerhost/workerhost/host/internal/engine"
	"github.com/workerhost/workerhost/host/internal/goroutines"
)

func TestMain(m *testing.M) { os.Exit(goroutines.Main(m, "internal/cron.")) }

// shared is an engine for the turns of two hosts.
func shared(t *testing.T) (one, two *Turns) {
	t.Helper()
	folder := t.TempDir()
	e := engine.New(engine.Settings{Folder: func() (string, error) { return folder, nil }, Name: t.Name(),
		Log: hclog.New(&hclog.LoggerOptions{Output: t.Output(), Level: hclog.Debug})})
	t.Cleanup(e.Close)
	return &Turns{Engine: e}, &Turns{Engine: e}
}

func TestATimeIsBegunByOneHostAndNoneBeforeIt(t *testing.T) {
	one, two := shared(t)
	at := time.Now().Truncate(time.Second)
	take := func(t *Turns, at time.Time, overlap bool) (func(), error) {
		return t.take(context.Background(), "a", at, overlap)
	}
	over, err := take(one, at, false)
	if err != nil {
		t.Fatal(err)
	}
	for _, early := range []time.Time{at, at.Add(-time.Minute)} {
		if _, err := take(two, early, true); !errors.Is(err, errElsewhere) {
			t.Errorf("%v: %v", early, err)
		}
	}
	for _, next := range []time.Time{at.Add(time.Minute), {}} { // the next one, and one by hand
		if _, err := take(two, next, false); !errors.Is(err, ErrLeftOut) {
			t.Errorf("%v: %v", next, err)
		}
	}
	if beside, err := take(two, at.Add(time.Second), true); err != nil {
		t.Error(err)
	} else {
		beside()
	}
	over()
	over, err = take(two, at.Add(time.Minute), false)
	if err != nil {
		t.Fatal(err)
	}
	over()
	if over, err := two.take(t.Context(), "b", at, false); err != nil { // another entry
		t.Error(err)
	} else {
		over()
	}
}

func TestTheRunOfAHostThatHasDiedCountsAsOver(t *testing.T) {
	one, two := shared(t)
	js, err := one.Engine.JetStream(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	kv, err := one.kv(t.Context(), js)
	if err != nil {
		t.Fatal(err)
	}
	died := turn{At: time.Now().Add(-time.Hour), Holder: "x", Until: time.Now().Add(time.Hour)}
	if err := write(t.Context(), kv, "a", died, 0); err != nil {
		t.Fatal(err)
	}
	if _, err := two.take(t.Context(), "a", time.Now(), false); !errors.Is(err, ErrLeftOut) {
		t.Fatal(err)
	}
	_, revision, err := read(t.Context(), kv, "a")
	if err != nil {
		t.Fatal(err)
	}
	died.Until = time.Now().Add(-time.Second)
	if err := write(t.Context(), kv, "a", died, revision); err != nil {
		t.Fatal(err)
	}
	if err := write(t.Context(), kv, "a", died, revision); !errors.Is(err, errFaster) {
		t.Fatal(err)
	}
	over, err := two.take(t.Context(), "a", time.Now(), false)
	if err != nil {
		t.Fatal(err)
	}
	over()
}

func TestTwoHostsOfOneClusterBeginEachTimeOnce(t *testing.T) {
	one, two := shared(t)
	var mu sync.Mutex
	runs := map[int64]int{}
	var rooms []*Room
	for _, turns := range []*Turns{one, two} {
		r := New(t.Context(), hclog.New(&hclog.LoggerOptions{Output: t.Output(), Level: hclog.Debug}))
		r.Set([]Entry{each(t, "a", "* * * * * *", func(context.Context) (string, error) {
			mu.Lock()
			defer mu.Unlock()
			runs[time.Now().Unix()]++
			return "", nil
		})})
		r.Share(turns)
		r.Start(nil, nil)
		rooms = append(rooms, r)
	}
	began := time.Now()
	for n := 0; n < 3; {
		if time.Since(began) > 30*time.Second {
			t.Fatal(runs)
		}
		time.Sleep(10 * time.Millisecond)
		n = 0
		for _, r := range rooms {
			n += int(r.Status()[0].Runs)
		}
	}
	sum := 0
	for _, r := range rooms {
		r.Leave(false)
		r.Wait()
		if st := r.Status()[0]; st.Failed > 0 {
			t.Errorf("%+v", st)
		}
		sum += int(r.Status()[0].Runs)
	}
	mu.Lock()
	defer mu.Unlock()
	due := int(time.Since(began).Seconds()) + 1
	did := 0
	for _, n := range runs {
		did += n
	}
	if did != sum || did > due {
		t.Errorf("%d runs, of which the rooms know %d, in %d seconds: %v", did, sum, due, runs)
	}
}

func TestARunThatNobodyCanAskForIsAFailureThatSaysSo(t *testing.T) {
	one, _ := shared(t)
	one.Engine.Close()
	r := New(t.Context(), hclog.NewNullLogger())
	r.Set([]Entry{each(t, "a", "@yearly", func(context.Context) (string, error) {
		t.Error("it ran")
		return "", nil
	})})
	r.Share(one)
	r.Start(nil, nil)
	over, err := r.Run("a")
	if err != nil {
		t.Fatal(err)
	}
	if result := <-over; result.Error == "" {
		t.Errorf("%+v", result)
	}
	r.Leave(false)
	r.Wait()
}
