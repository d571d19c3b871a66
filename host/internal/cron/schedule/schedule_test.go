package schedule

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
	_ "time/tzdata" // the machine may have no zones
)

func zoneOf(t testing.TB, name string) *time.Location {
	t.Helper()
	zone, err := time.LoadLocation(name)
	if err != nil {
		t.Fatal(err)
	}
	return zone
}

// field is a brute-force reading of one: lists and steps are enough.
func field(text string, least int) (hit [60]bool) {
	for n := range hit {
		for part := range strings.SplitSeq(text, ",") {
			from, step, stepped := strings.Cut(part, "/")
			var value, every int
			fmt.Sscan(step, &every)
			fmt.Sscan(from, &value)
			hit[n] = hit[n] || from == "*" && (!stepped || (n-least)%every == 0) || from != "*" && value == n
		}
	}
	return hit
}

// dueByHand says which minutes from one time to another are due, by walking through all of them.
func dueByHand(text string, zone *time.Location, from, to time.Time) (all []time.Time) {
	f := strings.Fields(text)
	minute, hour, day, month := field(f[0], 0), field(f[1], 0), field(f[2], 1), field(f[3], 1)
	hit := func(w time.Time) bool {
		return minute[w.Minute()] && hour[w.Hour()] && day[w.Day()] && month[w.Month()]
	}
	highest := time.Time{} // that the wall clock has shown, as if that were UTC's
	for at := from; at.Before(to); at = at.Add(time.Minute) {
		wall := at.UTC().Add(offsetAt(at, zone))
		due := hit(wall) && (wall.After(highest) || f[1] == "*")
		for skipped := highest.Add(time.Minute); !highest.IsZero() && skipped.Before(wall); {
			due = due || hit(skipped)
			skipped = skipped.Add(time.Minute)
		}
		if wall.After(highest) {
			highest = wall
		}
		if due {
			all = append(all, at.UTC())
		}
	}
	return all
}

// TestChangesOfClocksLoseNoTimeAndDoubleNone looks at each minute of those days of thirty years on which clocks
// change, and of those around them.
func TestChangesOfClocksLoseNoTimeAndDoubleNone(t *testing.T) {
	for _, name := range []string{"Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Pacific/Apia"} {
		zone := zoneOf(t, name)
		var changes []time.Time
		for at := time.Date(2008, 1, 1, 0, 0, 0, 0, time.UTC); at.Year() < 2038; at = at.AddDate(0, 0, 1) {
			if offsetAt(at, zone) != offsetAt(at.AddDate(0, 0, 1), zone) {
				changes = append(changes, at)
			}
		}
		if len(changes) < 20 {
			t.Fatalf("%s changes its clocks %d times", name, len(changes))
		}
		for _, text := range []string{"30 2 * * *", "*/5 * * * *", "15,45 * * * *", "0 */2 * * *", "0 0 1 1 *",
			"10 1 * * *", "59 1 * * *", "*/20 2 * * *", "15 2 * 4,10 *", "0 12 * * *"} {
			s, err := Parse(text, zone)
			if err != nil {
				t.Fatal(err)
			}
			for _, change := range changes {
				from, to := change.AddDate(0, 0, -1), change.AddDate(0, 0, 3)
				var got []time.Time
				for at := s.Next(from.Add(-time.Second)); at.Before(to); at = s.Next(at) {
					got = append(got, at)
				}
				if want := dueByHand(text, zone, from, to); !slices.Equal(got, want) {
					t.Fatalf("%s: %q around %v:\n got %v\nwant %v", name, text, change, got, want)
				}
			}
		}
	}
}

func TestSecondsAndDaysAreThoseOfCrontabs(t *testing.T) {
	berlin := zoneOf(t, "Europe/Berlin")
	for _, c := range []struct{ text, after, want string }{
		{"*/10 * * * * *", "2026-03-01T12:00:05Z", "2026-03-01T12:00:10Z"},
		{"* * * * *", "2026-03-01T12:00:00Z", "2026-03-01T12:01:00Z"},
		{"0 9 1 * mon", "2026-03-03T12:00:00Z", "2026-03-09T08:00:00Z"}, // a Monday, or the 1st
		{"0 9 * * 7", "2026-03-03T12:00:00Z", "2026-03-08T08:00:00Z"},   // 7 is Sunday, as 0 is
		{"0 0 29 2 *", "2096-03-01T00:00:00Z", "2104-02-28T23:00:00Z"},
		{"0 12 L * *", "2026-02-03T12:00:00Z", "2026-02-28T11:00:00Z"},
		{"@daily", "2026-07-01T12:00:00Z", "2026-07-01T22:00:00Z"},
		{"30 2 * * *", "2026-03-29T00:00:00Z", "2026-03-29T01:00:00Z"}, // 02:30 does not exist: at 03:00
		{"30 2 * * *", "2026-03-29T01:00:00Z", "2026-03-30T00:30:00Z"},
		{"30 2 * * *", "2026-10-25T00:30:00Z", "2026-10-26T01:30:00Z"}, // 02:30 was there already
	} {
		s, err := Parse(c.text, berlin)
		if err != nil {
			t.Fatal(err)
		}
		after, _ := time.Parse(time.RFC3339, c.after)
		if got := s.Next(after).Format(time.RFC3339); got != c.want {
			t.Errorf("%q after %s: %s, want %s", c.text, c.after, got, c.want)
		}
	}
}

func TestWhatIsNoScheduleIsRefused(t *testing.T) {
	for text, want := range map[string]string{
		"": "expected five fields", "* * * *": "expected minute", "60 * * * *": "60", "0 0 30 2 *": "no such day",
		"@every 5m": "@every", "TZ=Europe/Berlin 0 3 * * *": "time_zone", "@reboot": "@daily", "x * * * *": "x",
		"* * * * * * *": "expected minute",
	} {
		if _, err := Parse(text, time.UTC); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
	}
}

// FuzzSchedule has every schedule that is read come in order, and never at the time that it is asked for.
func FuzzSchedule(f *testing.F) {
	for _, text := range []string{"*/5 * * * *", "@monthly", "5-2 1/3 L,15W * mon#1", "* * 31 2 *",
		"59 59 23 31 12 5"} {
		f.Add(text, int64(1_800_000_000))
	}
	zone := zoneOf(f, "Australia/Lord_Howe")
	f.Fuzz(func(t *testing.T, text string, seconds int64) {
		s, err := Parse(text, zone)
		if err != nil {
			return
		}
		at := time.Unix(seconds%(1<<32), 0)
		for range 5 {
			next := s.Next(at)
			if next.IsZero() {
				return
			}
			if !next.After(at) {
				t.Fatalf("%q: after %v comes %v", text, at, next)
			}
			at = next
		}
	})
}
