// diff.go: where two texts part, by tokens or by lines (Myers, "An O(ND) difference algorithm", 1986).

package rehearse

import (
	"fmt"
	"slices"
	"strings"

	"github.com/workerhost/workerhost/host/internal/redact"
)

// hunk is what has to be replaced in one list to get another: [aFrom, aTo) by [bFrom, bTo).
type hunk struct{ aFrom, aTo, bFrom, bTo int }

// mostEdits bounds the work: lists that differ in more are told apart as a whole.
const mostEdits = 2000

// hunks are in order, and have something equal between them. It says false if there are too many edits.
func hunks[T comparable](a, b []T) ([]hunk, bool) {
	from := 0
	for from < len(a) && from < len(b) && a[from] == b[from] {
		from++
	}
	aTo, bTo := len(a), len(b)
	for aTo > from && bTo > from && a[aTo-1] == b[bTo-1] {
		aTo, bTo = aTo-1, bTo-1
	}
	if aTo == from && bTo == from {
		return nil, true
	}
	if aTo == from || bTo == from {
		return []hunk{{from, aTo, from, bTo}}, true
	}
	found, ok := shortest(a[from:aTo], b[from:bTo])
	for i := range found {
		found[i].aFrom, found[i].aTo = found[i].aFrom+from, found[i].aTo+from
		found[i].bFrom, found[i].bTo = found[i].bFrom+from, found[i].bTo+from
	}
	return found, ok
}

// shortest goes forward until both ends are reached, and then back the way that led there.
func shortest[T comparable](a, b []T) ([]hunk, bool) {
	var trail [][]int32 // for each number of edits, how far each diagonal came in a
	reach := []int32{0} // for d edits, diagonals -d … d by twos
	for d := 0; ; d++ {
		if d > mostEdits {
			return []hunk{{0, len(a), 0, len(b)}}, false
		}
		next := make([]int32, d+1)
		for i := range next {
			k := 2*i - d
			x := step(reach, d, i)
			y := int(x) - k
			for int(x) < len(a) && y < len(b) && y >= 0 && a[x] == b[y] {
				x, y = x+1, y+1
			}
			next[i] = x
			if int(x) >= len(a) && y >= len(b) {
				return back(append(trail, next), len(a), len(b)), true
			}
		}
		trail = append(trail, next)
		reach = next
	}
}

// step is where diagonal 2i-d begins after one more edit than reach has.
func step(reach []int32, d, i int) int32 {
	switch {
	case d == 0:
		return 0
	case i == 0:
		return reach[0] // down: an insertion
	case i == d:
		return reach[d-1] + 1 // right: a deletion
	case reach[i-1] < reach[i]:
		return reach[i]
	}
	return reach[i-1] + 1
}

func back(trail [][]int32, x, y int) []hunk {
	var all []hunk
	note := func(h hunk) {
		if n := len(all); n > 0 && all[n-1].aFrom == h.aTo && all[n-1].bFrom == h.bTo {
			all[n-1].aFrom, all[n-1].bFrom = h.aFrom, h.bFrom
			return
		}
		all = append(all, h)
	}
	for d := len(trail) - 1; d > 0; d-- {
		i := (x - y + d) / 2
		start := int(step(trail[d-1], d, i))
		down := i == 0 || i < d && trail[d-1][i-1] < trail[d-1][i]
		y -= x - start
		if x = start; down {
			note(hunk{x, x, y - 1, y})
			y--
		} else {
			note(hunk{x - 1, x, y, y})
			x--
		}
	}
	slices.Reverse(all)
	return all
}

const (
	aroundLines = 2   // that are equal, around what differs
	mostLines   = 24  // of a diff
	longestShow = 160 // bytes of one
)

// diff shows where two texts part, as lines with a sign before them: - of the old one, + of the new. Secrets that are
// known by their names are masked.
func diff(a, b string) string {
	if shorter := max(strings.Count(a, "\n"), 1); len(a)/shorter > 4*longestShow {
		a, b = broken(a), broken(b) // a page in one line
	}
	// before anything is cut off, which might be the name of a secret
	if a, b = redact.Text(a), redact.Text(b); a == b {
		return "what differs is masked, as a secret"
	}
	from, to := strings.Split(a, "\n"), strings.Split(b, "\n")
	found, _ := hunks(from, to)
	var lines []string
	say := func(sign byte, text string) { lines = append(lines, string(sign)+clip(text)) }
	for i, h := range found {
		start := max(0, h.aFrom-aroundLines)
		if i > 0 {
			start = max(start, found[i-1].aTo)
		}
		if i == 0 || start > found[i-1].aTo+aroundLines {
			lines = append(lines, fmt.Sprintf("@@ line %d @@", h.aFrom+1))
		}
		for _, text := range from[start:h.aFrom] {
			say(' ', text)
		}
		removed, added := from[h.aFrom:h.aTo], to[h.bFrom:h.bTo]
		if len(removed) == 1 && len(added) == 1 {
			removed[0], added[0] = around(removed[0], added[0])
		}
		for _, text := range removed[:min(len(removed), mostLines)] {
			say('-', text)
		}
		for _, text := range added[:min(len(added), mostLines)] {
			say('+', text)
		}
		end := min(len(from), h.aTo+aroundLines)
		if i+1 < len(found) {
			end = min(end, found[i+1].aFrom)
		}
		for _, text := range from[h.aTo:end] {
			say(' ', text)
		}
		if len(lines) > mostLines {
			lines = append(lines[:mostLines], fmt.Sprintf("… and more: %d places differ", len(found)))
			break
		}
	}
	return strings.Join(lines, "\n")
}

// broken breaks a text that has few lines after each tag, and after each member of an object.
func broken(text string) string {
	return strings.NewReplacer(">", ">\n", "},", "},\n", ",\"", ",\n\"").Replace(text)
}

// around cuts two long lines to where they part.
func around(a, b string) (string, string) {
	if len(a) <= longestShow && len(b) <= longestShow {
		return a, b
	}
	at := 0
	for at < len(a) && at < len(b) && a[at] == b[at] {
		at++
	}
	from := max(0, at-longestShow/3)
	if from == 0 {
		return a, b
	}
	return "…" + a[from:], "…" + b[from:]
}

func clip(text string) string {
	if len(text) > longestShow {
		text = text[:longestShow] + "…"
	}
	return strings.ToValidUTF8(text, "·")
}
