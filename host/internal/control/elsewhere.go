// elsewhere.go: what is asked of another host of the cluster, through this one.

package control

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"slices"
	"time"
)

// ClusterHost is a host of the cluster.
type ClusterHost struct {
	Station string     `json:"station"` // its name for programs: it stays with the host's state folder
	Host    string     `json:"host"`
	Version string     `json:"version"`
	State   string     `json:"state"`          // starting, serving or stopping; lost: it says nothing any more
	Here    bool       `json:"here,omitempty"` // it is the one that was asked
	Seen    *time.Time `json:"seen,omitempty"` // when it was last heard of
}

// Order is a request that is for another host.
type Order struct {
	Method, Path string // with the query
	By           string // who gives it
	Message      string // why
	Body         []byte
}

// Part is some of the answer: the first one has the status, and the last one is the end.
type Part struct {
	Status int
	Data   []byte
	End    bool
}

// hostHeader names the station that a request is for; without it, it is for the host that gets it.
const hostHeader = "Workerhost-Host"

// hosts lists them.
func (s *Server) hosts(w http.ResponseWriter, _ *http.Request) {
	all := s.host.Hosts()
	if all == nil {
		refuse(w, http.StatusConflict, fmt.Errorf("this host is in no cluster: write [cluster] in host.toml "+
			"(host help "+
			"cluster)"))
		return
	}
	writeJSON(w, http.StatusOK, all)
}

// elsewhere passes a request on, whose asker has the right here.
func (s *Server) elsewhere(w http.ResponseWriter, r *http.Request, right Right, station string) {
	if slices.Contains(notImplied, right) && !owns(r) {
		s.ownersOnly(nil)(w, r)
		return
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxSend))
	if err != nil {
		refuse(w, http.StatusBadRequest, err)
		return
	}
	asker := by(r)
	o := Order{Method: r.Method, Path: r.URL.RequestURI(), Message: asker.Message, Body: body,
		By: asker.User + asker.Token}
	began := false
	err = s.host.Elsewhere(r.Context(), station, o, func(p Part) error {
		if p.Status != 0 {
			kind := "application/json"
			if p.Status == http.StatusOK {
				kind = "application/x-ndjson"
			}
			w.Header().Set("Content-Type", kind)
			w.WriteHeader(p.Status)
			began = true
		}
		if _, err := w.Write(p.Data); err != nil {
			return err
		}
		return http.NewResponseController(w).Flush()
	})
	switch {
	case err == nil:
	case !began:
		refuse(w, http.StatusBadGateway, err)
	default:
		panic(http.ErrAbortHandler) // so that nobody takes it for the whole
	}
}

// Obey carries out what another host of the cluster has ordered, as far as that has one of the rights here, and calls
// part with the answer, the last time with the end.
func (s *Server) Obey(ctx context.Context, host string, rights []Right, o Order, part func(Part)) {
	out := &parts{part: part, header: http.Header{}}
	defer func() { out.part(Part{End: true}) }()
	token := &Token{Name: host, Rights: append([]Right{}, rights...), cluster: true}
	ctx = context.WithValue(ctx, tokenKey{}, token)
	r, err := http.NewRequestWithContext(ctx, o.Method, o.Path, &reader{o.Body})
	if err != nil {
		refuse(out, http.StatusBadRequest, err)
		return
	}
	r.RemoteAddr = host
	r.Header.Set(messageHeader, o.Message)
	s.steer.ServeHTTP(out, r)
}

// reader reads what there is.
type reader struct{ left []byte }

// Read implements [io.Reader].
func (r *reader) Read(b []byte) (n int, err error) {
	if len(r.left) == 0 {
		return 0, io.EOF
	}
	n = copy(b, r.left)
	r.left = r.left[n:]
	return n, nil
}

// parts is an answer that goes to another host. It implements [http.ResponseWriter].
type parts struct {
	part   func(Part)
	header http.Header
	said   bool
}

// Header implements [http.ResponseWriter].
func (p *parts) Header() http.Header { return p.header }

// WriteHeader implements [http.ResponseWriter].
func (p *parts) WriteHeader(status int) {
	if !p.said {
		p.said = true
		p.part(Part{Status: status})
	}
}

// Write implements [http.ResponseWriter].
func (p *parts) Write(b []byte) (int, error) {
	p.WriteHeader(http.StatusOK)
	p.part(Part{Data: append([]byte(nil), b...)})
	return len(b), nil
}

// Flush implements [http.Flusher].
func (p *parts) Flush() {}

// Hosts lists the hosts of the cluster, the one that is asked first.
func (c *Client) Hosts(ctx context.Context) (all []ClusterHost, err error) {
	return all, c.get(ctx, "/v1/hosts", &all)
}

// At is a client of another host of the cluster, which the host of c asks.
func (c *Client) At(h ClusterHost) *Client {
	if h.Here {
		return c
	}
	return &Client{Message: c.Message, path: c.path, token: c.token, http: c.http, station: h.Station}
}
