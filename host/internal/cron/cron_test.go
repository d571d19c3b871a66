package cron

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/workerhost/workerhost/host/internal/cron/schedule"
)

// each is an entry that runs do.
func each(t *testing.T, name, text string, do func(context.Context) (string, error)) Entry {
	t.Helper()
	s, err := schedule.Parse(text, time.UTC)
	if err != nil {
		t.Fatal(err)
	}
	return Entry{Name: name, Schedule: s, Timeout: time.Hour, Do: do}
}

// counted is an entry that only counts, and takes a while.
func counted(t *testing.T, text string, takes time.Duration) (Entry, *atomic.Int32) {
	runs := new(atomic.Int32)
	return each(t, "a", text, func(ctx context.Context) (string, error) {
		runs.Add(1)
		select {
		case <-time.After(takes):
			return "done", nil
		case <-ctx.Done():
			return "", context.Cause(ctx)
		}
	}), runs
}

func room(t *testing.T, entries ...Entry) (*Room, *bytes.Buffer) {
	t.Helper()
	log := &bytes.Buffer{}
	now, end := context.WithCancel(context.Background())
	r := New(now, hclog.New(&hclog.LoggerOptions{Output: log}))
	r.Set(entries)
	t.Cleanup(func() {
		r.Leave(false)
		end()
		r.Wait()
	})
	return r, log
}

func kept(file string) func() (string, error) { return func() (string, error) { return file, nil } }

func pass(d time.Duration) {
	time.Sleep(d) // virtual
	synctest.Wait()
}

func TestEachTimeRunsOnceAndNothingRunsBeforeTheBeginning(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e, runs := counted(t, "*/5 * * * *", time.Second)
		r, log := room(t, e)
		if pass(time.Hour); runs.Load() != 0 || r.timer != nil {
			t.Errorf("%d runs before the beginning", runs.Load())
		}
		r.Start(nil, nil)
		if pass(time.Hour + time.Second); runs.Load() != 12 {
			t.Errorf("%d runs in an hour, want 12\n%s", runs.Load(), log)
		}
		r.Set(nil)
		if pass(time.Hour); runs.Load() != 12 {
			t.Errorf("an entry that is gone runs")
		}
	})
}

func TestARunThatIsUnderWayLeavesTheNextOneOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e, runs := counted(t, "* * * * *", 150*time.Second)
		r, log := room(t, e)
		r.Start(nil, nil)
		pass(6*time.Minute + time.Second)
		if st := r.Status()[0]; runs.Load() != 2 || st.Skipped != 4 || st.Running != 1 {
			t.Errorf("%d runs, %+v\n%s", runs.Load(), st, log)
		}
		if _, err := r.Run("a"); !errors.Is(err, ErrBusy) {
			t.Error(err)
		}
		e.Overlap = true
		r.Set([]Entry{e})
		pass(2 * time.Minute)
		if st := r.Status()[0]; st.Running != 2 {
			t.Errorf("%+v", st)
		}
	})
}

func TestJitterPutsARunOffAndTheTimeOutEndsIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e, runs := counted(t, "0 * * * *", time.Hour)
		e.Jitter, e.Timeout = 10*time.Minute, time.Second
		r, log := room(t, e)
		r.Start(nil, nil)
		pass(50 * time.Hour)
		if n := runs.Load(); n < 48 || n > 50 {
			t.Errorf("%d runs", n)
		}
		st := r.Status()[0]
		last := st.History[len(st.History)-1]
		if last.Error != "it did not end within 1s" || last.Took != time.Second || last.Began.Minute() > 10 ||
			st.Failed != st.Runs || len(st.History) != mostHistory {
			t.Errorf("%+v\n%s", st, log)
		}
		together := 0
		for _, h := range st.History {
			if h.Began.Minute() == 0 && h.Began.Second() == 0 {
				together++
			}
		}
		if together == len(st.History) {
			t.Error("no run was put off")
		}
	})
}

