// quantity.go reads the two kinds of values with a unit: sizes and durations.

package config

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// Size is a number of bytes.
type Size int64

// units go from the largest to the smallest, so that String finds the one that reads best first.
var units = []struct {
	name  string
	bytes int64
}{
	{"TiB", 1 << 40}, {"TB", 1e12},
	{"GiB", 1 << 30}, {"GB", 1e9},
	{"MiB", 1 << 20}, {"MB", 1e6},
	{"KiB", 1 << 10}, {"KB", 1e3},
	{"B", 1},
}

// ParseSize reads "256MiB", "10MB", "512B" or a plain number of bytes. KiB, MiB, GiB and TiB are powers of 1024; KB,
// MB, GB and TB are powers of 1000. There are no fractions, signs or spaces.
func ParseSize(s string) (Size, error) {
	digits := strings.TrimLeft(s, "0123456789")
	number, unit := s[:len(s)-len(digits)], digits
	if number == "" {
		return 0, fmt.Errorf("%q does not begin with a digit", s)
	}
	n, err := strconv.ParseInt(number, 10, 64)
	if err != nil {
		return 0, fmt.Errorf("%q is more than the largest size, just under 8388608TiB", s)
	}
	if unit == "" {
		return Size(n), nil
	}
	for _, u := range units {
		if unit != u.name {
			continue
		}
		if n > math.MaxInt64/u.bytes {
			return 0, fmt.Errorf("%q is more than the largest size, just under 8388608TiB", s)
		}
		return Size(n * u.bytes), nil
	}
	return 0, fmt.Errorf("%q is not a unit%s; the units are B, KiB, MiB, GiB, TiB, KB, MB, GB and TB", unit,
		likelyUnit(number, unit))
}

// likelyUnit helps those who write "64k" or "64kib", as PHP and nginx let them.
func likelyUnit(number, unit string) string {
	for _, u := range units {
		if strings.EqualFold(unit, u.name) || strings.EqualFold(unit, strings.TrimSuffix(u.name, "iB")) {
			return fmt.Sprintf(" (did you mean %q?)", number+u.name)
		}
	}
	return ""
}

// String writes the size with the largest unit that divides it, so that ParseSize reads the same size back.
func (s Size) String() string {
	for _, u := range units {
		if s != 0 && int64(s)%u.bytes == 0 {
			return strconv.FormatInt(int64(s)/u.bytes, 10) + u.name
		}
	}
	return "0B"
}

// parseDuration reads "30s", "1m30s", "500ms" or "0".
func parseDuration(s string) (time.Duration, error) {
	if s != "0" && strings.Trim(s, "0123456789") == "" && s != "" {
		return 0, fmt.Errorf("no unit: write %q", s+"s")
	}
	d, err := time.ParseDuration(s)
	if err != nil {
		return 0, fmt.Errorf("the units are h, m, s and ms")
	}
	return d, nil
}

// FormatDuration writes 1m30s and 2h rather than 2h0m0s.
func FormatDuration(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}
