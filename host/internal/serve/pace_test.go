package serve

import (
	"context"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/workerhost/workerhost/host/internal/control"
)

func TestAPacedReloadGoesOnWithRoomOrAfterItsTime(t *testing.T) {
	const waits = "waits up to 10.0s: full"
	for name, c := range map[string]struct {
		until, took time.Duration
		told        []string
	}{
		"room at once":  {0, 0, nil},
		"room later":    {1100 * time.Millisecond, 1250 * time.Millisecond, []string{waits, "goes on"}},
		"room never":    {time.Hour, 10 * time.Second, []string{waits, "goes on all the same: full"}},
		"aborted later": {-1, 3 * time.Second, []string{waits}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				began := time.Now()
				var told []string
				w := &pacer{pool: "a", most: 10 * time.Second, short: func() string {
					if c.until >= 0 && time.Since(began) >= c.until {
						return ""
					}
					return "full"
				}, tell: func(e control.Event) { told = append(told, e.What) }}
				ctx, cancel := context.WithCancel(context.Background())
				defer cancel()
				if c.until < 0 {
					ctx, cancel = context.WithTimeout(ctx, 3*time.Second)
					defer cancel()
				}
				w.wait(ctx)
				if took := time.Since(began); took != c.took || !slices.Equal(told, c.told) {
					t.Errorf("after %v: %q", took, told)
				}
			})
		})
	}
}
