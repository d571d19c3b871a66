package cli

import (
	"testing"
	"time"

	"github.com/workerhost/workerhost/host/internal/control"
)

func TestAProfileIsNamedAndDescribedByWhatItIsOf(t *testing.T) {
	at := time.Date(2030, 1, 31, 23, 59, 0, 0, time.UTC)
	one := []control.ProfiledWorker{{Slot: 3, PID: 4711, Generation: 2}}
	for _, c := range []struct {
		order      control.ProfileOrder
		made       control.Profile
		name, text string
	}{
		{control.ProfileOrder{Kind: "cpu", Seconds: 10},
			control.Profile{Pool: "web", Workers: one, Kind: "cpu", Format: "pprof", Seconds: 10.1},
			"web-3-cpu-20300131-235900.pb.gz",
			"a profile of cpu for 10.1s, of worker 3 of pool web (pid 4711, generation 2)"},
		{control.ProfileOrder{Kind: "cpu", Seconds: 60},
			control.Profile{Pool: "web", Workers: append(one, one...), Kind: "cpu", Format: "folded", Seconds: 4,
				Samples: 99, Idle: 101}, "web-cpu-20300131-235900.folded",
			"a profile of cpu for 4.0s, of the 2 workers of pool web: 99 samples, while requests ran 49 % of the " +
				"time; it ended early, as its worker did"},
		{control.ProfileOrder{Kind: "heap"}, control.Profile{Kind: "heap", Format: "pprof"},
			"host-heap-20300131-235900.pb.gz", "a profile of heap, of the host"},
	} {
		if name := profileName(&c.made, at); name != c.name {
			t.Errorf("it is named %s, not %s", name, c.name)
		}
		if text := describe(&c.order, &c.made); text != c.text {
			t.Errorf("it is %q\nand not %q", text, c.text)
		}
	}
}
