// channels.go: groups of which more is kept than who is in them.

package serve

import (
	"context"
	"fmt"
	"iter"
	"maps"
	"slices"
	"time"

	"github.com/workerhost/workerhost/host/internal/channel"
	"github.com/workerhost/workerhost/host/internal/config"
	"github.com/workerhost/workerhost/host/internal/control"
	"github.com/workerhost/workerhost/host/internal/metrics"
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

// channelCounts are those of each realm, while there is a [channel].
func (h *host) channelCounts(ctx context.Context) iter.Seq2[string, metrics.Channels] {
	return func(yield func(string, metrics.Channels) bool) {
		now := h.setup.Load()
		if len(now.config.Channels) == 0 {
			return
		}
		for name, r := range now.realms {
			n := metrics.Channels{Counts: r.channels.Counts()}
			n.Channels, n.Messages, n.Known = r.channels.Kept(ctx)
			n.Rooms, n.Members = r.presence.Counts()
			if !yield(name, n) {
				return
			}
		}
	}
}

// channelMetrics is for a scrape.
func (h *host) channelMetrics() iter.Seq2[string, metrics.Channels] {
	return func(yield func(string, metrics.Channels) bool) {
		ctx, cancel := context.WithTimeout(context.Background(), scrapePatience)
		defer cancel()
		h.channelCounts(ctx)(yield)
	}
}

// channelStatus is for whoever asks how the host is; nil without a [channel].
func (h *host) channelStatus(ctx context.Context) (all *control.Channels) {
	ctx, cancel := context.WithTimeout(ctx, scrapePatience)
	defer cancel()
	for _, n := range h.channelCounts(ctx) {
		if all == nil {
			all = &control.Channels{}
		}
		if n.Known && all.Kept == nil {
			all.Kept = &control.KeptMessages{}
		}
		if n.Known {
			all.Kept.Channels += n.Channels
			all.Kept.Messages += n.Messages
		}
		all.Returned += n.Returned
		all.Lost += n.Lost
		all.Failed += n.Failed
		all.Rooms += n.Rooms
		all.Members += n.Members
	}
	return all
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
