// profile.go: what the API says of what workers, and the host itself, spend their time and memory on.

package control

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/workerhost/workerhost/protocol"
)

// ProfileOrder says which profile is wanted, and of what.
type ProfileOrder struct {
	Pool    string  `json:"pool,omitempty"`    // "" is the host itself
	Slot    *int    `json:"slot,omitempty"`    // of the worker; without it one of the pool, or all that are sampled
	Kind    string  `json:"kind"`              // cpu, heap or goroutine
	Seconds float64 `json:"seconds,omitempty"` // that one of cpu lasts
}

// Profile is one that was taken.
type Profile struct {
	Pool    string           `json:"pool,omitempty"`
	Workers []ProfiledWorker `json:"workers,omitempty"` // of the pool: whose it is
	Kind    string           `json:"kind"`
	Format  string           `json:"format"`            // FormatPprof or FormatFolded
	Seconds float64          `json:"seconds"`           // that it took: fewer if its worker was replaced meanwhile
	Samples int              `json:"samples,omitempty"` // stacks that were seen; only of FormatFolded
	Idle    int              `json:"idle,omitempty"`    // likewise: how often a worker had no request
	Bytes   []byte           `json:"bytes"`             // in base64
}

// The formats of a profile.
const (
	FormatPprof  = "pprof"  // a profile.proto in gzip, as go tool pprof reads it
	FormatFolded = "folded" // text, a stack a line: its functions from the outermost on, and a count
)

// ProfiledWorker is a worker that a profile is of.
type ProfiledWorker struct {
	Slot       int    `json:"slot"`
	PID        int    `json:"pid"`
	Generation uint64 `json:"generation"`
}

// Lasts is how long the profile takes.
func (o *ProfileOrder) Lasts() time.Duration {
	if o.Kind != protocol.ProfileCPU {
		return 0
	}
	return time.Duration(o.Seconds * float64(time.Second))
}

// Check says what is wrong with an order.
func (o *ProfileOrder) Check() error {
	most := protocol.MaxProfileTime
	switch {
	case !slices.Contains(protocol.ProfileKinds, o.Kind):
		return fmt.Errorf("kind: expected one of %q, found %.50q", protocol.ProfileKinds, o.Kind)
	case o.Kind == protocol.ProfileCPU && !(o.Seconds > 0 && o.Seconds <= most.Seconds()):
		return fmt.Errorf("seconds: expected more than 0, and at most %g", most.Seconds())
	case o.Pool == "" && o.Slot != nil:
		return errors.New("slot is of a worker, so that it needs a pool")
	case o.Slot != nil && *o.Slot < 0:
		return errors.New("slot: workers are counted from 0 on")
	}
	return nil
}

var errAskerLeft = errors.New("whoever asked for it has left")

func (s *Server) profile(w http.ResponseWriter, r *http.Request) {
	var o ProfileOrder
	if !read(w, r, &o) {
		return
	}
	if err := o.Check(); err != nil {
		refuse(w, http.StatusBadRequest, err)
		return
	}
	made, err := s.host.Profile(r.Context(), o)
	if err != nil && r.Context().Err() != nil {
		err = errAskerLeft
	}
	details := []any{"kind", o.Kind}
	if o.Pool != "" {
		details = append(details, "pool", o.Pool)
	}
	if o.Slot != nil {
		details = append(details, "slot", *o.Slot)
	}
	if lasts := o.Lasts(); lasts > 0 {
		details = append(details, "seconds", lasts.Seconds())
	}
	s.audit(r, "profile", err, details...)
	answer(w, made, err)
}

// Profile asks for a profile, and waits for it. Ending ctx ends it in the worker as well.
func (c *Client) Profile(ctx context.Context, o ProfileOrder) (made Profile, err error) {
	return made, c.post(ctx, "/v1/profile", o, &made)
}
