// signals.go: what signals ask of a host, and of the commands that talk to one.

package serve

import (
	"os"
	"os/signal"

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
		asked := false
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

// heed does what one signal asks for. asked is whether a signal has asked for a stop before.
func (h *host) heed(r request, s os.Signal, asked *bool) {
	switch {
	case r == noRequest:
	case r == reopenRequest:
		h.setup.Load().edge.reopen()
	case r == reloadRequest:
		_, err := h.Reload(control.Reload{})
		h.Audit(control.Record{Act: "reload", Asker: control.Asker{Signal: s.String()}, Err: err})
	default:
		now := *asked
		*asked = true
		h.Audit(control.Record{Act: "stop", Asker: control.Asker{Signal: s.String()}, Details: []any{"now", now}})
		if h.Stop(now); !now {
			h.log.Info("the same signal once more stops at once")
		}
	}
}
