package peer

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/workerhost/workerhost/protocol"
)

// framed collects messages.
type framed struct{ messages []string }

func (f *framed) take(data []byte) error {
	f.messages = append(f.messages, string(data))
	return nil
}

// unframe feeds pieces as a connection would.
func unframe(f Framing, most int64, pieces ...[]byte) (messages []string, unfinished bool, err error) {
	to, in := &framed{}, &framer{framing: f, most: most}
	for _, p := range pieces {
		for len(p) > 0 && err == nil {
			if room, _ := in.room(); room != nil {
				n := copy(room, p)
				p = p[n:]
				err = in.took(n, to)
				continue
			}
			n := min(len(p), readSize)
			own := bytes.Clone(p[:n])
			err = in.feed(own, to)
			clear(own) // it is the caller's again
			p = p[n:]
		}
	}
	return to.messages, in.unfinished(), err
}

var kinds = []Framing{
	{Kind: FrameLine}, {Kind: FrameLength16}, {Kind: FrameLength32}, {Kind: FrameDelimiter, Delimiter: ";"},
	{Kind: FrameDelimiter, Delimiter: "abcab"},
	{Kind: FrameDelimiter, Delimiter: "\x00"},
}

func TestAFramingGivesTheSameMessagesHoweverTheirBytesAreSplit(t *testing.T) {
	messages := []string{"", "x", "hello", "", "a b c a b", strings.Repeat("y", 300), "ab", "\rz"}
	for _, f := range kinds {
		var b []byte
		for _, m := range messages {
			b = f.Append(b, []byte(m), true)
		}
		for first := 0; first <= len(b); first++ {
			got, unfinished, err := unframe(f, 300, b[:first], b[first:])
			if err != nil || unfinished || !slices.Equal(got, messages) {
				t.Fatalf("%+v split at %d: %q, %v", f, first, got, err)
			}
		}
		var single [][]byte
		for i := range b {
			single = append(single, b[i:i+1])
		}
		if got, _, err := unframe(f, 300, single...); err != nil || !slices.Equal(got, messages) {
			t.Errorf("%+v byte by byte: %q, %v", f, got, err)
		}
		if _, unfinished, err := unframe(f, 300, b[:len(b)-1]); err != nil || !unfinished {
			t.Errorf("%+v: a message without its last byte is whole: %v", f, err)
		}
	}
}

func TestALineEndsWithALineFeedAndPerhapsACarriageReturn(t *testing.T) {
	got, _, err := unframe(Framing{Kind: FrameLine}, 3, []byte("one\r\ntwo\n\r\n\n\rx\r\n"))
	if want := []string{"one", "two", "", "", "\rx"}; err != nil || !slices.Equal(got, want) {
		t.Errorf("%q, %v", got, err)
	}
}

func TestAMessageOfTheLargestSizeIsTakenAndOneByteMoreIsNot(t *testing.T) {
	for _, f := range kinds {
		for _, most := range []int{1, 2, 4, 4095, 4096, 4097, 60000} {
			for _, over := range []int{0, 1} {
				message := strings.Repeat("m", most+over)
				b := f.Append(nil, []byte(message), true)
				for _, split := range []int{0, 1, len(b) / 2, len(b) - 1} {
					got, _, err := unframe(f, int64(most), b[:split], b[split:])
					var wrong *breach
					if over == 1 && (!errors.As(err, &wrong) || wrong.code != protocol.CloseTooBig || len(got) > 0) {
						t.Fatalf("%+v: %d bytes of %d: %v", f, most+1, most, err)
					}
					if over == 0 && (err != nil || len(got) != 1 || got[0] != message) {
						t.Fatalf("%+v: %d bytes of as many, split at %d: %v, %d messages", f, most, split, err,
							len(got))
					}
				}
			}
		}
	}
}

func TestALengthIsNotBelievedBeforeItsBytesCome(t *testing.T) {
	in := &framer{framing: Framing{Kind: FrameLength32}, most: 1 << 30}
	if err := in.feed([]byte{0x3f, 0xff, 0xff, 0xff, 'x'}, &framed{}); err != nil {
		t.Fatal(err)
	}
	if cap(in.partial) > firstPart {
		t.Errorf("%d bytes were allocated for one", cap(in.partial))
	}
	if room, _ := in.room(); len(room) > 2*firstPart {
		t.Errorf("%d bytes were allocated for one", len(room))
	}
}

func TestAMessageThatItsLengthCanNotSayHasNoFrame(t *testing.T) {
	f := Framing{Kind: FrameLength16}
	if b := f.Append(nil, make([]byte, 65535), true); len(b) != 65537 || b[0] != 255 || b[1] != 255 {
		t.Errorf("65535 bytes have a frame of %d", len(b))
	}
	if b := f.Append(nil, make([]byte, 65536), true); len(b) != 0 {
		t.Errorf("65536 bytes have a frame of %d", len(b))
	}
}

func FuzzFraming(f *testing.F) {
	f.Add([]byte("one\r\ntwo\nabcabc;;\x00\x00\x03abc"), uint16(3), uint8(0), uint16(40))
	f.Add([]byte("\x00\x00\x00\x01x\x00\x00\x00\x00"), uint16(2), uint8(2), uint16(3))
	f.Fuzz(func(t *testing.T, b []byte, split uint16, kind uint8, most uint16) {
		how := kinds[int(kind)%len(kinds)]
		limit := int64(most) + 1
		cut := min(int(split), len(b))
		whole, open, err := unframe(how, limit, b)
		parts, openParts, errParts := unframe(how, limit, b[:cut], b[cut:])
		if !slices.Equal(whole, parts) {
			t.Fatalf("%+v: %q in one piece, %q split at %d", how, whole, parts, cut)
		}
		// a line that is too long may be found out sooner or later, but never passes
		if (err == nil) != (errParts == nil) && (err == nil && !open || errParts == nil && !openParts) {
			t.Fatalf("%+v: %v in one piece, %v split at %d", how, err, errParts, cut)
		}
		var again []byte
		for _, m := range whole {
			if int64(len(m)) > limit {
				t.Fatalf("%+v: a message of %d bytes, and the most are %d", how, len(m), limit)
			}
			again = how.Append(again, []byte(m), true)
		}
		if how.Kind != FrameLine && !bytes.HasPrefix(b, again) {
			t.Fatalf("%+v: %q became %q", how, b, fmt.Sprint(whole))
		}
	})
}
