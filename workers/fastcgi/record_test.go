package fastcgi

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
)

func TestALengthTakesOneByteOrFour(t *testing.T) {
	for _, n := range []int{0, 1, 127, 128, maxContent - 9, maxContent - 8} {
		pairs := params{b: appendRequest(nil, true), open: -1}
		if !pairs.add("one", "more") || !pairs.add("nnn", strings.Repeat("v", n)) {
			t.Errorf("%d do not fit", n)
		}
		got, err := readRequest(bytes.NewReader(appendEnd(pairs.end(), typeStdin)))
		if err != nil || len(got.params["nnn"]) != n || !got.keep {
			t.Errorf("%d: %v", n, err)
		}
	}
}

func TestAPairThatNoRecordHoldsIsRefused(t *testing.T) {
	pairs := params{open: -1}
	if pairs.add("nnn", strings.Repeat("v", maxContent-7)) {
		t.Error("it was taken")
	}
}

func TestRecordsThatAreNoneOfOursAreRefused(t *testing.T) {
	for name, b := range map[string][]byte{
		"another version": {2, typeStdout, 0, 1, 0, 0, 0, 0},
		"text":            []byte("HTTP/1.1 200 OK\r\n\r\n"),
		"another request": {1, typeStdout, 0, 2, 0, 0, 0, 0},
		"management":      {1, 10, 0, 0, 0, 0, 0, 0},
	} {
		_, _, err := newRecords(bytes.NewReader(b)).next()
		if broken := (*brokenError)(nil); !errors.As(err, &broken) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, b := range map[string][]byte{
		"a cut header":  {1, typeStdout, 0},
		"a cut content": {1, typeStdout, 0, 1, 0, 9, 0, 0, 'x'},
	} {
		if _, _, err := newRecords(bytes.NewReader(b)).next(); err != io.ErrUnexpectedEOF {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func FuzzRecords(f *testing.F) {
	f.Add(page("A: b\r\n\r\nx"))
	f.Add([]byte{1, typeStdout, 0, 1, 255, 255, 255, 0})
	f.Add([]byte{1, typeStderr, 0, 1, 0, 1, 3, 0, 'x', 0, 0, 0, 1, typeEnd, 0, 1, 0, 0, 0, 0})
	f.Fuzz(func(t *testing.T, b []byte) {
		r := newRecords(bytes.NewReader(b))
		total := 0
		for {
			_, content, err := r.next()
			if err != nil {
				return
			}
			if total += headerSize + len(content); total > len(b) {
				t.Fatalf("%d bytes came of %d", total, len(b))
			}
		}
	})
}
