// Profiles of this process, for the host (SPEC.md §8.6). No code of the program's has a part in it.

package sdk

import (
	"context"
	"errors"
	"io"
	"net/http"

	"github.com/workerhost/workerhost/protocol"
	"github.com/workerhost/workerhost/protocol/profile"
)

// answerHost answers a request of the host's own.
func answerHost(w http.ResponseWriter, r *http.Request) {
	kind, lasts, err := protocol.ParseProfileTarget(r.URL)
	if err != nil {
		http.Error(w, err.Error(), http.StatusNotFound)
		return
	}
	early, enough := context.WithCancel(r.Context())
	go func() { // ends with the body, at the latest once this function has returned
		defer enough()
		_, _ = io.Copy(io.Discard, r.Body)
	}()
	taken, err := profile.Take(r.Context(), kind, lasts, early.Done())
	switch {
	case errors.Is(err, profile.ErrUnknown):
		http.Error(w, err.Error(), http.StatusNotFound)
	case err != nil:
		http.Error(w, err.Error(), http.StatusServiceUnavailable)
	default:
		w.Header().Set("Content-Type", "application/octet-stream")
		_, _ = w.Write(taken) // an error means that nobody waits for it
	}
}
