package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/workerhost/workerhost/host/internal/control"
)

func TestAWatchShowsTheStatusEachSecondAndWaitsForAHostThatRestarts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(context.Background())
		asked, shown := 0, []float64{}
		err := watchStatus(ctx, func(context.Context) (control.Status, error) {
			if asked++; asked == 2 {
				return control.Status{}, &control.NoHost{}
			}
			return control.Status{Uptime: float64(asked)}, nil
		}, func(st control.Status) error {
			if shown = append(shown, st.Uptime); len(shown) == 3 {
				cancel()
			}
			return nil
		})
		if err != nil || len(shown) != 3 || shown[1] != 3 {
			t.Errorf("%v, shown %v", err, shown)
		}
	})
}

func TestAWatchOfNoHostIsAnError(t *testing.T) {
	err := watchStatus(context.Background(), func(context.Context) (control.Status, error) {
		return control.Status{}, errors.New("no host")
	}, nil)
	if err == nil {
		t.Error("it was no error")
	}
}

func TestARedrawCoversThePageBefore(t *testing.T) {
	var out bytes.Buffer
	on := &Terminal{Out: &out, colours: true}
	for _, text := range []string{"a long line\nanother\n", "short\n"} {
		on.redraw(func(page *Terminal) { page.Out.Write([]byte(text)) })
	}
	if want := "\x1b[Ha long line\x1b[K\nanother\x1b[K\n\x1b[J\x1b[Hshort\x1b[K\n\x1b[J"; out.String() != want {
		t.Errorf("%q", out.String())
	}
}

func TestStatusViewsSayWhyAWorkerWasRestarted(t *testing.T) {
	st := control.Status{Pools: []control.Pool{{Name: "app", Generation: 1, Workers: []control.Worker{
		{PID: 7, State: "idle", Restarts: 1, Restarted: "exited (exit status 255)"}, {Slot: 1, State: "backing-off"},
	}}}}
	var out bytes.Buffer
	showStatus(&Terminal{Out: &out}, st)
	if !strings.Contains(out.String(), "LAST RESTART") ||
		!strings.Contains(out.String(), "1  exited (exit status 255)\n") {
		t.Errorf("%s", out.String())
	}
	b, err := json.Marshal(allWorkers(st.Pools[0]))
	if err != nil || !strings.HasPrefix(string(b), `[{"pool":"app","slot":0,"pid":7,"state":"idle"`) {
		t.Errorf("%v %s", err, b)
	}
}

func TestStatusNamesTheWorkersOfACanary(t *testing.T) {
	p := control.Pool{Name: "app", Generation: 6, Workers: []control.Worker{{PID: 7, State: "busy", Generation: 6}},
		Canary: &control.Canary{
			Candidate: control.CanarySide{Workers: []control.Worker{{PID: 8, State: "idle", Generation: 7}}},
			Control:   control.CanarySide{Workers: []control.Worker{{PID: 9, State: "idle", Generation: 8}}}}}
	var out bytes.Buffer
	showStatus(&Terminal{Out: &out}, control.Status{Pools: []control.Pool{p}})
	for _, want := range []string{"\napp  generation 6  1 worker ", "\n            0    7  busy            6",
		"\n  candidate 0    8  idle            7", "\n    control 0    9  idle            8"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %q in\n%s", want, out.String())
		}
	}
	b, err := json.Marshal(allWorkers(p))
	if err != nil || !strings.Contains(string(b), `{"pool":"app","canary":"control","slot":0,"pid":9,`) {
		t.Errorf("%v %s", err, b)
	}
}

func TestStatusShowsWhatTheChildrenOfAPHPFPMDo(t *testing.T) {
	st := control.Status{Pools: []control.Pool{{Name: "site", Workers: []control.Worker{{PID: 7, State: "busy",
		Children: []control.Child{
			{PID: 8, State: "busy", Requests: 3, Memory: 5 << 20, Uptime: 60, Request: "GET /slow", Running: 2},
			{PID: 9, State: "idle", Uptime: 60},
		}}}}}}
	var out bytes.Buffer
	showStatus(&Terminal{Out: &out}, st)
	for _, want := range []string{
		"children of 7\n", "  PID  STATE  REQUESTS   MEMORY  UPTIME  RUNNING  REQUEST\n",
		"    8  busy          3  5.0 MiB   1m 0s     2.0s  GET /slow\n", "    9  idle          0        -   1m 0s",
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %q in\n%s", want, out.String())
		}
	}
}

func TestStatusViewsShowHowFewAndHowManyWorkersThereMayBe(t *testing.T) {
	st := control.Status{Pools: []control.Pool{
		{Name: "app", Generation: 1, MinWorkers: 1, MaxWorkers: 4,
			Workers: []control.Worker{{State: "idle"}, {Slot: 2, State: "busy"}}}}}
	var out bytes.Buffer
	showStatus(&Terminal{Out: &out}, st)
	if !strings.Contains(out.String(), "app  generation 1  2 workers (1–4)  0 queued") {
		t.Errorf("%s", out.String())
	}
	st.Pools[0].MinWorkers = 4
	if text := population(st.Pools[0]); text != "2 workers" {
		t.Errorf("a fixed number is shown as %q", text)
	}
}
