package cli

import (
	"strings"
	"testing"

	"github.com/workerhost/workerhost/host/internal/control"
)

func TestReloadBarIsDrawnOnATerminalOnly(t *testing.T) {
	for _, live := range []bool{true, false} {
		var out strings.Builder
		term := &Terminal{Out: &out, Err: &out, live: live}
		story := newReloadStory(term)
		tell := story.follow(false)
		at := 0
		for _, e := range []control.Event{
			{Kind: control.Begun, Pool: "web", Workers: 2},
			{Kind: control.Replaced, Pool: "web", Slot: &at},
			{Kind: control.Completed, Pool: "web", Workers: 2},
		} {
			if err := tell(e, nil); err != nil {
				t.Fatal(err)
			}
		}
		text := out.String()
		drawn := strings.Contains(text, "0 of 2 workers replaced\r\x1b[K") &&
			strings.Contains(text, strings.Repeat("█", 15)+strings.Repeat("░", 15)+"  1 of 2 workers replaced\r\x1b[K")
		if drawn != live || strings.Contains(text, "\x1b") != live || !strings.HasSuffix(text, "\n") {
			t.Errorf("live %v: %q", live, text)
		}
	}
}

func TestReloadBarSaysWhereEachWorkerIs(t *testing.T) {
	old := control.Worker{Slot: 0, PID: 10, State: "draining", Generation: 1, Inflight: 2}
	fresh := control.Worker{Slot: 0, PID: 20, State: "starting", Generation: 2}
	with := func(w control.Worker, change func(*control.Worker)) control.Worker { change(&w); return w }
	for want, workers := range map[string][]control.Worker{
		"pid 10 → 20  starting": {with(old, func(w *control.Worker) { w.State = "idle" }), fresh},
		"pid 10 → 20  warming: GET /": {with(old, func(w *control.Worker) {
			w.State = "busy"
		}), with(fresh, func(w *control.Worker) { w.Warming = "GET /" })},
		"pid 10 → 20  swapped, draining: 2 requests": {with(fresh, func(w *control.Worker) { w.State = "idle" }), old},
		"pid 10 → 20  swapped, stopping": {with(fresh, func(w *control.Worker) {
			w.State = "busy"
		}), with(old, func(w *control.Worker) { w.Inflight = 0 })},
		// in place
		"pid 10 → …  draining: 2 requests": {{Slot: 0, State: "backing-off", Generation: 1}, old},
		"pid … → 20  starting":             {fresh},
		"": {{Slot: 0, PID: 10, State: "idle", Generation: 1},
			{Slot: 1, PID: 21, State: "busy", Generation: 2}},
	} {
		bar := newReloadStory(&Terminal{}).bar
		bar.heed(control.Event{Kind: control.Begun, Pool: "web", Workers: 2})
		lines := bar.tellPhases(control.Pool{Name: "web", Progress: &control.Progress{Generation: 2},
			Workers: workers})
		if got := strings.Join(lines, "\n"); want == "" && got != "" ||
			want != "" && got != "  worker 0  "+want+"  0ms" {
			t.Errorf("%q instead of %q", got, want)
		}
	}
}
