package rehearse

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
)

func TestWhatVariesByItselfIsNoDifference(t *testing.T) {
	for name, c := range map[string]struct {
		samples []string
		new     string
		same    bool
	}{
		"the same":                      {[]string{"a b", "a b"}, "a b", true},
		"a word":                        {[]string{"a b", "a b"}, "a c", false},
		"a token":                       {[]string{`<i value="x1y">`, `<i value="z22">`}, `<i value="q333">`, true},
		"a token of base64":             {[]string{`t="ab+c/d=="`, `t="xyz+12="`}, `t="q/r+s/t="`, true},
		"a time":                        {[]string{"at 10:11:59.", "at 10:12:01."}, "at 10:12:00.", true},
		"beside a token":                {[]string{"n 7 EUR", "n 8 EUR"}, "n 9 USD", false},
		"in place of a token a warning": {[]string{"<b>71</b>", "<b>72</b>"}, "<b><i>Warning</i>: x</b>", false},
		"in place of a token a long text": {[]string{"<b>71</b>", "<b>72</b>"},
			"<b>" + strings.Repeat("x", 60) + "</b>", false},
		"a token that is missing": {[]string{`v="71"`, `v="72"`}, `v=""`, false},
		"at times nothing":        {[]string{`v="71"`, `v=""`}, `v="5"`, true},
		"behind a token":          {[]string{"71 <p>hello</p>", "72 <p>hello</p>"}, "73 <p>bye</p>", false},
		"a third sample":          {[]string{"a 1 b x c", "a 2 b x c", "a 3 b y c"}, "a 4 b z c", true},
	} {
		a, b, ok := normalised(c.samples, c.new)
		if !ok || (a == b) != c.same {
			t.Errorf("%s: %q and %q, %v", name, a, b, ok)
		}
	}
}

func TestOfATextThatVariesAltogetherNothingIsSaid(t *testing.T) {
	text := func(seed uint64) string {
		r := rand.New(rand.NewPCG(seed, 1))
		var words []string
		for range 60 {
			words = append(words, fmt.Sprint(r.Uint32()))
		}
		return strings.Join(words, "<")
	}
	if _, _, ok := normalised([]string{text(1), text(2)}, text(3)); ok {
		t.Error("chance was compared with chance")
	}
}

// page is one with so many places that vary by themselves; planted stands in one of the lines.
func page(r *rand.Rand, lines int, planted string) string {
	const letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
	var b strings.Builder
	for i := range lines {
		token := make([]byte, 8+r.IntN(16))
		for i := range token {
			token[i] = letters[r.IntN(len(letters))]
		}
		switch i % 4 {
		case 0:
			fmt.Fprintf(&b, `<input name="token" value="%s">`+"\n", token)
		case 1:
			fmt.Fprintf(&b, "<p>It is %02d:%02d:%02d, and line %d of all</p>\n", r.IntN(24), r.IntN(60), r.IntN(60), i)
		case 2:
			fmt.Fprintf(&b, "<a href=\"/x?n=%s&amp;i=%d\">more</a> %s\n", token, i, planted)
		case 3:
			fmt.Fprintf(&b, "{\"took\": %.4f, \"line\": %d}\n", r.Float64(), i)
		}
	}
	return b.String()
}

func TestPlantedDifferencesAreFoundAmongTokensAndNothingElse(t *testing.T) {
	r := rand.New(rand.NewPCG(25, 2))
	for n := range 60 {
		lines := 4 + r.IntN(60)
		var samples []string
		for range 4 {
			samples = append(samples, page(r, lines, "same"))
		}
		if a, b, ok := normalised(samples, page(r, lines, "same")); !ok || a != b {
			t.Fatalf("page %d differs from itself, %v:\n%s", n, ok, diff(a, b))
		}
		a, b, ok := normalised(samples, page(r, lines, "other"))
		if !ok || a == b {
			t.Fatalf("page %d: what was planted is not found, %v", n, ok)
		}
		if shown := diff(a, b); !strings.Contains(shown, "same") || !strings.Contains(shown, "other") {
			t.Errorf("page %d: the diff is\n%s", n, shown)
		}
	}
}

// patched is a, changed as hunks say.
func patched(a, b []rune, all []hunk) string {
	var made []rune
	at := 0
	for _, h := range all {
		made = append(append(made, a[at:h.aFrom]...), b[h.bFrom:h.bTo]...)
		at = h.aTo
	}
	return string(append(made, a[at:]...))
}

func FuzzHunksLeadFromOneTextToTheOther(f *testing.F) {
	f.Add("abcabba", "cbabac")
	f.Add("", "x")
	f.Add(strings.Repeat("ab", 100), strings.Repeat("ba", 90))
	f.Fuzz(func(t *testing.T, from, to string) {
		a, b := []rune(from), []rune(to)
		all, _ := hunks(a, b)
		if got := patched(a, b, all); got != string(b) {
			t.Errorf("%q", got)
		}
		before := hunk{-1, -1, -1, -1}
		for _, h := range all {
			if h.aFrom <= before.aTo || h.bFrom <= before.bTo || h.aTo-h.aFrom+h.bTo-h.bFrom == 0 {
				t.Errorf("%v after %v", h, before)
			}
			before = h
		}
		diff(from, to)
	})
}

func FuzzNormalised(f *testing.F) {
	f.Add("a 1 b", "a 2 b", "a 3 b")
	f.Add(`x="ab+c/d=="`, `x="xyz="`, `x=""`)
	f.Add("10:11:12", "10:12:13", "10:11:13")
	f.Fuzz(func(t *testing.T, first, second, new string) {
		for _, c := range []string{first, second} { // what the old one said itself is no difference
			if a, b, ok := normalised([]string{first, second}, c); ok && a != b && c == first {
				t.Errorf("%q and %q of %q", a, b, c)
			}
		}
		normalised([]string{first, second}, new)
	})
}

func TestShortestDiffsAreFoundAndTooLongOnesAreNotLookedFor(t *testing.T) {
	all, ok := hunks([]rune("abcabba"), []rune("cbabac"))
	edits := 0
	for _, h := range all {
		edits += h.aTo - h.aFrom + h.bTo - h.bFrom
	}
	if !ok || edits != 5 {
		t.Errorf("%v has %d edits, and 5 would do", all, edits)
	}
	a, b := make([]int, 3*mostEdits), make([]int, 3*mostEdits)
	for i := range a {
		a[i], b[i] = i, -i-1
	}
	if all, ok := hunks(a, b); ok || len(all) != 1 {
		t.Errorf("%d hunks", len(all))
	}
}
