// channel.go has [channel.NAME]: groups of which more is kept than who is in them.

package config

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

// Channel is what is kept of the groups that a pattern names, in each realm.
type Channel struct {
	Pattern string        // a group's name, in which each * stands for any characters
	History int           `key:"history" live:"yes" default:"0" min:"0" max:"1000" means:"messages of each group that are kept for clients that come back, the newest; 0 is none"`
	TTL     time.Duration `key:"ttl" live:"yes" default:"10m" min:"1s" max:"8760h" means:"how long each of them is kept, in whole seconds"`

	// Presence is how long users are told to be there after they have left.
	Presence time.Duration `key:"presence" live:"yes" default:"0" min:"0" max:"1h" means:"clients in these groups are told which users are there, who comes, and who has been away for longer than this; 0 is that nobody is told"`

	at string
}

// mostChannels is how many there may be, for each message to a group is compared with them.
const mostChannels = 100

// channelKeys are the keys of a table, to tell them from a part of its name.
var channelKeys = []string{"history", "ttl", "presence"}

func (d *decoder) channels(at string, v any) (all []*Channel) {
	table, ok := v.(map[string]any)
	if !ok {
		d.fail(at, "expected a table for each pattern, found %s: write [channel.\"news.*\"]", describe(v))
		return nil
	}
	for _, pattern := range slices.Sorted(maps.Keys(table)) {
		c := &Channel{Pattern: pattern, at: join(at, pattern)}
		if _, isTable := table[pattern].(map[string]any); !isTable {
			d.fail(c.at, "expected a table, found %s: the names of groups come first, [channel.\"news.*\"]",
				describe(table[pattern]))
			continue
		}
		setDefaults(c)
		d.table(c.at, table[pattern], c)
		all = append(all, c)
	}
	return all
}

func (c *Channel) check(file *Config, fail fail) {
	switch {
	case c.Pattern == "" || len(c.Pattern) > 1024 || !utf8.ValidString(c.Pattern):
		fail(c.at, "expected a group's name of 1 to 1024 bytes of UTF-8, in which * stands for any characters")
	case strings.Count(c.Pattern, "*") > 8:
		fail(c.at, "expected at most 8 *")
	}
	if c.TTL%time.Second != 0 {
		fail(c.at+".ttl", "expected whole seconds, found %s", c.TTL)
	}
	if !file.has(c.at+".history") && !file.has(c.at+".presence") {
		fail(c.at, "it keeps nothing: write history = 100, or presence = \"10s\"")
	} else if c.History == 0 && file.has(c.at+".ttl") {
		fail(c.at+".ttl", "has no effect without a history: remove it, or write history = 100")
	}
}

func (c *Config) checkChannels(fail fail) {
	if len(c.Channels) > mostChannels {
		fail("channel", "expected at most %d, found %d: one pattern may name many groups", mostChannels,
			len(c.Channels))
		return
	}
	for _, each := range c.Channels {
		if c.Cluster.On() {
			fail(each.at, "the hosts of a [cluster] keep neither histories nor presence together yet: remove "+
				"one of the two")
		}
		each.check(c, fail)
	}
}

// channelLabel writes a place below [channel.NAME] as it looks in the file; the name may have dots.
func channelLabel(rest string) string {
	for _, key := range channelKeys {
		if name, cut := strings.CutSuffix(rest, "."+key); cut {
			return fmt.Sprintf("[channel.%q] %s", name, key)
		}
	}
	return fmt.Sprintf("[channel.%q]", rest)
}
