// table.go lays out what people read: columns, sizes, durations.

package cli

import (
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// table collects rows and writes them in columns as wide as they need.
type table struct {
	indent string
	right  map[int]bool // columns of numbers
	rows   [][]cell
}

// cell is text, and a colour that takes no width.
type cell struct {
	text  string
	paint func(string) string
}

func (t *table) add(cells ...cell) { t.rows = append(t.rows, cells) }

func plain(texts ...string) []cell {
	cells := make([]cell, len(texts))
	for i, text := range texts {
		cells[i] = cell{text: text}
	}
	return cells
}

func (t *table) write(w io.Writer) {
	widths := map[int]int{}
	for _, row := range t.rows {
		for i, c := range row {
			widths[i] = max(widths[i], utf8.RuneCountInString(c.text))
		}
	}
	for _, row := range t.rows {
		line := t.indent
		for i, c := range row {
			space := strings.Repeat(" ", widths[i]-utf8.RuneCountInString(c.text))
			text := c.text
			if c.paint != nil {
				text = c.paint(text)
			}
			if t.right[i] {
				line += space + text + "  "
			} else {
				line += text + space + "  "
			}
		}
		fmt.Fprintln(w, strings.TrimRight(line, " "))
	}
}

// HumanBytes writes 18.2 MiB; "-" where nothing is known.
func HumanBytes(n int64) string {
	if n <= 0 {
		return "-"
	}
	const units = "KMGTPE"
	if n < 1024 {
		return fmt.Sprintf("%d B", n)
	}
	value, unit := float64(n)/1024, 0
	for value >= 1024 {
		value /= 1024
		unit++
	}
	return fmt.Sprintf("%.1f %ciB", value, units[unit])
}

// HumanDuration writes the two units that matter: 5d 3h, 3h 12m, 4m 12s, 3.2s, 38ms.
func HumanDuration(d time.Duration) string {
	switch {
	case d >= 24*time.Hour:
		return fmt.Sprintf("%dd %dh", d/(24*time.Hour), d%(24*time.Hour)/time.Hour)
	case d >= time.Hour:
		return fmt.Sprintf("%dh %dm", d/time.Hour, d%time.Hour/time.Minute)
	case d >= time.Minute:
		return fmt.Sprintf("%dm %ds", d/time.Minute, d%time.Minute/time.Second)
	case d >= time.Second:
		return fmt.Sprintf("%.1fs", d.Seconds())
	}
	return fmt.Sprintf("%dms", d.Round(time.Millisecond)/time.Millisecond)
}

// FromSeconds is s seconds.
func FromSeconds(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }

func fromMillis(ms float64) time.Duration { return time.Duration(ms * float64(time.Millisecond)) }

// Counted writes "1 worker" and "8 workers".
func Counted(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return strconv.Itoa(n) + " " + what + "s"
}

// slotRanges writes 0–2, 5.
func slotRanges(slots []int) string {
	var parts []string
	for i := 0; i < len(slots); {
		j := i
		for j+1 < len(slots) && slots[j+1] == slots[j]+1 {
			j++
		}
		switch {
		case j == i:
			parts = append(parts, strconv.Itoa(slots[i]))
		default:
			parts = append(parts, fmt.Sprintf("%d–%d", slots[i], slots[j]))
		}
		i = j + 1
	}
	return strings.Join(parts, ", ")
}
