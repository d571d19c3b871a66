// Package schedule knows when something is due, by a crontab's five fields, or six of which the first is seconds, and
// a time zone. The fields are read by a library; what a change of the clocks does to them is decided here:
//
//   - a time that does not exist, since the clocks are put forward over it, is due once, at the first moment after it;
//   - a time that exists twice, since they are put back, is due once, at its first; unless the schedule names no hour
//     (the field is *): every five minutes is then every five minutes, all the time.
//
// It does no I/O, but for the zones' files.
package schedule

import (
	"errors"
	"fmt"
	"strings"
	"time"

	cron "github.com/netresearch/go-cron"
)

// Schedule is when something is due. It never changes, and is safe for concurrent use. The zero value is not to be
// used.
type Schedule struct {
	text   string
	zone   *time.Location
	fields *cron.SpecSchedule // of wall clocks: its zone is UTC, and so are the times that it is asked for
	hourly bool               // no hour is named
}

// mostYears is how far ahead is looked for the next time: the 29th of February can be eight years away.
const mostYears = 9

var fields = cron.MustNewParser(cron.SecondOptional | cron.Minute | cron.Hour | cron.Dom | cron.Month | cron.Dow |
	cron.Descriptor | cron.DowOrDom | cron.Extended).WithMaxSearchYears(mostYears)

// Parse reads a schedule. As in every crontab, a day has to match one of both fields for days if neither is *. The
// error is for whoever wrote it.
func Parse(text string, zone *time.Location) (Schedule, error) {
	text = strings.TrimSpace(text)
	s := Schedule{text: text, zone: zone}
	switch {
	case text == "":
		return s, errors.New(`expected five fields, such as "*/5 * * * *", or six with seconds in front`)
	case strings.Contains(text, "="):
		return s, errors.New("a time zone does not belong in it: name it with time_zone")
	case strings.HasPrefix(text, "@every"):
		return s, errors.New(`"@every" has no fixed times, which a restart would move: write fields, such as ` +
			`"*/5 * * * *"`)
	}
	read, err := fields.Parse(text)
	if err != nil {
		return s, fmt.Errorf("%w: expected minute, hour, day of the month, month and day of the week, with seconds "+
			`in front of them if there are six, or "@hourly", "@daily", "@weekly", "@monthly" or "@yearly"`, err)
	}
	spec, ok := read.(*cron.SpecSchedule)
	if !ok {
		return s, fmt.Errorf("%q is not understood", text)
	}
	spec.Location = time.UTC
	const everyHour = 1<<24 - 1
	s.fields, s.hourly = spec, spec.Hour&everyHour == everyHour
	if s.Next(time.Date(2000, 1, 1, 0, 0, 0, 0, zone)).IsZero() {
		return s, errors.New("there is no such day: mend the day or the month")
	}
	return s, nil
}

// String is the schedule as it was written.
func (s Schedule) String() string { return s.text }

// Zone is whose clocks it goes by.
func (s Schedule) Zone() *time.Location { return s.zone }

// Next is the first time after t, which is in UTC then; zero if none comes within years.
func (s Schedule) Next(t time.Time) time.Time {
	const second = time.Second
	t = t.Truncate(second).Add(second) // the first that it may be
	for limit := t.AddDate(mostYears, 0, 0); t.Before(limit); {
		start, end := t.In(s.zone).ZoneBounds()
		if !end.IsZero() && !end.After(t) { // of Go's, on the last day of leap years beyond the zone's table
			end = t.Add(24 * time.Hour)
		}
		offset := offsetAt(t, s.zone)
		from := t.Add(offset) // on the wall clock, as if that were UTC's
		if before := s.stayed(start, offset); from.Before(before) && !s.hourly {
			from = before // it has been that late already, before the clocks were put back
		}
		due := s.fields.Next(from.Add(-second))
		if due.IsZero() {
			return due
		}
		if at := due.Add(-offset); end.IsZero() || at.Before(end) {
			return at.UTC()
		}
		if due.Before(end.Add(offsetAt(end, s.zone))) {
			return end.UTC() // the clocks are put forward over it
		}
		t = end
	}
	return time.Time{}
}

// stayed is what the wall clock would have shown at start if it had not been put back then; an early time if it was
// not.
func (s Schedule) stayed(start time.Time, offset time.Duration) time.Time {
	if start.IsZero() {
		return start
	}
	if before := offsetAt(start.Add(-time.Second), s.zone); before > offset {
		return start.Add(before)
	}
	return time.Time{}
}

// offsetAt is by how much the wall clocks of a zone are ahead of UTC.
func offsetAt(t time.Time, zone *time.Location) time.Duration {
	_, seconds := t.In(zone).Zone()
	return time.Duration(seconds) * time.Second
}
