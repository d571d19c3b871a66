// What a client says of codings: Accept-Encoding (RFC 9110 §12.5.3).

package compress

import "strings"

// Ranking are the codings that a client takes rather than none, the best first; then Identity.
type Ranking [codings]Coding

// qualities are what a client says of codings, in thousandths; unsaid where it doesn't.
type qualities struct {
	of  [codings]int
	any int // of those that it does not name
}

const unsaid = -1

// Rank reads the fields of Accept-Encoding. Among codings that the client likes as much the policy has the say.
// Without a field there is no coding, though the client would take any: those that leave it out know none.
func (p *Policy) Rank(fields []string) Ranking { return rank(fields, p.made) }

// RankFiles is Rank where all codings lie there: how long they took is no matter then.
func (p *Policy) RankFiles(fields []string) Ranking { return rank(fields, p.files) }

func rank(fields []string, preferred []Coding) (r Ranking) {
	if len(fields) == 0 {
		return r
	}
	q, n := read(fields), 0
	for _, c := range preferred {
		w := q.quality(c)
		if w == 0 || w < q.quality(Identity) {
			continue
		}
		i := n
		for ; i > 0 && q.quality(r[i-1]) < w; i-- {
			r[i] = r[i-1]
		}
		r[i] = c
		n++
	}
	return r
}

func (q *qualities) quality(c Coding) int {
	switch {
	case q.of[c] != unsaid:
		return q.of[c]
	case q.any != unsaid:
		return q.any
	}
	return 0
}

// read reads all members of the lists. What is malformed is not wanted, and of what is there twice the least counts:
// an answer without a coding is always right.
func read(fields []string) (q qualities) {
	q.any = unsaid
	for c := range q.of {
		q.of[c] = unsaid
	}
	for _, field := range fields {
		for field != "" {
			var member string
			member, field, _ = strings.Cut(field, ",")
			name, weight, weighted := strings.Cut(member, ";")
			w := 1000
			if weighted {
				w = readWeight(weight)
			}
			if of := q.member(strings.Trim(name, " \t")); of != nil && (*of == unsaid || w < *of) {
				*of = w
			}
		}
	}
	return q
}

// member is where the quality of a name belongs; nil if the name is none of ours.
func (q *qualities) member(name string) *int {
	switch {
	case name == "*":
		return &q.any
	case strings.EqualFold(name, "x-gzip"): // RFC 9110 §8.4.1.3
		return &q.of[Gzip]
	}
	for c := range codings {
		if strings.EqualFold(name, names[c]) {
			return &q.of[c]
		}
	}
	return nil
}

// readWeight reads "q=0.5" in thousandths; 0 if it is malformed.
func readWeight(s string) int {
	s = strings.Trim(s, " \t")
	if len(s) < 3 || s[0] != 'q' && s[0] != 'Q' || s[1] != '=' {
		return 0
	}
	whole, rest := s[2], s[3:]
	if whole != '0' && whole != '1' || len(rest) > 4 || len(rest) > 0 && rest[0] != '.' {
		return 0
	}
	n, scale := 1000*int(whole-'0'), 100
	for i := 1; i < len(rest); i++ {
		if rest[i] < '0' || rest[i] > '9' {
			return 0
		}
		n += scale * int(rest[i]-'0')
		scale /= 10
	}
	if n > 1000 {
		return 0
	}
	return n
}
