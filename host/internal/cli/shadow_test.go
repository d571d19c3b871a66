package cli

import (
	"bytes"
	"reflect"
	"strings"
	"testing"

	"github.com/spf13/pflag"
	"github.com/workerhost/workerhost/host/internal/control"
)

func TestAShadowIsATableOfOldAndNewWithExamples(t *testing.T) {
	found := &control.Shadow{Compared: 200, Differ: 21, Drawn: 210, Large: 1, Acting: 4,
		Old: control.ShadowSide{Statuses: map[string]int{"2xx": 200}, Typical: 0.585},
		New: control.ShadowSide{Statuses: map[string]int{"2xx": 198, "none": 2}, Typical: 12.25},
		By:  map[string]int{"status": 2, "body": 19}, Refused: map[string]int{"SEND": 8},
		LeftOut: map[string]int{"busy": 7, "held": 3},
		Examples: []control.ShadowExample{
			{Request: "GET /price", What: "body", Old: `"10"`, New: `"12"`, Times: 19},
			{Request: "GET /a\x1b[2J", What: "type", Old: "text/html", Times: 1},
		}}
	const want = `web  the shadow is over: 21 of 200 answers differ
                      old code  new code
    answers compared       200       200
    status 2xx             200       198
    no answer                0         2
    service time      0.585 ms   12.2 ms
    differ first in: body 19, status 2
    left out: busy 7, held 3
    refused to the new code: SEND 8
    requests in which it asked for that: 4
    bodies over 256 KiB, compared in length at most: 1
    GET /price  body, 19 times
      old  "10"
      new  "12"
    GET /a·[2J  type
      old  text/html
      new  -
`
	var out, err bytes.Buffer
	newReloadStory(&Terminal{Out: &out, Err: &err}).tell(control.Event{Kind: control.ShadowOver, Pool: "web",
		Outcome: control.TurnedBack, Shadow: found, What: "21 of 200 answers differ"})
	if out.String() != want || err.Len() > 0 {
		t.Errorf("expected\n%s\ngot\n%s%s", want, out.String(), err.String())
	}
}

func TestFlagsOfAShadowThatMeanNothingAreRefused(t *testing.T) {
	for args, why := range map[string]string{
		"--shadow 5": "is no percentage", "--shadow 0%": "above 0%", "--shadow 1% --requests 0": "at least 1",
		"--requests 5": "belong to --shadow", "--ignore x": "belong to --shadow",
		"--shadow 1% --ignore (": "--ignore: ", "--shadow 1% --for 1ms": "--for is at least 1s",
	} {
		f := pflag.NewFlagSet("", pflag.ContinueOnError)
		canaryFlags(f)
		read := shadowFlags(f)
		if err := f.Parse(strings.Fields(args)); err != nil {
			t.Fatal(err)
		}
		if ask, err := read(); err == nil || !strings.Contains(err.Error(), why) {
			t.Errorf("%s: %v, %v", args, ask, err)
		}
	}
}

func TestTheTimeOfAShadowAsksForNoCanary(t *testing.T) {
	f := pflag.NewFlagSet("", pflag.ContinueOnError)
	canary, shadow := canaryFlags(f), shadowFlags(f)
	if err := f.Parse([]string{"--shadow", "2.5%", "--for", "90s", "--ignore", "a,b", "--ignore", "c"}); err != nil {
		t.Fatal(err)
	}
	want := &control.ShadowAsk{Share: 2.5, For: 90, Ignore: []string{"a,b", "c"}}
	if ask, err := shadow(); err != nil || !reflect.DeepEqual(ask, want) {
		t.Errorf("%+v, %v", ask, err)
	}
	if ask, err := canary(); ask != nil || err != nil {
		t.Errorf("a canary is asked for: %+v, %v", ask, err)
	}
}
