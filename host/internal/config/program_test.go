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
			`command = ["PROGRAM", "ARGUMENT"], or path = "/cron"`},
		{pool + "[[cron]]\nschedule = '0 0 30 2 *'\npath = '/'\n",
			"host.toml:5: [[cron]] schedule: there is no such day: mend the day or the month"},
		{pool + "[[cron]]\nschedule = '@daily'\ntime_zone = 'Europe/Nowhere'\npath = '/'\n",
			`host.toml:6: [[cron]] time_zone: "Europe/Nowhere" is no time zone that this system knows: write one such ` +
				`as "Europe/Berlin" or "UTC", or install its zones (Debian: tzdata)`},
		{pool + "[[cron]]\nschedule = '@daily'\ncommand = ['sh']\npath = '/'\n",
			"host.toml:4: [[cron]]: both command and path are given: keep one of them"},
	})
}
