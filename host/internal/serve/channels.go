// channels.go: groups of which more is kept than who is in them.

package serve

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/workerhost/workerhost/host/internal/channel"
	"github.com/workerhost/workerhost/host/internal/config"
	"github.com/workerhost/workerhost/host/internal/presence"
)

// configureChannels has each realm keep what the configuration wants kept, and tell who is there where it wants that.
// A hub without such groups knows nothing of them.
func configureChannels(made *setup) {
	var rules []channel.Rule
	var history, present bool
	for _, c := range made.config.Channels {
		rules = append(rules,
			channel.Rule{Pattern: c.Pattern, History: c.History, TTL: c.TTL, Presence: c.Presence})
		history, present = history || c.History > 0, present || c.Presence > 0
	}
	var linger presence.Linger
	if match := channel.Match(rules); present {
		linger = func(group string) time.Duration {
			if rule := match(group); rule != nil {
				return rule.Presence
			}
			return 0
		}
	}
	for _, r := range made.realms {
		r.channels.Set(rules)
		if history {
			r.hub.Use(r.channels)
		} else {
			r.hub.Use(nil)
		}
		r.presence.Set(linger)
	}
}

// closeChannels ends what is under way.
func (h *host) closeChannels() {
	for _, r := range h.setup.Load().realms {
		r.channels.Close()
		r.presence.Close()
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
