// The golden frames of vectors/, both ways.

package protocol

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"reflect"
	"strconv"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/vmihailenco/msgpack/v5"
	"github.com/workerhost/workerhost/protocol/vectors"
)

type vector struct {
	Name      string
	Section   string
	Hex       string
	Message   []any
	Canonical bool
	Error     string
	Stray     any
	Frames    []string
}

// readVectors reads files of vectors/, whose README.md describes them.
func readVectors(t testing.TB, files ...string) (all []vector) {
	for _, file := range files {
		text, err := os.ReadFile("vectors/" + file)
		if err != nil {
			t.Fatal(err)
		}
		var some []vector
		d := json.NewDecoder(bytes.NewReader(text))
		d.UseNumber()
		if err := d.Decode(&some); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		if len(some) == 0 {
			t.Fatalf("%s is empty", file)
		}
		all = append(all, some...)
	}
	return all
}

// bytes expands the vector's hex: parts of hex, or XX*N.
func (v vector) bytes(t testing.TB) (b []byte) {
	for part := range strings.FieldsSeq(v.Hex) {
		digits, times, repeated := strings.Cut(part, "*")
		p, err := hex.DecodeString(digits)
		n := 1
		if err == nil && repeated {
			n, err = strconv.Atoi(times)
		}
		if err != nil {
			t.Fatalf("%s: %v", v.Name, err)
		}
		b = append(b, bytes.Repeat(p, n)...)
	}
	return b
}

func TestVectorsSayWhatAnIndependentDecoderReads(t *testing.T) {
	for _, v := range readVectors(t, "valid.json", "long.json") {
		if v.Error != "" || strings.Contains(v.Name, "extension") {
			continue
		}
		var got any
		if err := msgpack.Unmarshal(v.bytes(t)[lengthSize:], &got); err != nil {
			t.Errorf("%s: %v", v.Name, err)
		} else if want := vectors.Plain(v.Message); !reflect.DeepEqual(vectors.Level(got), want) {
			t.Errorf("%s:\ngot  %v\nwant %v", v.Name, vectors.Level(got), want)
		}
	}
}

func TestValidFramesAreReadAsTheirMessage(t *testing.T) {
	for _, v := range readVectors(t, "valid.json", "long.json") {
		if v.Error != "" {
			continue
		}
		frame := v.bytes(t)
		payload, used, err := Split(frame, MaxFrame)
		if err != nil || used != len(frame) {
			t.Errorf("%s: Split used %d of %d: %v", v.Name, used, len(frame), err)
			continue
		}
		m, err := parse(payload)
		if err != nil {
			t.Errorf("%s: %v", v.Name, err)
			continue
		}
		want := elements(m)
		given := vectors.Plain(v.Message).([]any)
		for i := range min(len(want), len(given)) {
			got := given[i]
			if known := knownFlags(m); i == 2 && known != 0 {
				got = got.(int64) & known
			}
			if !sameElement(want[i], got, strings.Contains(v.Name, "later version in its")) {
				t.Errorf("%s: element %d is %v, want %v", v.Name, i, want[i], given[i])
			}
		}
		defaults := elements(withDefaults(m.Type()))
		for i := len(given); i < len(want); i++ {
			if !sameElement(want[i], leveled(defaults[i]), false) {
				t.Errorf("%s: element %d, which was left out, is %v, want %v", v.Name, i, want[i], defaults[i])
			}
		}
		if again := m.AppendFrame([]byte("before")); v.Canonical && string(again) != "before"+string(frame) {
			t.Errorf("%s: encoded again it is\n%.300x, want\n%.300x", v.Name, again[6:], frame)
		} else if m2, err := parse(again[6+lengthSize:]); err != nil || !reflect.DeepEqual(m, m2) {
			t.Errorf("%s: encoded and parsed again it is %+v, want %+v (%v)", v.Name, m2, m, err)
		}
	}
}

func TestFramesAreWhatAnIndependentEncoderWrites(t *testing.T) {
	for _, v := range readVectors(t, "valid.json", "long.json") {
		if v.Error != "" {
			continue
		}
		m, err := parse(v.bytes(t)[lengthSize:])
		if err != nil {
			t.Fatalf("%s: %v", v.Name, err)
		}
		frame := m.AppendFrame(nil)
		d := decoder{b: frame[lengthSize:]}
		var want bytes.Buffer
		e := msgpack.NewEncoder(&want)
		e.UseCompactInts(true)
		if err := e.Encode(elements(m)[:d.array()]); err != nil {
			t.Fatalf("%s: %v", v.Name, err)
		}
		if !bytes.Equal(frame[lengthSize:], want.Bytes()) {
			t.Errorf("%s:\ngot  %.300x\nwant %.300x", v.Name, frame[lengthSize:], want.Bytes())
		}
	}
}

func TestInvalidFramesAreRefused(t *testing.T) {
	for _, v := range readVectors(t, "invalid.json", "long.json") {
		if v.Error == "" {
			continue
		}
		frame := v.bytes(t)
		payload, used, err := Split(frame, MaxFrame)
		if err == nil && used != len(frame) {
			t.Errorf("%s: Split used %d of %d bytes", v.Name, used, len(frame))
			continue
		}
		if err == nil {
			_, err = parse(payload)
		}
		_, link := err.(*LinkError)
		if _, unknown := err.(*UnknownError); link == unknown || unknown != (v.Section == "4.4") {
			t.Errorf("%s: got error %v (%T), want a *LinkError, or with flags an *UnknownError", v.Name, err, err)
		} else if !strings.Contains(err.Error(), v.Error) {
			t.Errorf("%s: the error %q does not hold %q", v.Name, err, v.Error)
		}
	}
}

func TestStartOfAWorkersStream(t *testing.T) {
	for _, v := range readVectors(t, "startup.json") {
		for how, reader := range map[string]func(io.Reader) io.Reader{
			"whole": func(r io.Reader) io.Reader {
				return r
			}, "byte by byte": iotest.OneByteReader, "with its end": iotest.DataErrReader,
		} {
			t.Run(fmt.Sprintf("%s, %s", v.Name, how), func(t *testing.T) {
				c := NewConn(reader(bytes.NewReader(v.bytes(t))), io.Discard)
				stray, err := c.ReadMagic()
				if v.Error != "" {
					if err == nil || !strings.Contains(err.Error(), v.Error) {
						t.Fatalf("got error %v, want one that holds %q", err, v.Error)
					}
					return
				}
				if err != nil || string(stray) != vectors.Plain(v.Stray) {
					t.Fatalf("got %.80q before the magic and error %v, want %.80q", stray, err, vectors.Plain(v.Stray))
				}
				for _, want := range v.Frames {
					if payload, err := c.Read(); err != nil || hex.EncodeToString(payload) != want[2*lengthSize:] {
						t.Fatalf("got frame %x and error %v, want %s", payload, err, want)
					}
				}
				if _, err := c.Read(); err != io.EOF {
					t.Errorf("after the last frame: got error %v, want io.EOF", err)
				}
			})
		}
	}
}
