// channels.go has channels: groups of which messages are kept, or of which it is told who is there.

package metrics

import (
	"github.com/prometheus/client_golang/prometheus"
	"github.com/workerhost/workerhost/host/internal/channel"
)

// Channels are those of a realm.
type Channels struct {
	Known    bool   // whether the engine has said the next two
	Channels uint64 // that have messages which are kept
	Messages uint64 // that are
	channel.Counts
	Rooms   int // with presence, that somebody is in
	Members int // of these
}

var (
	channelsKept = describe("channels", "Groups of which messages are kept.", "realm")
	messagesKept = describe("channel_messages", "Messages that are kept of groups.", "realm")
	keptTotal    = describe("channel_messages_kept_total", "Messages that went into the history of a group.", "realm")
	keepFailures = describe("channel_failures_total", "Commits of handlers whose messages no history could take.",
		"realm")
	recovered = describe("channel_messages_recovered_total", "Messages that clients got when they came back.", "realm")
	returns   = describe("channel_returns_total", "Clients that came back and said where they had been.", "realm")
	losses    = describe("channel_losses_total", "Of those, the ones who were told that something may be missing.",
		"realm")
	rooms   = describe("presence_groups", "Groups with presence that a user is in.", "realm")
	members = describe("presence_members", "Users in groups with presence, each once in each of them.", "realm")
)

// collectChannels leaves out what the engine does not say in time.
func collectChannels(to chan<- prometheus.Metric, realm string, c *Channels) {
	if c.Known {
		gauge(to, channelsKept, c.Channels, realm)
		gauge(to, messagesKept, c.Messages, realm)
	}
	counter(to, keptTotal, uint64(c.Kept), realm)
	counter(to, keepFailures, uint64(c.Failed), realm)
	counter(to, recovered, uint64(c.Recovered), realm)
	counter(to, returns, uint64(c.Returned), realm)
	counter(to, losses, uint64(c.Lost), realm)
	gauge(to, rooms, c.Rooms, realm)
	gauge(to, members, c.Members, realm)
}
