// problem.go holds what is wrong with a configuration, all of it at once, and finds the word that was meant.

package config

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// Problem is one mistake: where it is, what was expected, what was found, and the remedy.
type Problem struct {
	Path string // the file as the user named it; "" for a flag
	Line int    // 1-based; 0 when it is about the file as a whole
	Key  string // its place in the file, such as "pool.web.workers" or "listen.0.address"; "" when there is none
	Text string
}

// advice finds the remedy in a text: it stands at its end, and begins with what is to be done.
var advice = regexp.MustCompile(`[:;,] ((?:add|choose|chmod|create|did you mean|give|install|keep|leave|let|make|` +
	`mend|name|point|raise|remove|save|say|stop|use|write)\b[\s\S]*)$`)

// Remedy is the part of Text that says what to do; "" if it doesn't.
func (p *Problem) Remedy() string {
	if found := advice.FindStringSubmatch(p.Text); found != nil {
		return found[1]
	}
	return ""
}

// Error gives "host.toml:12: text".
func (p *Problem) Error() string {
	switch {
	case p.Path == "":
		return p.Text
	case p.Line == 0:
		return p.Path + ": " + p.Text
	}
	return fmt.Sprintf("%s:%d: %s", p.Path, p.Line, p.Text)
}

// Problems are all the mistakes that were found, in the order of their lines. As an error it has one line for each.
type Problems []*Problem

// Error joins the problems with newlines.
func (ps Problems) Error() string {
	lines := make([]string, len(ps))
	for i, p := range ps {
		lines[i] = p.Error()
	}
	return strings.Join(lines, "\n")
}

// Unwrap lets errors.As find a single *Problem.
func (ps Problems) Unwrap() []error {
	errs := make([]error, len(ps))
	for i, p := range ps {
		errs[i] = p
	}
	return errs
}

func (ps *Problems) add(path string, line int, key, format string, args ...any) {
	*ps = append(*ps, &Problem{Path: path, Line: line, Key: key, Text: fmt.Sprintf(format, args...)})
}

// err sorts, and keeps an empty list from becoming a non-nil error.
func (ps Problems) err() error {
	if len(ps) == 0 {
		return nil
	}
	slices.SortStableFunc(ps, func(a, b *Problem) int { return cmp.Compare(a.Line, b.Line) })
	return ps
}

// Nearest returns the candidate that word was probably meant to be, or "".
func Nearest(word string, candidates []string) string {
	best, distance := "", max(2, len(word)/3)+1
	for _, c := range candidates {
		d := editDistance(word, c)
		if len(word) >= 3 && (strings.HasPrefix(c, word) || strings.HasPrefix(word, c)) {
			d = min(d, 1) // cert for certificate
		}
		if d < distance && d < len(c) {
			best, distance = c, d
		}
	}
	return best
}

// editDistance counts the bytes to insert, delete or replace (Levenshtein). Words are short: keys of a file.
func editDistance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			substitution := diagonal
			if a[i] != b[j] {
				substitution++
			}
			diagonal = row[j+1]
			row[j+1] = min(substitution, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}

// listed writes `a`, `b` and `c`.
func listed(words []string) string {
	quoted := make([]string, len(words))
	for i, w := range words {
		quoted[i] = "`" + w + "`"
	}
	if len(quoted) < 2 {
		return strings.Join(quoted, "")
	}
	last := len(quoted) - 1
	return strings.Join(quoted[:last], ", ") + " and " + quoted[last]
}