func TestMissedRunsAreMadeUpForAsFarAsWanted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		file := filepath.Join(t.TempDir(), "cron.json")
		e, runs := counted(t, "0 * * * *", time.Second)
		first, _ := room(t, e)
		first.Start(kept(file), nil)
		pass(time.Hour)
		first.Leave(false)
		pass(10*time.Hour + time.Minute)
		left, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for catchUp, want := range map[int]int32{0: 0, 1: 1, 3: 3, 100: 10} {
			if err := os.WriteFile(file, left, 0o600); err != nil {
				t.Fatal(err)
			}
			runs.Store(0)
			e.CatchUp = catchUp
			again, log := room(t, e)
			again.Start(kept(file), nil)
			pass(20 * time.Second)
			again.Leave(true)
			if got := runs.Load(); got != want {
				t.Errorf("catch_up = %d: %d runs, want %d\n%s", catchUp, got, want, log)
			}
		}
		e.CatchUp = 5
		e.Schedule, _ = schedule.Parse("1 * * * *", time.UTC)
		other, _ := room(t, e)
		runs.Store(0)
		other.Start(kept(file), nil)
		if pass(time.Minute); runs.Load() != 0 {
			t.Error("another schedule has the missed runs of the one before made up for")
		}
	})
}

func TestTheNextHostGoesOnWhereThisOneLeaves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		file := filepath.Join(t.TempDir(), "cron.json")
		e, runs := counted(t, "* * * * *", 90*time.Second)
		giver, _ := room(t, e)
		heir, log := room(t, e)
		giver.Tell(heir.Ended)
		giver.Start(kept(file), nil)
		pass(time.Minute - time.Nanosecond)
		if pass(time.Nanosecond); runs.Load() != 1 { // is under way until 2:30
			t.Fatal(runs.Load())
		}
		handed := giver.Leave(true)
		heir.Start(kept(file), handed)
		if _, err := giver.Run("a"); !errors.Is(err, ErrLeft) {
			t.Error(err)
		}
		pass(89 * time.Second) // 2:29
		if st := heir.Status()[0]; runs.Load() != 1 || st.Running != 1 || st.Skipped != 1 {
			t.Errorf("%d runs, %+v", runs.Load(), st)
		}
		pass(32 * time.Second) // 3:01
		if st := heir.Status()[0]; runs.Load() != 2 || st.Runs != 1 || st.History[0].Output != "done" {
			t.Errorf("%d runs, %+v\n%s", runs.Load(), st, log)
		}
	})
}

func TestAMomentBetweenTwoHostsIsNobodysLoss(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e, runs := counted(t, "* * * * *", 0)
		giver, _ := room(t, e)
		heir, _ := room(t, e)
		giver.Start(nil, nil)
		pass(59 * time.Second)
		handed := giver.Leave(true)
		pass(5 * time.Second)
		heir.Start(nil, handed)
		if pass(0); runs.Load() != 1 {
			t.Errorf("%d runs, want 1", runs.Load())
		}
		if pass(time.Minute); runs.Load() != 2 {
			t.Errorf("%d runs, want 2", runs.Load())
		}
	})
}

func TestARunByHandTellsHowItWent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, _ := room(t, each(t, "b", "@yearly", func(context.Context) (string, error) {
			return "half", errors.New("no")
		}))
		r.Start(nil, nil)
		over, err := r.Run("b")
		if err != nil {
			t.Fatal(err)
		}
		if result := <-over; result.Error != "no" || result.Output != "half" || !result.ByHand {
			t.Errorf("%+v", result)
		}
		if _, err := r.Run("c"); err == nil || !strings.Contains(err.Error(), "there are: b") {
			t.Error(err)
		}
	})
}

func TestARunThatHasDoneNothingIsCountedAsLeftOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var over atomic.Bool
		r, log := room(t, each(t, "a", "* * * * *", func(context.Context) (string, error) {
			if !over.Load() {
				return "", ErrLeftOut
			}
			return "", nil
		}))
		r.Start(nil, nil)
		pass(2*time.Minute + time.Second)
		over.Store(true)
		pass(time.Minute)
		if st := r.Status()[0]; st.Skipped != 2 || st.Runs != 1 || st.Failed != 0 || len(st.History) != 1 {
			t.Errorf("%+v\n%s", st, log)
		}
	})
}
