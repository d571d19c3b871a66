// mask.go: what changes in the answers of one stack from request to request, and so says nothing about another.

package rehearse

import (
	"slices"
	"strings"
)

// Hole stands for what was taken out.
const hole = "⟨…⟩"

// token is a word, or a byte that belongs to none.
type token struct{ from, to int }

// words are the tokens of a text, with a number for each, the same for the same text.
type words struct {
	text    string
	tokens  []token
	numbers []int32
}

// lexicon numbers tokens.
type lexicon map[string]int32

func (l lexicon) read(text string) *words {
	w := &words{text: text}
	for i := 0; i < len(text); {
		from := i
		if i++; isWord(text[from]) {
			for i < len(text) && isWord(text[i]) {
				i++
			}
		}
		n, known := l[text[from:i]]
		if !known {
			n = int32(len(l))
			l[text[from:i]] = n
		}
		w.tokens, w.numbers = append(w.tokens, token{from, i}), append(w.numbers, n)
	}
	return w
}

func isWord(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c == '_' || c >= 0x80
}

// span is the text from one token to before another.
func (w *words) span(from, to int) string {
	switch {
	case from == to:
		return ""
	default:
		return w.text[w.tokens[from].from:w.tokens[to-1].to]
	}
}

// varying is a part of a text that changes by itself.
type varying struct {
	from, to int // tokens
	most     int // bytes that it had
	always   bool
	bytes    [256]bool // that it had
	open     bool      // something in it differs that is no chance
}

const (
	// joins is how many tokens may stand between two varying parts that count as one, as ":" does in a time
	joins = 2
	// mostVarying is the share of the tokens that may vary; of a text of which more does, nothing can be said
	mostVarying = 0.5
)

// normalised takes out of two texts what varies among samples of the old one. It says false if that is too much to
// say anything. The first sample is the one that is compared.
func normalised(samples []string, new string) (a, b string, ok bool) {
	old := samples[0]
	if old == new {
		return old, new, true
	}
	known := lexicon{}
	first := known.read(old)
	parts, ok := variation(first, samples[1:], known)
	if !ok || len(parts) == 0 {
		return old, new, ok
	}
	other := known.read(new)
	edits, ok := hunks(first.numbers, other.numbers)
	if !ok {
		return old, new, true // they have little in common
	}
	for _, e := range edits {
		for i := range parts {
			if p := &parts[i]; e.aTo >= p.from && e.aFrom <= p.to && !p.admits(e, other) {
				p.open = true
			}
		}
	}
	return masked(first, parts, nil), masked(other, parts, edits), true
}

// admits says whether an edit is of the same kind as what varies there.
func (v *varying) admits(e hunk, in *words) bool {
	if e.aFrom < v.from || e.aTo > v.to {
		return false
	}
	text := in.span(e.bFrom, e.bTo)
	if len(text) > 4*v.most+32 || v.always && text == "" && e.aFrom == v.from && e.aTo == v.to {
		return false
	}
	for i := range len(text) {
		if c := text[i]; !v.bytes[c] && !isWord(c) && strings.IndexByte("+/=-.:%~", c) < 0 {
			return false
		}
	}
	return true
}

// variation are the parts of the first text that other samples have otherwise, in order.
func variation(first *words, samples []string, known lexicon) (parts []varying, ok bool) {
	for _, sample := range samples {
		if sample == first.text {
			continue
		}
		other := known.read(sample)
		edits, ok := hunks(first.numbers, other.numbers)
		if !ok {
			return nil, false
		}
		for _, e := range edits {
			p := varying{from: e.aFrom, to: e.aTo, always: e.aFrom < e.aTo && e.bFrom < e.bTo}
			p.has(first.span(e.aFrom, e.aTo))
			p.has(other.span(e.bFrom, e.bTo))
			parts = append(parts, p)
		}
	}
	slices.SortStableFunc(parts, func(a, b varying) int { return a.from - b.from })
	joined := parts[:0]
	for _, p := range parts {
		if n := len(joined); n > 0 && near(first, &joined[n-1], &p) {
			joined[n-1].join(first, &p)
			continue
		}
		joined = append(joined, p)
	}
	vary := 0
	for _, p := range joined {
		vary += p.to - p.from
	}
	return joined, len(first.tokens) < 40 || float64(vary) <= mostVarying*float64(len(first.tokens))
}

func near(in *words, a, b *varying) bool {
	if b.from <= a.to {
		return true
	}
	return b.from-a.to <= joins && !strings.ContainsAny(in.span(a.to, b.from), "<>\n\"'{}&;")
}

func (v *varying) has(text string) {
	v.most = max(v.most, len(text))
	for i := range len(text) {
		v.bytes[text[i]] = true
	}
}

func (v *varying) join(in *words, next *varying) {
	apart := next.from > v.to
	v.to = max(v.to, next.to)
	v.always = v.always && next.always || apart
	if v.most = max(v.most, next.most); apart {
		v.most += next.most
	}
	v.has(in.span(v.from, v.to))
	for c, had := range next.bytes {
		v.bytes[c] = v.bytes[c] || had
	}
}

// masked is a text with a hole for each part. Without edits it is the first text; with them the one that they lead to.
func masked(w *words, parts []varying, edits []hunk) string {
	var b strings.Builder
	at, shift, next := 0, 0, 0
	for i := range parts {
		p := &parts[i]
		if p.open {
			continue
		}
		for next < len(edits) && edits[next].aTo < p.from {
			shift += (edits[next].bTo - edits[next].bFrom) - (edits[next].aTo - edits[next].aFrom)
			next++
		}
		from := p.from + shift
		for next < len(edits) && edits[next].aFrom <= p.to && edits[next].aTo <= p.to {
			shift += (edits[next].bTo - edits[next].bFrom) - (edits[next].aTo - edits[next].aFrom)
			next++
		}
		b.WriteString(w.span(at, from))
		b.WriteString(hole)
		at = p.to + shift
	}
	b.WriteString(w.span(at, len(w.tokens)))
	return b.String()
}
