package rehearse

import (
	"fmt"
	"regexp"
	"strings"
	"testing"
)

// says is an answer of text.
func says(status int, body string, headers ...string) *Answer {
	a := &Answer{Status: status, Body: []byte(body), Length: int64(len(body))}
	for i := 0; i+1 < len(headers); i += 2 {
		a.Headers = append(a.Headers, [2]string{headers[i], headers[i+1]})
	}
	return a
}

// kinds are those of all differences, and "unsteady".
func kinds(v verdict) string {
	var all []string
	for _, d := range v.differences {
		all = append(all, d.Kind)
	}
	if v.unsteady {
		all = append(all, "unsteady")
	}
	return strings.Join(all, ", ")
}

func TestAnswersAreComparedByWhatMatters(t *testing.T) {
	header := func(name, value string) *Answer { return says(200, "", name, value) }
	large := func(n int64) *Answer { return &Answer{Status: 200, Length: n, Body: make([]byte, mostBody)} }
	for name, c := range map[string]struct {
		old  []*Answer
		new  *Answer
		want string
	}{
		"the same":           {[]*Answer{says(200, "a")}, says(200, "a"), ""},
		"another status":     {[]*Answer{says(200, "a", "Vary", "x")}, says(500, "b"), "status"},
		"no answer":          {[]*Answer{says(200, "a")}, &Answer{Failure: FailedCut}, "status"},
		"a status by chance": {[]*Answer{says(200, "a"), says(503, "")}, says(503, ""), ""},
		"another body":       {[]*Answer{says(200, "price 10")}, says(200, "price 12"), "body"},
		"of a redirection, too": {[]*Answer{says(302, "", "Location", "/a")}, says(302, "", "Location", "/b"),
			"header Location"},
		"a header that is missing": {[]*Answer{header("Cache-Control", "max-age=60")}, says(200, ""),
			"header Cache-Control"},
		"a header of our own": {[]*Answer{header("X-Total", "3")}, header("X-Total", "4"), "header X-Total"},
		"what servers say":    {[]*Answer{header("Server", "nginx")}, header("Date", "today"), ""},
		"nosniff that was lost": {[]*Answer{header("X-Content-Type-Options", "nosniff")}, says(200, ""),
			"header X-Content-Type-Options"},
		"nosniff that is new": {[]*Answer{says(200, "")}, header("X-Content-Type-Options", "nosniff"), ""},
		"a directive's order": {[]*Answer{header("Cache-Control", "a, B")}, header("Cache-Control", "b,a"), ""},
		"who compresses": {[]*Answer{header("Vary", "Accept-Encoding, Cookie")},
			header("Vary", "cookie"), ""},
		"who alone compresses": {[]*Answer{header("Vary", "Accept-Encoding")}, says(200, ""), ""},
		"how a type is written": {[]*Answer{header("Content-Type", "text/html; charset=UTF-8")},
			header("Content-Type", "text/html;charset=utf-8"), ""},
		"an alias of a type": {[]*Answer{header("Content-Type", "application/javascript")},
			header("Content-Type", "text/javascript; charset=utf-8"), ""},
		"a charset that is missing": {[]*Answer{header("Content-Type", "text/html; charset=utf-8")},
			header("Content-Type", "text/html"), "header Content-Type"},
		"an ETag of another kind": {[]*Answer{header("ETag", `"1"`)}, header("Last-Modified", "today"), ""},
		"no validator":            {[]*Answer{header("ETag", `"1"`)}, says(200, ""), "header Validator"},
		"a cookie's value": {[]*Answer{header("Set-Cookie", "s=a1; path=/"),
			header("Set-Cookie", "s=b2; path=/")},
			header("Set-Cookie", "s=c3; path=/"), ""},
		"a cookie's attribute": {[]*Answer{header("Set-Cookie", "s=a1; path=/; HttpOnly"),
			header("Set-Cookie", "s=b2; path=/; HttpOnly")},
			header("Set-Cookie", "s=c3; path=/"), "header Set-Cookie s"},
		"lengths of what is large": {[]*Answer{large(mostBody + 1)}, large(mostBody + 2), "length"},
		"lengths that vary": {[]*Answer{large(mostBody + 1), large(mostBody + 3)},
			large(mostBody + 2), "unsteady"},
		"bytes that are no text": {[]*Answer{says(200, "\xff\xd8\x01")}, says(200, "\xff\xd8\x02"), "body"},
		"a stream": {[]*Answer{{Status: 200, Length: -1}},
			&Answer{Status: 200, Length: -1}, ""},
		"a stream that is none": {[]*Answer{{Status: 200, Length: -1}}, says(200, "x"), "length"},
		"what is ignored": {[]*Answer{says(200, "a secret=1", "X-Id", "1")},
			says(200, "a secret=2", "X-Id", "2"), ""},
		"a file where there was a page": {[]*Answer{says(200, "x")}, &Answer{Status: 200, Form: "file"}, "form"},
		"more than one": {[]*Answer{says(200, "a", "X-A", "1")},
			says(200, "b", "X-A", "2"), "header X-A, body"},
		"a body that differs in a token": {[]*Answer{says(200, "<p>1a"), says(200, "<p>2b")},
			says(200, "<p>3c"), ""},
	} {
		rules := &Rules{Ignore: []*regexp.Regexp{regexp.MustCompile(`secret=\d`), regexp.MustCompile(`(?i)^x-id:.*`)}}
		if got := kinds(compare("GET", c.old, c.new, rules)); got != c.want {
			t.Errorf("%s: %q, and not %q", name, got, c.want)
		}
	}
}

