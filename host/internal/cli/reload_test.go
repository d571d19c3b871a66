package cli

import (
	"bytes"
	"testing"

	"github.com/workerhost/workerhost/host/internal/control"
)

func TestReloadTellsALinePerWorkerAndWhatRunsAfterwards(t *testing.T) {
	at := func(slot int) *int { return &slot }
	unpinned, pinned := false, true
	begun := control.Event{Kind: control.Begun, Pool: "app", Generation: 4, Directory: "/srv/app", Pinned: &unpinned,
		Workers: 3}
	replaced := control.Event{Kind: control.Replaced, Pool: "app", Generation: 4, Slot: at(0), OldPID: 4711,
		NewPID: 4802, Boot: 38.2, Drained: 2}
	for name, c := range map[string]struct {
		events   []control.Event
		out, err string
		failed   bool
	}{
		"all went well": {
			events: []control.Event{
				{Kind: control.ListenerReloaded, Address: ":8443"}, begun, replaced,
				{Kind: control.Replaced, Pool: "app", Generation: 4, Slot: at(1), NewPID: 4803, Boot: 1200,
					Cut: []string{"GET /slow"}},
				{Kind: control.Completed, Pool: "app", Generation: 4, Workers: 2, Took: 1500}, begun,
			},
			out: `:8443  files read again
app  generation 4  /srv/app  unpinned: it is edited in place, so a worker that restarts runs what it holds then
app  worker 0  generation 4  pid 4711 → 4802  boot 38ms  drained 2
app  worker 1  generation 4  pid none → 4803  boot 1.2s  drained 0  cut at drain_timeout: GET /slow
app  reloaded: 2 workers of generation 4 in 1.5s
app  generation 4  /srv/app
`,
		},
		"the first worker failed": {
			events: []control.Event{
				{Kind: control.Failed, Pool: "app", Generation: 4, Slot: at(0), Error: "Parse error\n#0 trace\n",
					Workers: 3, Running: []control.Running{{Generation: 3, Slots: []int{0, 1, 2}}}},
				{Kind: control.Skipped, Pool: "api"},
			},
			err: `app  worker 0 of generation 4 did not start:

Parse error
#0 trace

app  nothing was replaced: the old workers keep serving, with generation 3
api  not reloaded: it keeps the code that it has
`,
			failed: true,
		},
		"a later worker failed": {
			events: []control.Event{replaced, {
				Kind: control.Failed, Pool: "app", Generation: 4, Slot: at(3), Error: "out of memory", Workers: 8,
				Replaced: 3,
				Running: []control.Running{{Generation: 4, Slots: []int{0, 1, 2}},
					{Generation: 3, Slots: []int{3, 4, 5, 7}}},
			}},
			out: "app  worker 0  generation 4  pid 4711 → 4802  boot 38ms  drained 2\n",
			err: "app  worker 3 of generation 4 did not start:\n\nout of memory\n\napp  workers 0–2 run " +
				"generation 4, 3–5, 7 generation 3; 1 worker not up, and the host keeps trying\n",
			failed: true,
		},
		"nothing ever ran": {
			events: []control.Event{{Kind: control.Failed, Pool: "app", Generation: 1, Error: "no php", Workers: 2}},
			err: "app  the reload failed:\n\nno php\n\napp  nothing was replaced, and no worker is up: the host " +
				"keeps trying to start the old ones\n",
			failed: true,
		},
		"put back": {
			events: []control.Event{
				{Kind: control.Begun, Pool: "app", Generation: 4, Directory: "/srv/r/4", Pinned: &pinned},
				{Kind: control.Restored, Pool: "app", Generation: 3, Slot: at(0), OldPID: 1, NewPID: 2, Boot: 10},
			},
			out: "app  generation 4  /srv/r/4\napp  worker 0  put back  generation 3  pid 1 → 2  boot 10ms  " +
				"drained 0\n",
		},
		"put back by itself": {
			events: []control.Event{
				{Kind: control.Restored, Pool: "app", Generation: 3, Slot: at(0), OldPID: 1, NewPID: 2, Boot: 10},
				{Kind: control.Failed, Pool: "app", Generation: 4, Slot: at(1), Error: "out of memory", Workers: 2,
					Running: []control.Running{{Generation: 3, Slots: []int{0, 1}}}},
			},
			out: "app  worker 0  put back  generation 3  pid 1 → 2  boot 10ms  drained 0\n",
			err: "app  worker 1 of generation 4 did not start:\n\nout of memory\n\napp  what was replaced is put " +
				"back: all serve with generation 3 again\n",
			failed: true,
		},
		"aborted half-way": {
			events: []control.Event{{
				Kind: control.Failed, Pool: "app", Generation: 4, Error: "the reload was aborted",
				Outcome: control.WasAborted, Workers: 2, Replaced: 1,
				Running: []control.Running{{Generation: 4, Slots: []int{0}}, {Generation: 3, Slots: []int{1}}},
			}},
			err:    "app  the reload was aborted\napp  workers 0 run generation 4, 1 generation 3\n",
			failed: true,
		},
		"certificates failed": {
			events: []control.Event{{Kind: control.ListenerFailed, Address: ":8443", Error: "no such file"}},
			err:    ":8443  keeps the files that it had:\nno such file\n",
			failed: true,
		},
	} {
		var out, err bytes.Buffer
		story := newReloadStory(&Terminal{Out: &out, Err: &err})
		for _, e := range c.events {
			story.judge(e)
			story.tell(e)
		}
		if out.String() != c.out || err.String() != c.err || story.failed != c.failed {
			t.Errorf("%s: failed %v\nexpected\n%s%s\ngot\n%s%s", name, story.failed, c.out, c.err, out.String(),
				err.String())
		}
	}
}

