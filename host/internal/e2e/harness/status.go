// What `host status` says.

package harness

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"
)

// Status is what `host status --json` promises.
type Status struct {
	Version  string
	PID      int
	Uptime   float64 `json:"uptime_seconds"`
	Services []struct {
		Name     string
		State    string
		PID      int
		Restarts int
	}
	Pools []struct {
		Name       string
		Generation int
		Queued     int
		Workers    []struct {
			Slot       int
			PID        int
			State      string
			Generation int
			Requests   int
			Memory     int64 `json:"memory_bytes"`
			Restarts   int
			Restarted  string
			Children   []struct {
				PID     int
				State   string
				Memory  int64 `json:"memory_bytes"`
				Request string
				Running float64 `json:"running_seconds"`
			}
		}
	}
}

// TryStatus asks the host over its control socket, as `host status --json` does, but without a process for each look.
func (h *Host) TryStatus() (st Status, err error) {
	client := http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			var d net.Dialer
			return d.DialContext(ctx, "unix", h.Control)
		},
	}}
	resp, err := client.Get("http://host/v1/status")
	if err != nil {
		return st, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return st, errors.New(resp.Status)
	}
	return st, json.NewDecoder(resp.Body).Decode(&st)
}

// Status is TryStatus that must succeed.
func (h *Host) Status() Status {
	h.T.Helper()
	st, err := h.TryStatus()
	if err != nil {
		h.T.Fatalf("host status: %v", err)
	}
	return st
}

// PIDs are those of all workers.
func (h *Host) PIDs() (pids []int) {
	h.T.Helper()
	for _, p := range h.Status().Pools {
		for _, w := range p.Workers {
			pids = append(pids, w.PID)
		}
	}
	return pids
}

// Await waits until the first pool's count of workers in a state is n.
func (h *Host) Await(state string, n int) {
	h.T.Helper()
	h.Eventually(fmt.Sprintf("%d workers are %s", n, state), func() bool { return h.Count(state) == n })
}

// Count is how many workers of the first pool are in a state.
func (h *Host) Count(state string) (n int) {
	h.T.Helper()
	for _, w := range h.Status().Pools[0].Workers {
		if w.State == state {
			n++
		}
	}
	return n
}
