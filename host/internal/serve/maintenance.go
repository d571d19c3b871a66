// maintenance.go: sites that answer 503 while somebody works on them.

package serve

import (
	"path/filepath"
	"slices"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/workerhost/workerhost/host/internal/config"
	"github.com/workerhost/workerhost/host/internal/control"
	"github.com/workerhost/workerhost/host/internal/maintenance"
)

// newMaintenance reads what the host was told before it began.
func newMaintenance(c *config.Config, log hclog.Logger) *maintenance.Switch {
	file := c.MaintenancePath()
	return maintenance.New(file, func() (string, error) {
		_, err := c.StateFolder(filepath.Base(filepath.Dir(file)))
		return file, err
	}, log)
}

// Maintenance implements [control.MaintenanceHost].
func (h *host) Maintenance() *control.Maintenance {
	o := h.maintenance.On()
	if o == nil {
		return nil
	}
	return &control.Maintenance{Since: o.Since, Message: o.Message, RetryAfter: o.RetryAfter.Seconds(), Allow: o.Allow,
		Except: o.Except, Routes: o.Routes}
}

// SetMaintenance implements [control.MaintenanceHost].
func (h *host) SetMaintenance(m *control.Maintenance) error {
	if m == nil {
		return h.maintenance.Clear()
	}
	o := maintenance.Order{Since: time.Now().UTC(), Message: m.Message, Allow: m.Allow, Except: m.Except,
		RetryAfter: time.Duration(m.RetryAfter * float64(time.Second)), Routes: m.Routes}
	if err := o.Check(); err != nil {
		return &control.Misuse{Why: err}
	}
	var names []string
	for _, r := range h.config().Routes {
		names = append(names, r.Name)
	}
	for _, name := range m.Routes {
		if !slices.Contains(names, name) {
			return &control.Unknown{What: "route", Name: name, Known: names}
		}
	}
	return h.maintenance.Set(o)
}
