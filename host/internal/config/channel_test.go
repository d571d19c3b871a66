package config

import "testing"

func TestMistakesInChannels(t *testing.T) {
	checkMistakes(t, []mistake{
		{good + "[channel]\nhistory = 100\n",
			"host.toml:4: [channel.\"history\"]: expected a table, found the number 100: the names of groups come " +
				"first, [channel.\"news.*\"]"},
		{good + "[channel.\"news.*\"]\nttl = \"1m\"\n",
			"host.toml:3: [channel.\"news.*\"]: it keeps nothing: write history = 100, or presence = \"10s\""},
		{good + "[channel.\"a\"]\npresence = \"1s\"\nttl = \"1m\"\n",
			"host.toml:5: [channel.\"a\"] ttl: has no effect without a history: remove it, or write history = 100"},
		{good + "[channel.\"news.*\"]\nhistory = 5\nttl = \"1500ms\"\n",
			"host.toml:5: [channel.\"news.*\"] ttl: expected whole seconds, found 1.5s"},
		{good + "[channel.\"a.b\"]\nhistory = 0\nttl = \"1m\"\n",
			"host.toml:5: [channel.\"a.b\"] ttl: has no effect without a history: remove it, or write history = 100"},
		{good + "[channel.\"news.*\"]\nhistory = 5\n[cluster]\nname = \"shop\"\n[engine]\nurl = \"nats://x\"",
			"host.toml:3: [channel.\"news.*\"]: the hosts of a [cluster] keep neither histories nor presence " +
				"together yet: remove one of the two"},
	})
}