func TestACanarysEvidenceIsATableOfOldAndNew(t *testing.T) {
	seen := &control.Canary{
		Control:   control.CanarySide{Clients: 61, Requests: 1520},
		Candidate: control.CanarySide{Clients: 58, Requests: 1490, Deaths: []string{"exited (exit status 255)"}},
		Measures: []control.CanaryMeasure{
			{Name: "failed", Control: 0.2, Candidate: 2.31, Limit: 1.2, Chance: 0.0001, Worse: true},
			{Name: "service_time", Control: 12.12, Candidate: 15.04, Limit: 14.54, Chance: 0.03, Doubtful: true},
			{Name: "growth", Candidate: 1024, Limit: 20480, Chance: 0.5},
		},
		FailedOver: []control.CanaryPoint{{}, {Control: 1, Candidate: 4}},
		PaceOver:   []control.CanaryPoint{{Control: 10, Candidate: 10}, {Control: 5, Candidate: 10}},
	}
	const want = `web  the new code does not go live: web: 2.31% of the requests fail, and 0.20% with the old code
                         old code  new code   at most
    clients                    61        58
    requests and events      1520      1490
    failed                  0.20%     2.31%     1.20%  worse: by chance alone once in 10000 times
    service time          12.1 ms     15 ms   14.5 ms  beyond, perhaps by chance
    growth by a request       0 B   1.0 KiB  20.0 KiB
    deaths of workers           0         1
    failed        old  ▁▃
                  new  ▁█
    service time  old  █▅
                  new  ██
`
	var out, err bytes.Buffer
	newReloadStory(&Terminal{Out: &out, Err: &err}).tell(control.Event{Kind: control.CanaryJudged, Pool: "web",
		Outcome: control.TurnedBack, Canary: seen,
		What: "web: 2.31% of the requests fail, and 0.20% with the old code"})
	if err.String() != want || out.Len() > 0 {
		t.Errorf("expected\n%s\ngot\n%s%s", want, out.String(), err.String())
	}
}
