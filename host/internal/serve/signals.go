// signals.go: what signals ask of a host, and of the commands that talk to one.

package serve

import (
	"os"
	"os/signal"
	"time"

	"github.com/workerhost/workerhost/host/internal/control"
)

// request is what a signal asks the host for.
type request int

const (
	stopRequest request = iota // gracefully; the second time at once
	reloadRequest
	reopenRequest // the access log
	noRequest
)

// heedSignals has signals steer the host until the returned function is called. After that they do nothing: a host
// that has ended well must not be killed on its last steps.
func (h *host) heedSignals() (ignore func()) {
	meaning := signals()
	incoming := make(chan os.Signal, 8)
	for s := range meaning {
		signal.Notify(incoming, s)
	}
	quit, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		var asked time.Time
		for {
			select {
			case s := <-incoming:
				h.heed(meaning[s], s, &asked)
			case <-quit:
				return
			}
		}
	}()
	return func() {
		close(quit)
		<-done
	}
}

// echo is for how long a signal that comes again is the same one: timeout(1), and others, signal a process and then
// the group that it is in.
const echo = 250 * time.Millisecond

// heed does what one signal asks for. asked is when a signal has asked for a stop for the first time.
func (h *host) heed(r request, s os.Signal, asked *time.Time) {
	switch {
	case r == noRequest, h.upgrade.replaced.Load() != nil: // the next host gets it
	case r == reopenRequest:
		h.reopenLogs()
	case r == reloadRequest:
		_, err := h.Reload(control.Reload{By: control.By{How: "signal", Signal: s.String()}})
		h.Audit(control.Record{Act: "reload", Asker: control.Asker{Signal: s.String()}, Err: err})
	case !asked.IsZero() && time.Since(*asked) < echo:
		h.log.Debug("the same signal at the same time asks for nothing more", "signal", s.String())
	default:
		now := !asked.IsZero()
		if !now {
			*asked = time.Now()
		}
		h.Audit(control.Record{Act: "stop", Asker: control.Asker{Signal: s.String()}, Details: []any{"now", now}})
		if h.Stop(now); !now {
			h.log.Info("the same signal once more stops at once")
		}
	}
}
