// fetches.go: what a pool's workers may leave to the host to fetch.

package serve

import (
	"iter"

	"github.com/hashicorp/go-hclog"
	"github.com/workerhost/workerhost/host/internal/cli"
	"github.com/workerhost/workerhost/host/internal/config"
	"github.com/workerhost/workerhost/host/internal/control"
	"github.com/workerhost/workerhost/host/internal/fetch"
	"github.com/workerhost/workerhost/protocol"
	"github.com/workerhost/workerhost/workers"
)

func newFetches(log hclog.Logger) *fetch.Room { return fetch.NewRoom("workerhost/"+cli.Version(), log) }

// fetches are the counts of the pools that may fetch, or might at a time.
func (h *host) fetches() iter.Seq2[string, fetch.Counts] {
	return func(yield func(string, fetch.Counts) bool) {
		for _, p := range h.pools() {
			if p.fetches.Opened() && !yield(p.name, p.fetches.Counts()) {
				return
			}
		}
	}
}

// shownFetches are the pool's as the control API shows them; nil: it has had none to show.
func (p *pool) shownFetches() *control.Fetches {
	if !p.fetches.Opened() {
		return nil
	}
	n := p.fetches.Counts()
	shown := &control.Fetches{UnderWay: n.Under, Untold: n.Untold, Ends: n.Ends, Refused: n.Refused}
	if f := &p.config().Fetch; len(f.Places()) > 0 {
		shown.AtOnce = f.AtOnce
	}
	return shown
}

// mayFetch has the workers of a generation know that the host fetches, and the room what they may ask for.
func (p *pool) mayFetch(s *workers.Settings, c *config.Pool) {
	if len(c.Fetch.Places()) == 0 {
		return
	}
	s.Terms = p.fetches.Terms(fetchSettings(c))
	s.Features = append(s.Features, protocol.FeatureFetch)
}

// fetchSettings translates what the file says of a pool's fetches.
func fetchSettings(c *config.Pool) fetch.Settings {
	f := &c.Fetch
	settings := fetch.Settings{
		Allow: f.Places(), Networks: f.Prefixes(), Header: f.Header, AtOnce: f.AtOnce, PerHost: f.PerHost,
		FirstByte: f.FirstByte, Timeout: f.Timeout, MaxBody: int64(f.MaxBody), MaxSize: int64(f.MaxSize),
		Keep: int64(f.Keep), Secrets: map[string]fetch.Secret{},
	}
	for _, secret := range f.Secrets {
		settings.Secrets[secret.Name] = fetch.Secret{Value: secret.Secret(), Header: secret.Header,
			Allow: secret.Places()}
	}
	return settings
}
