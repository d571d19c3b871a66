package config

import (
	"os"
	"testing"
)

func TestMistakesInServicesAndCronNameThePlaceAndTheRemedy(t *testing.T) {
	const pool = "[pool.a]\ncommand = ['sh']\nuser = 'root'\n"
	if os.Geteuid() != 0 {
		t.Skip("user takes root")
	}
	checkMistakes(t, []mistake{
		{pool + "[service.q]\n", `host.toml:4: [service.q]: no command: write command = ["PROGRAM", "ARGUMENT"]`},
		{pool + "[service.q]\ncommand = ['sh']\n", "host.toml:4: [service.q]: would run as root: give it a user, or " +
			`the pool of a user, or write user = "root" if that is meant`},
		{pool + "[service.q]\npool = 'b'\ncommand = ['sh']\n",
			`host.toml:5: [service.q] pool: there is no pool "b": the pools are ` + "`a`"},
		{pool + "[[cron]]\nschedule = '* * * * *'\npool = 'a'\n", "host.toml:4: [[cron]]: nothing to run: write " +
			`command = ["PROGRAM", "ARGUMENT"], path = "/cron", or task = "QUEUE"`},
		{pool + "[[cron]]\nschedule = '0 0 30 2 *'\npath = '/'\n",
			"host.toml:5: [[cron]] schedule: there is no such day: mend the day or the month"},
		{pool + "[[cron]]\nschedule = '@daily'\ntime_zone = 'Europe/Nowhere'\npath = '/'\n",
			`host.toml:6: [[cron]] time_zone: "Europe/Nowhere" is no time zone that this system knows: write one such ` +
				`as "Europe/Berlin" or "UTC", or install its zones (Debian: tzdata)`},
		{pool + "[[cron]]\nschedule = '@daily'\ncommand = ['sh']\npath = '/'\n",
			"host.toml:4: [[cron]]: several of command, path and task are given: keep one of them"},
		{pool + "[[cron]]\nschedule = '@daily'\ncommand = ['sh']\ntask = 'q'\n[queue.q]\n",
			"host.toml:4: [[cron]]: several of command, path and task are given: keep one of them"},
		{pool + "[[cron]]\nschedule = '@daily'\ntask = 'q'\n",
			"host.toml:6: [[cron]] task: there is no queue: write [queue.q]"},
		{pool + "[[cron]]\nschedule = '@daily'\ntask = 'p'\n[queue.q]\n",
			`host.toml:6: [[cron]] task: there is no queue "p": the queues are ` + "`q`"},
		{pool + "[[cron]]\nschedule = '@daily'\ntask = 'q'\npool = 'a'\n[queue.q]\n",
			"host.toml:7: [[cron]] pool: has no effect on a task, which workers of the queue's pool do: remove it"},
		{pool + "[[cron]]\nschedule = '@daily'\ntask = 'q'\npayload = { at = [2026-01-01] }\n[queue.q]\n",
			"host.toml:7: [[cron]] payload.at.0: expected text, a number, true, false, an array or a table, found " +
				"the date or time 2026-01-01: write it as a string"},
		{pool + "[[cron]]\nschedule = '@daily'\ncommand = ['sh']\npool = 'a'\npayload = 1\n",
			"host.toml:8: [[cron]] payload: has no effect without task: remove it"},
	})
}

func TestMistakesInQueuesNameThePlaceAndTheRemedy(t *testing.T) {
	const pools = "[[listen]]\naddress = ':80'\npool = 'a'\n[pool.a]\ncommand = ['sh']\n[pool.b]\n" +
		"fastcgi = 'unix:///run/fpm.sock'\nroot = '.'\n"
	checkMistakes(t, []mistake{
		{pools + "[queue.q]\n", `host.toml:9: [queue.q]: whose workers handle its tasks? Write pool = "a"`},
		{pools + "[queue.q]\npool = 'c'\n", `host.toml:10: [queue.q] pool: there is no pool "c": the pools are ` +
			"`a` and `b`"},
		{pools + "[queue.q]\npool = 'b'\n", "host.toml:10: [queue.q] pool: [pool.b] is one of FastCGI, which " +
			"knows no tasks: name a pool of workers"},
		{pools + "[queue.'a b']\npool = 'a'\n", `host.toml:9: [queue."a b"]: "a b" is no name of a queue: it is of ` +
			"at most 64 letters, digits, dots, hyphens and underscores, and begins with a letter or a digit"},
		{pools + "[queue.q]\npool = 'a'\nbackoff = ['1s', 'soon']\n", "host.toml:11: [queue.q] backoff.1: expected " +
			`a duration of at most 720h, such as "30s", found "soon"`},
		{pools + "[queue.q]\npool = 'a'\nbackoff = ['1000h']\n", "host.toml:11: [queue.q] backoff.0: expected a " +
			`duration of at most 720h, such as "30s", found "1000h"`},
		{pools + "[queue.q]\npool = 'a'\nconcurrency = 2\nshare = 0.5\n",
			"host.toml:12: [queue.q] share: has no effect beside concurrency: remove one of them"},
		{pools + "[queue.q]\npool = 'a'\nshare = 1.5\n",
			"host.toml:11: [queue.q] share: expected a number from 0 to 1, such as 0.01, found the " +
				"number 1.5"},
		{pools + "[queue.q]\npool = 'a'\nattempts = 0\n",
			"host.toml:11: [queue.q] attempts: expected a whole number from 1 to 1000000, found the number 0"},
		{pools + "[queue.q]\npool = 'a'\ntimeout = '0s'\n",
			"host.toml:11: [queue.q] timeout: expected a duration from 1ms to 24h, such as \"30s\" or \"1m30s\", " +
				`found "0s"`},
		{pools + "[queue.q]\npool = 'a'\nretries = 3\n",
			"host.toml:11: unknown key `retries` in [queue.q]: the keys here are `attempts`, " +
				"`backoff`, `concurrency`, `keep_failed`, `pool`, `rate`, `share` and `timeout`"},
		{pools + "[[queue]]\npool = 'a'\n", "host.toml:9: [queue]: expected a table for each queue, found an array: " +
			"write [queue.NAME], for example [queue.emails]"},
	})
}
