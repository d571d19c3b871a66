package peer

import (
	"fmt"
	"strings"
	"testing"

	"github.com/gobwas/ws"
)

// told is what a stream has said.
type told []string

func (l *told) event(data []byte, kind, id string) error {
	*l = append(*l, fmt.Sprintf("%q %q %q", data, kind, id))
	return nil
}

func (l *told) pause(ms int64) { *l = append(*l, fmt.Sprintf("retry %d", ms)) }

// parsed feeds text in pieces of so many bytes.
func parsed(text string, piece int, most int64) (all told, err error) {
	e := eventParser{most: most}
	for len(text) > 0 && err == nil {
		n := min(piece, len(text))
		err = e.feed([]byte(text[:n]), &all)
		text = text[n:]
	}
	return all, err
}

func TestAnEventStreamIsReadHoweverItIsCut(t *testing.T) {
	for text, want := range map[string]string{
		"data: a\n\n":                                      `"a" "" ""`,
		"data:a\r\rdata: b\r\n\r\n":                        `"a" "" ""; "b" "" ""`,
		"\ufeffdata: a\n\n":                                `"a" "" ""`,
		"\ufeff: c\ndata: a\n\n":                           `"a" "" ""`,
		"data: a\n\ufeffdata: b\n\n":                       `"a" "" ""`,
		"data\n\ndata\ndata\n\ndata:\n\n":                  `"" "" ""; "\n" "" ""; "" "" ""`,
		"data:  a\ndata:b\n\n":                             `" a\nb" "" ""`,
		"event: e\nid: 7\ndata: a\n\n":                     `"a" "e" "7"`,
		"event: e\n\ndata: a\n\n":                          `"a" "" ""`,
		"id: 7\n\ndata: a\n\nid\ndata: b\n\n":              `"a" "" "7"; "b" "" ""`,
		"id: 7\x00\ndata: a\n\n":                           `"a" "" ""`,
		"retry: 10\nretry: x\nretry: +1\n\n":               `retry 10`,
		"retry: -1\nretry:\nretry: 99999999999999999999\n": ``,
		"datas: a\nDATA: a\nother\n\n":                     ``,
		": data: a\n\ndata: half":                          ``,
		"data: \xff\n\n":                                   "\"\ufffd\" \"\" \"\"",
		":" + strings.Repeat("x", 500) + "\n\ndata: a\n\n": `"a" "" ""`,
	} {
		for piece := 1; piece < 10; piece++ {
			got, err := parsed(text, piece, 100)
			if strings.Join(got, "; ") != want || err != nil {
				t.Errorf("%.60q in pieces of %d is %q (%v), want %q", text, piece, got, err, want)
			}
		}
	}
}

func TestAnEventHasABound(t *testing.T) {
	x := func(n int) string { return strings.Repeat("x", n) }
	for text, ok := range map[string]bool{
		"data: " + x(100) + "\n\n":                     true,
		"data: " + x(101) + "\n\n":                     false,
		"data: " + x(50) + "\ndata: " + x(49) + "\n\n": true,
		"data: " + x(50) + "\ndata: " + x(50) + "\n\n": false,
		x(1000): false,
	} {
		for _, piece := range []int{1, 7, 4096} {
			if _, err := parsed(text, piece, 100); (err == nil) != ok {
				t.Errorf("%.20q… of %d bytes: %v", text, len(text), err)
			}
		}
	}
	for _, field := range []string{"id", "event"} {
		if _, err := parsed(field+": "+x(mostOfName+1)+"\n", 4096, 1<<20); err != errLongName {
			t.Errorf("a long %s: %v", field, err)
		}
	}
}

// bodied takes the chunks of text away, which comes in pieces of so many bytes.
func bodied(b body, text string, piece int) (got string, err error) {
	for len(text) > 0 && err == nil {
		n := min(piece, len(text))
		err = b.feed([]byte(text[:n]), func(p []byte) error { got += string(p); return nil })
		text = text[n:]
	}
	return got, err
}

func TestABodyIsItsChunks(t *testing.T) {
	for text, want := range map[string]string{
		"3\r\nabc\r\n2;x=y\r\nde\r\n0\r\n\r\n": "abcde over",
		"003\nabc\n0\nA: b\r\n\r\n":            "abc over",
		"A \r\n0123456789\r\n":                 "0123456789",
		"3\r\nabcd":                            "abc wrong",
		"x\r\n":                                " wrong",
		"\r\n":                                 " wrong",
		"-1\r\n":                               " wrong",
		"1000000000000000\r\n":                 " wrong",
		"1;" + strings.Repeat("x", 2*mostSkipped):    " wrong",
		"0\r\n" + strings.Repeat("x", 2*mostSkipped): " wrong",
	} {
		for _, piece := range []int{1, 2, 3, 1000} {
			got, err := bodied(body{chunked: true}, text, piece)
			switch err {
			case errBodyOver:
				got += " over"
			case errChunks:
				got += " wrong"
			}
			if got != want {
				t.Errorf("%.40q in pieces of %d is %q (%v), want %q", text, piece, got, err, want)
			}
		}
	}
	for _, piece := range []int{1, 3, 10} {
		if got, err := bodied(body{left: 3}, "abcd", piece); got != "abc" || err != errBodyOver {
			t.Errorf("a body of a length is %q (%v)", got, err)
		}
		if got, err := bodied(body{left: -1}, "abcd", piece); got != "abcd" || err != nil {
			t.Errorf("a body until the end is %q (%v)", got, err)
		}
	}
}

func FuzzEventStream(f *testing.F) {
	f.Add("data: a\nid: 1\r\n\r\nretry: 5\n\n", 3, true)
	f.Add("5\r\ndata:\r\n3\r\n a\n\r\n1\r\n\n\r\n0\r\n\r\n", 1, false)
	f.Fuzz(func(t *testing.T, text string, piece int, bare bool) {
		piece = max(1, piece%100)
		var whole, cut told
		var errs [2]error
		for i, to := range []*told{&whole, &cut} {
			b, e, rest, n := body{chunked: !bare, left: -1}, eventParser{most: 64}, text, len(text)
			if i == 1 {
				n = piece
			}
			for len(rest) > 0 && errs[i] == nil {
				n = min(max(1, n), len(rest))
				errs[i] = b.feed([]byte(rest[:n]), func(p []byte) error { return e.feed(p, to) })
				rest = rest[n:]
			}
		}
		if fmt.Sprint(whole) != fmt.Sprint(cut) || (errs[0] == nil) != (errs[1] == nil) {
			t.Fatalf("%q is %q (%v), and in pieces of %d %q (%v)", text, whole, errs[0], piece, cut, errs[1])
		}
	})
}

func TestAClientsFramesAreMasked(t *testing.T) {
	seen := map[[4]byte]bool{}
	for _, size := range []int{0, 1, 125, 126, 127, 65535, 65536} {
		payload := strings.Repeat("x", size)
		b := wsEncoding{role: asClient}.Append(nil, []byte(payload), true)
		f, err := ws.ReadFrame(strings.NewReader(string(b)))
		if err != nil || !f.Header.Masked || f.Header.OpCode != ws.OpBinary || !f.Header.Fin ||
			string(ws.UnmaskFrame(f).Payload) != payload {
			t.Errorf("%d bytes are sent as %+v (%v)", size, f.Header, err)
		}
		if seen[f.Header.Mask] {
			t.Error("a mask comes twice")
		}
		seen[f.Header.Mask] = true
	}
	if b := asClient.closeFrame(1000, "bye"); len(b) != 6+5 || b[1] != 0x80|5 {
		t.Errorf("a close frame is %x", b)
	}
}
