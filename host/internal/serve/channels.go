// channels.go: groups of which more is kept than who is in them.

package serve

import (
	"fmt"
	"maps"
	"slices"

	"github.com/workerhost/workerhost/host/internal/channel"
	"github.com/workerhost/workerhost/host/internal/config"
)

// configureChannels has each realm keep what the configuration wants kept. A hub without such groups knows nothing of
// them.
func configureChannels(made *setup) {
	var rules []channel.Rule
	for _, c := range made.config.Channels {
		rules = append(rules, channel.Rule{Pattern: c.Pattern, History: c.History, TTL: c.TTL})
	}
	for _, r := range made.realms {
		r.channels.Set(rules)
		if len(rules) > 0 {
			r.hub.Use(r.channels)
		} else {
			r.hub.Use(nil)
		}
	}
}

// closeChannels ends what is under way.
func (h *host) closeChannels() {
	for _, r := range h.setup.Load().realms {
		r.channels.Close()
	}
}

// planChannels finds which [channel.NAME]s come, change and go.
func (p *plan) planChannels(now *config.Config) {
	old := map[string]*config.Channel{}
	for _, c := range now.Channels {
		old[c.Pattern] = c
	}
	for _, c := range p.config.Channels {
		of := change{table: fmt.Sprintf("[channel.%q]", c.Pattern), live: true}
		if before := old[c.Pattern]; before == nil {
			p.log = append(p.log, of.whole("added"))
		} else {
			p.sort(&p.log, *before, differences(of, *before, *c))
		}
		delete(old, c.Pattern)
	}
	for _, pattern := range slices.Sorted(maps.Keys(old)) {
		p.log = append(p.log, change{table: fmt.Sprintf("[channel.%q]", pattern), live: true}.whole("removed"))
	}
}
