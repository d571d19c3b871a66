package serve

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/workerhost/workerhost/host/internal/config"
)

func TestAStepOfTheStopThatDoesNotEndIsLeftBehind(t *testing.T) {
	for name, c := range map[string]struct {
		now  time.Duration // when somebody says --now; 0 is never
		step time.Duration // how long it takes; 0 is for ever
		took time.Duration
		left bool
	}{
		"one that ends":             {0, time.Minute, time.Minute, false},
		"one that does not":         {0, 0, time.Minute + overdue, true},
		"one that ends at once":     {time.Second, 2 * time.Second, 2 * time.Second, false},
		"one that heeds no urgency": {time.Second, 0, time.Second + overdue, true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var said strings.Builder
				h := newHost(&config.Config{}, hclog.New(&hclog.LoggerOptions{Output: &said}))
				if c.now > 0 {
					time.AfterFunc(c.now, func() { h.Stop(true) })
				}
				release := make(chan struct{})
				began := time.Now()
				h.bounded("that", time.Minute, func() {
					if c.step > 0 {
						time.Sleep(c.step)
					} else {
						<-release
					}
				})
				if took := time.Since(began); took != c.took ||
					strings.Contains(said.String(), "left behind, since it does not end") != c.left {
					t.Errorf("it took %v: %s", took, said.String())
				}
				close(release)
			})
		})
	}
}

func TestWhatWasBuiltIsTakenDownLastFirstThoughAStepPanics(t *testing.T) {
	var said []string
	func() {
		defer func() { recover() }()
		var down teardown
		defer down.run()
		down.add(func() { said = append(said, "first") })
		down.add(func() { panic("second") })
		down.add(func() { said = append(said, "third") })
	}()
	if got := strings.Join(said, " "); got != "third first" {
		t.Errorf("taken down: %s", got)
	}
}
