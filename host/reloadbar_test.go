package main

import (
	"strings"
	"testing"

	"github.com/workerhost/workerhost/host/internal/control"
)

func TestReloadBarIsDrawnOnATerminalOnly(t *testing.T) {
	for _, live := range []bool{true, false} {
		var out strings.Builder
		term := &terminal{out: &out, err: &out, live: live}
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
		drawn := strings.Contains(text, "0 of 2 workers replaced\r\x1b[K") && strings.Contains(text, strings.Repeat("█", 15)+strings.Repeat("░", 15)+"  1 of 2 workers replaced\r\x1b[K")
		if drawn != live || strings.Contains(text, "\x1b") != live || !strings.HasSuffix(text, "\n") {
			t.Errorf("live %v: %q", live, text)
		}
	}
}
