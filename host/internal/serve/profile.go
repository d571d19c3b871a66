// profile.go: profiles of workers, and of this process.

package serve

import (
	"context"
	"time"

	"github.com/workerhost/workerhost/host/internal/control"
	"github.com/workerhost/workerhost/protocol/profile"
	"github.com/workerhost/workerhost/workers"
)

// Profile implements [control.Host].
func (h *host) Profile(ctx context.Context, o control.ProfileOrder) (made control.Profile, err error) {
	made = control.Profile{Pool: o.Pool, Kind: o.Kind, Format: control.FormatPprof}
	if o.Pool == "" {
		began := time.Now()
		made.Bytes, err = profile.Take(ctx, o.Kind, o.Lasts(), h.stopping.Done())
		made.Seconds = control.Seconds(time.Since(began))
		return made, err
	}
	if err := h.checkNames([]string{o.Pool}); err != nil {
		return made, err
	}
	slot := -1
	if o.Slot != nil {
		slot = *o.Slot
	}
	one, err := byName(h.pools(), o.Pool).workers.Profile(ctx,
		workers.ProfileOrder{Kind: o.Kind, Slot: slot, Lasts: o.Lasts()})
	if err != nil {
		return made, err
	}
	for _, w := range one.Workers {
		made.Workers = append(made.Workers, control.ProfiledWorker(w))
	}
	if one.Folded {
		made.Format, made.Samples, made.Idle = control.FormatFolded, one.Samples, one.Idle
	}
	made.Bytes, made.Seconds = one.Bytes, control.Seconds(one.Lasted)
	return made, nil
}
