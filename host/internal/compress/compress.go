// Package compress makes answers smaller: it chooses the content coding that a client likes best (RFC 9110 §12.5.3),
// and has encoders for them. It knows no connection and no response; package web asks it.
//
// What a reader may rely on:
//   - Memory is bounded, however many answers are compressed at once: few encoders work at a time, and few are kept
//     by streams; those of all others are given back whenever a stream has nothing to say (stream.go).
//   - Nothing here waits for a client: what was made lies in the caller's memory.
package compress

import (
	"slices"
	"strings"
)

// Coding is a content coding, or none.
type Coding uint8

// The codings.
const (
	Identity Coding = iota
	Gzip
	Brotli
	Zstd
	codings
)

var names = [codings]string{"identity", "gzip", "br", "zstd"}

// String is the coding's name in HTTP.
func (c Coding) String() string { return names[c] }

// Extension is what the name of a file in the coding ends with: ".gz", ".br" or ".zst".
func (c Coding) Extension() string { return [codings]string{"", ".gz", ".br", ".zst"}[c] }

// Named is the coding of a name in HTTP, in small letters. ok is false if there is none that is not Identity.
func Named(name string) (c Coding, ok bool) {
	i := slices.Index(names[Gzip:], name)
	return Gzip + Coding(max(0, i)), i >= 0
}

// Settings say which answers are compressed, and how.
type Settings struct {
	Codings     []Coding // the best first, among those that a client likes as much
	GzipLevel   int      // from 1 to 9
	BrotliLevel int      // from 1 to 3
	ZstdLevel   int      // from 1 to 9, as the program of that name has them
	Types       []string // media types, in small letters: "text/css", "text/*", "*+json"
	MinSize     int64    // bytes below which an answer stays as it is
}

// Policy is what Settings say, ready for use. It never changes, and is safe for concurrent use.
type Policy struct {
	made     []Coding // in the order of preference, of what is compressed here
	files    []Coding // likewise, of what lies there compressed
	levels   [codings]int
	types    map[string]bool
	families []string // "text/"
	suffixes []string // "+json"
	minSize  int64
}

// New makes one of settings that were checked.
func New(s Settings) *Policy {
	p := &Policy{types: map[string]bool{}, minSize: s.MinSize}
	p.levels = [codings]int{Gzip: s.GzipLevel, Brotli: s.BrotliLevel, Zstd: s.ZstdLevel}
	p.made = slices.Clone(s.Codings)
	for _, c := range smallest {
		if slices.Contains(s.Codings, c) {
			p.files = append(p.files, c)
		}
	}
	for _, t := range s.Types {
		family, all := strings.CutSuffix(t, "*")
		suffix, every := strings.CutPrefix(t, "*")
		switch {
		case all:
			p.families = append(p.families, family)
		case every:
			p.suffixes = append(p.suffixes, suffix)
		default:
			p.types[t] = true
		}
	}
	return p
}

// smallest are the codings as they do with time to spare.
var smallest = []Coding{Brotli, Zstd, Gzip}

// Fits says whether answers of a Content-Type are to be compressed.
func (p *Policy) Fits(contentType string) bool {
	t, _, _ := strings.Cut(contentType, ";")
	t = strings.ToLower(strings.TrimSpace(t))
	if p.types[t] {
		return true
	}
	of := func(family string) bool { return strings.HasPrefix(t, family) }
	with := func(suffix string) bool { return strings.HasSuffix(t, suffix) }
	return slices.ContainsFunc(p.families, of) || slices.ContainsFunc(p.suffixes, with)
}

// Worth says whether an answer of so many bytes is long enough; less than 0 is one whose length nobody knows yet.
func (p *Policy) Worth(size int64) bool { return size < 0 || size >= p.minSize }
