package compress

import (
	"strings"
	"testing"
)

var all = New(Settings{Codings: []Coding{Zstd, Gzip, Brotli}, GzipLevel: 5, BrotliLevel: 3, ZstdLevel: 1,
	Types: []string{"text/*", "application/json", "*+json"}, MinSize: 1024})

func (r Ranking) String() string {
	var names []string
	for _, c := range r {
		names = append(names, c.String())
	}
	text, _, _ := strings.Cut(strings.Join(names, " "), "identity")
	return strings.TrimSpace(text)
}

func TestTheClientsQualitiesChooseTheCoding(t *testing.T) {
	for _, test := range []struct{ accept, want string }{
		{"", ""}, {"gzip", "gzip"}, {"GZip", "gzip"}, {"x-gzip", "gzip"}, {"br", "br"}, {"zstd", "zstd"},
		{"deflate", ""}, {"deflate, compress", ""}, {"identity", ""},
		{"gzip, deflate, br, zstd", "zstd gzip br"}, {"gzip, deflate, br", "gzip br"},
		{"gzip;q=1, br;q=1, zstd;q=0.9", "gzip br zstd"}, {"br;q=0.8, gzip;q=0.2", "br gzip"},
		{"gzip;q=0", ""}, {"gzip;q=0.0, br", "br"}, {"gzip;q=0.000", ""}, {"gzip;q=0.001", "gzip"},
		{"*", "zstd gzip br"}, {"*;q=0", ""}, {"*;q=0, gzip", "gzip"}, {"gzip;q=0, *", "zstd br"},
		{"br, *;q=0.5", "br zstd gzip"}, {"*;q=0.5, zstd;q=0", "gzip br"},
		{"identity;q=0, gzip", "gzip"}, {"identity;q=0", ""}, {"identity;q=0, *", "zstd gzip br"},
		{"identity, gzip;q=0.5", ""}, {"identity;q=0.5, gzip;q=0.5", "gzip"},
		{"identity;q=0.5, gzip, br;q=0.1", "gzip"},
		{"gzip ; q=0.5 ,\tbr ;Q=0.7", "br gzip"}, {" , ,gzip,,", "gzip"},
		{"gzip;q=2", ""}, {"gzip;q=1.001", ""}, {"gzip;q=1.000", "gzip"}, {"gzip;q=0.1234", ""}, {"gzip;q=.5", ""},
		{"gzip;q=", ""}, {"gzip;q", ""}, {"gzip;", ""}, {"gzip;q=-1", ""}, {"gzip;q=0,5", ""}, {"gzip;q= 1", ""},
		{"gzip;q=1;level=3", ""}, {"gzip;level=3", ""}, {"gzip;q=0x1", ""}, {"gzip;q=1.", "gzip"}, {"gzip;q=0.", ""},
		{"gzip, gzip;q=0", ""}, {"gzip;q=0, gzip", ""}, {"gzip;q=0.5, x-gzip;q=0.2, br;q=0.3", "br gzip"},
		{"gzip br", ""}, {"\"gzip\"", ""}, {"gzipped", ""}, {"*/*", ""},
	} {
		if got := all.Rank([]string{test.accept}).String(); got != test.want {
			t.Errorf("%q: %q, wanted %q", test.accept, got, test.want)
		}
	}
	if got := all.Rank(nil).String(); got != "" {
		t.Errorf("without a field: %q", got)
	}
	if got := all.Rank([]string{"gzip;q=0.5", "br"}).String(); got != "br gzip" {
		t.Errorf("two fields: %q", got)
	}
	if got := all.RankFiles([]string{"gzip, br, zstd"}).String(); got != "br zstd gzip" {
		t.Errorf("files: %q", got)
	}
	one := New(Settings{Codings: []Coding{Gzip}})
	for accept, want := range map[string]string{"br, gzip;q=0.1": "gzip", "br": "", "*": "gzip",
		"*, gzip;q=0.5": ""} { // for * is identity, too
		if got := one.Rank([]string{accept}).String(); got != want {
			t.Errorf("%q with gzip alone: %q, wanted %q", accept, got, want)
		}
		if got := one.RankFiles([]string{accept}).String(); got != want {
			t.Errorf("%q with files of gzip alone: %q, wanted %q", accept, got, want)
		}
	}
}

func TestTypesArePatterns(t *testing.T) {
	for contentType, want := range map[string]bool{
		"text/html": true, "text/html; charset=utf-8": true, "TEXT/Plain": true, " text/css ;x=y": true,
		"application/json": true, "application/problem+json": true, "application/ld+JSON; profile=x": true,
		"": false, "text": false, "image/png": false, "application/jsonx": false, "application/xml": false,
		"application/octet-stream": false, "x-text/html": false, ";": false,
	} {
		if got := all.Fits(contentType); got != want {
			t.Errorf("%q: %v", contentType, got)
		}
	}
}

func FuzzAcceptEncoding(f *testing.F) {
	for _, seed := range []string{"gzip, deflate, br, zstd", "*;q=0, gzip;q=0.5", "identity;q=0", "br;q=1.0000",
		",;q=", "gzip;q=0.999,\tx-gzip"} {
		f.Add(seed, "br")
	}
	f.Fuzz(func(t *testing.T, one, other string) {
		q := read([]string{one, other})
		for _, w := range append(q.of[:], q.any) {
			if w < unsaid || w > 1000 {
				t.Fatalf("%q, %q: a quality of %d", one, other, w)
			}
		}
		if joined := read([]string{one + "," + other}); joined != q {
			t.Fatalf("%q, %q: %v, and %v in one field", one, other, q, joined)
		}
		if turned := read([]string{other, one}); turned != q {
			t.Fatalf("%q, %q: %v, and %v the other way round", one, other, q, turned)
		}
		before, seen := 1001, map[Coding]bool{}
		for i, c := range all.Rank([]string{one, other}) {
			w := q.quality(c)
			switch {
			case c == Identity && i < int(codings)-1:
				before = 0 // and none may follow
			case c == Identity:
			case w == 0 || w > before || seen[c] || w < q.quality(Identity):
				t.Fatalf("%q, %q: %s is ranked with %d behind %d", one, other, c, w, before)
			}
			if c != Identity {
				before, seen[c] = w, true
			}
		}
	})
}
