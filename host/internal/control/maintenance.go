// maintenance.go: sites that answer 503 while somebody works on them.

package control

import (
	"context"
	"net/http"
	"time"
)

// MaintenanceHost is what the server asks of a host about maintenance.
type MaintenanceHost interface {
	// Maintenance is what is in force; nil: nothing is. It is not to be changed.
	Maintenance() *Maintenance
	// SetMaintenance puts one in force; nil ends it. An error says that nothing has changed; an [Unknown] names a
	// route that is not there, and a [Misuse] what makes no sense.
	SetMaintenance(m *Maintenance) error
}

// Maintenance says what is answered 503, and for whom.
type Maintenance struct {
	Since      time.Time `json:"since"` // the host's to say
	Message    string    `json:"message,omitempty"`
	RetryAfter float64   `json:"retry_after_seconds,omitempty"`
	Allow      []string  `json:"allow,omitempty"`  // networks, addresses and "unix" that may come all the same
	Except     []string  `json:"except,omitempty"` // paths that stay, such as "/up" or "/hooks/*"
	Routes     []string  `json:"routes,omitempty"` // by name; none: all
}

// Misuse is an order that makes no sense, and why.
type Misuse struct{ Why error }

// Error is why.
func (m *Misuse) Error() string { return m.Why.Error() }

// maintenanceRoutes are the requests to answer. That of GET gives an array of what is in force, which has one at most.
func (s *Server) maintenanceRoutes() map[string]http.HandlerFunc {
	return map[string]http.HandlerFunc{
		"GET /v1/maintenance": s.needs(MayStatus, func(w http.ResponseWriter, r *http.Request) {
			all := []Maintenance{}
			if m := s.host.Maintenance(); m != nil {
				all = append(all, *m)
			}
			writeJSON(w, http.StatusOK, all)
		}),
		"POST /v1/maintenance/on": s.needs(MayMaintenance, s.ownersOnly(func(w http.ResponseWriter, r *http.Request) {
			var m Maintenance
			if read(w, r, &m) {
				s.setMaintenance(w, r, &m)
			}
		})),
		"POST /v1/maintenance/off": s.needs(MayMaintenance, s.ownersOnly(func(w http.ResponseWriter, r *http.Request) {
			s.setMaintenance(w, r, nil)
		})),
	}
}

func (s *Server) setMaintenance(w http.ResponseWriter, r *http.Request, m *Maintenance) {
	err := s.host.SetMaintenance(m)
	act, details := "maintenance off", []any(nil)
	if m != nil {
		act, details = "maintenance on", []any{"routes", m.Routes, "allow", m.Allow, "except", m.Except}
	}
	s.audit(r, act, err, details...)
	if misuse, is := err.(*Misuse); is {
		refuse(w, http.StatusBadRequest, misuse)
		return
	}
	answer(w, struct{}{}, err)
}

// Maintenance asks for what is in force; nil: nothing is.
func (c *Client) Maintenance(ctx context.Context) (*Maintenance, error) {
	var all []Maintenance
	if err := c.get(ctx, "/v1/maintenance", &all); err != nil || len(all) == 0 {
		return nil, err
	}
	return &all[0], nil
}

// SetMaintenance puts m in force; nil ends what is.
func (c *Client) SetMaintenance(ctx context.Context, m *Maintenance) error {
	if m == nil {
		return c.post(ctx, "/v1/maintenance/off", struct{}{}, &struct{}{})
	}
	return c.post(ctx, "/v1/maintenance/on", m, &struct{}{})
}