func TestOnlyThePartsThatWereAskedForAreCompared(t *testing.T) {
	old, new := says(200, "a", "X-A", "1"), says(200, "b", "X-A", "2")
	for parts, want := range map[string]string{"status": "", "headers": "header X-A", "body": "body",
		"status body": "body"} {
		if got := kinds(compare("GET", []*Answer{old}, new, &Rules{Parts: strings.Fields(parts)})); got != want {
			t.Errorf("%s: %q", parts, got)
		}
	}
	if got := kinds(compare("HEAD", []*Answer{says(200, "a")}, says(200, "b"), &Rules{})); got != "" {
		t.Errorf("HEAD has no body, and it differs in %q", got)
	}
}

func TestDifferencesShowNoSecrets(t *testing.T) {
	v := compare("GET", []*Answer{says(200, "<a href='/?token=abc'>old", "Set-Cookie", "s=one; path=/")},
		says(200, "<a href='/?token=abc'>new", "Set-Cookie", "s=two"), &Rules{})
	if len(v.differences) != 2 {
		t.Fatalf("%+v", v)
	}
	for _, d := range v.differences {
		if text := d.Old + d.New + d.Diff; strings.Contains(text, "abc") || strings.Contains(text, "one") ||
			strings.Contains(text, "two") {
			t.Errorf("%+v", d)
		}
	}
}

// What stands before a secret, and says that it is one, may be cut off.
func TestADifferenceInALongSecretShowsNothingOfIt(t *testing.T) {
	long := strings.Repeat("sesame", 60)
	for name, page := range map[string]string{
		"a line": "%s\n<a href=\"/x?a=1&token=" + long + "%s\">x</a>",
		"one line": "%s<p>" + strings.Repeat("text ", 300) + "</p><script>x={\"password\":\"" + long +
			"%s\"}</script>",
	} {
		of := func(first, end string) *Answer {
			body := fmt.Sprintf(page, first, end)
			return &Answer{Status: 200, Body: []byte(body), Length: int64(len(body))}
		}
		v := compare("GET", []*Answer{of("", "a")}, of("", "b"), &Rules{})
		if len(v.differences) != 1 || v.differences[0].Diff != "what differs is masked, as a secret" {
			t.Errorf("%s: %+v", name, v)
		}
		v = compare("GET", []*Answer{of("old", "a")}, of("new", "b"), &Rules{})
		if len(v.differences) != 1 || strings.Contains(v.differences[0].Diff, "sesame") ||
			!strings.Contains(v.differences[0].Diff, "new") {
			t.Errorf("%s: %+v", name, v)
		}
	}
	of := func(value string) *Answer { return &Answer{Status: 200, Headers: [][2]string{{"Token", value}}} }
	v := compare("GET", []*Answer{of("open")}, of("sesame"), &Rules{})
	if len(v.differences) != 1 || strings.Contains(v.differences[0].New+v.differences[0].Old, "e") {
		t.Errorf("a header: %+v", v)
	}
}
