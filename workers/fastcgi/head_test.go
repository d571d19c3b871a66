package fastcgi

import (
	"bytes"
	"net/http"
	"reflect"
	"testing"
)

func TestAHeadIsReadAsPHPWritesIt(t *testing.T) {
	for _, c := range []struct {
		text   string
		status int
		header http.Header
	}{
		{"Content-type: text/html\r\n\r\n", 200, http.Header{"Content-Type": {"text/html"}}},
		{"Status: 404 Not Found\r\nX-A: 1\r\nx-a: 2\r\n\r\n", 404,
			http.Header{"X-A": {"1", "2"}, "Content-Type": nil}},
		{"Location: /x\n\n", 302, http.Header{"Location": {"/x"}, "Content-Type": nil}},
		{"Status: 301\nLocation: /x\n\n", 301, http.Header{"Location": {"/x"}, "Content-Type": nil}},
		{"A:\r\n\r\n", 200, http.Header{"A": {""}, "Content-Type": nil}},
		{"\r\n", 200, http.Header{"Content-Type": nil}},
		{"Status: 100\r\n\r\n", 0, nil}, {"Status: 600\r\n\r\n", 0, nil}, {"Status: 2000\r\n\r\n", 0, nil},
		{"Status: x\r\n\r\n", 0, nil},
		{"no field\r\n\r\n", 0, nil}, {": x\r\n\r\n", 0, nil}, {"A B: x\r\n\r\n", 0, nil},
		{"A: x\r y\r\n\r\n", 0, nil}, {"A: \x00\r\n\r\n", 0, nil},
		{" folded\r\n\r\n", 0, nil},
	} {
		header := http.Header{}
		status, err := parseHead([]byte(c.text), header)
		switch {
		case c.status == 0 && err == nil:
			t.Errorf("%q was taken: %d %v", c.text, status, header)
		case c.status != 0 && (err != nil || status != c.status || !reflect.DeepEqual(header, c.header)):
			t.Errorf("%q: %d %v, %v", c.text, status, header, err)
		}
	}
}

func TestTheEndOfAHeadIsFoundWhereverItIsCut(t *testing.T) {
	for _, text := range []string{
		"A: b\r\n\r\nbody", "A: b\n\nbody", "A: b\r\nC: d\n\r\nbody",
		"\r\nbody", "\nbody",
	} {
		want := bytes.Index([]byte(text), []byte("body"))
		for cut := 0; cut <= len(text); cut++ {
			got := endOfHead([]byte(text[:cut]), 0)
			if got >= 0 && got != want || got < 0 && cut >= want {
				t.Errorf("%q has its end at %d", text[:cut], got)
			}
			if got < 0 {
				if again := endOfHead([]byte(text), cut); again != want {
					t.Errorf("%q, cut at %d, has its end at %d", text, cut, again)
				}
			}
		}
	}
}

func FuzzHead(f *testing.F) {
	for _, seed := range []string{
		"Status: 200\r\nA: b\r\n\r\nx", "A:b\n\n", "\n", "Location: /\r\n\r\n", "Status: 99\n\n",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		i := endOfHead(b, 0)
		if i < 0 {
			return
		}
		header := http.Header{}
		status, err := parseHead(b[:i], header)
		if err != nil {
			return
		}
		if status < 200 || status > 599 {
			t.Fatalf("status %d", status)
		}
		for name, values := range header {
			for _, v := range values {
				if bytes.ContainsAny([]byte(name+v), "\r\n\x00") {
					t.Fatalf("%q: %q", name, v)
				}
			}
		}
	})
}
