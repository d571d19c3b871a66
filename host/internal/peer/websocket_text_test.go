package peer

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/workerhost/workerhost/host/internal/peer/peertest"
	"github.com/workerhost/workerhost/protocol"
)

// Autobahn's 6.4 and its like: what can't become text any more is refused without waiting for the rest.
func TestTextThatIsNoneIsRefusedAtItsFirstBadByte(t *testing.T) {
	before, after := "\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5", "edited"
	for name, bad := range map[string]string{
		"beyond Unicode": "\xf4\x90\x80\x80", "a surrogate": "\xed\xa0\x80", "too long a form": "\xc0\xaf",
		"a lone continuation": "\x80", "no such byte": "\xff",
	} {
		for i := range bad {
			if !notTextYet(before + bad[:i+1]) {
				continue // it may still become a character
			}
			start := before + bad[:i]
			for how, parts := range map[string][][]byte{
				"in one frame": {peertest.Frame(0x81, []byte(start+bad[i:]+after))},
				"in fragments": {peertest.Frame(0x01, []byte(start)), peertest.Frame(0x00, []byte(bad[i:])),
					peertest.Frame(0x80, []byte(after))},
				"in fragments of 1": fragments(start + bad[i:] + after),
				"behind a long text": {peertest.Frame(0x01, []byte(strings.Repeat("ä", 20_000)+start)),
					peertest.Frame(0x80, []byte(bad[i:]+after))},
			} {
				stream := bytes.Join(parts, nil)
				at := -1
				f, to := &frames{}, &heard{most: 1 << 20}
				for n := range stream {
					if err := hear(f, to, stream[n:n+1]); err != nil {
						var wrong *breach
						if !errors.As(err, &wrong) || wrong.code != protocol.CloseNotText {
							t.Fatalf("%s, %s: %v", name, how, err)
						}
						at = n
						break
					}
				}
				want := reach(parts, len(start)+1)
				if how == "behind a long text" {
					want = reach(parts, 40_000+len(start)+1)
				}
				if at != want {
					t.Errorf("%s, byte %d, %s: refused at byte %d of %d, not at %d", name, i, how, at, len(stream),
						want)
				}
			}
			break
		}
	}
	for _, good := range []string{"", "ä", "€", "\U0010ffff", "\ud7ff\ue000", strings.Repeat("a€\U0001F600", 3000)} {
		to := &heard{most: 1 << 20}
		stream := bytes.Join(fragments(good), nil)
		for n := range stream {
			if err := hear(&frames{}, to); err != nil {
				t.Fatal(err, n)
			}
		}
		f := &frames{}
		for n := range stream {
			if err := hear(f, to, stream[n:n+1]); err != nil {
				t.Fatalf("%.20q: %v at %d", good, err, n)
			}
		}
		if len(to.events) != 1 || to.events[0] != "false "+peertest.Digest([]byte(good)) {
			t.Errorf("%.20q became %q", good, to.events)
		}
	}
	f, to := &frames{}, &heard{most: 100}
	if err := hear(f, to, peertest.Frame(0x81, []byte("\xe2\x82"))); err == nil {
		t.Errorf("a text that ends within a character: %v", err)
	}
	if err := hear(&frames{}, to, peertest.Frame(0x02, []byte("\xff")),
		peertest.Frame(0x80, []byte("\xff"))); err != nil {
		t.Errorf("a binary message: %v", err)
	}
}

// notTextYet says whether nothing that follows can make text of s; the long way round, by trying.
func notTextYet(s string) bool {
	for _, tail := range []string{"", "\x80", "\x80\x80", "\x80\x80\x80", "\xbf", "\xbf\xbf", "\xbf\xbf\xbf",
		"\x90\x80\x80", "\xa0\x80"} {
		if strings.ToValidUTF8(s+tail, "?") == s+tail {
			return false
		}
	}
	return true
}

// fragments sends each byte of a text in a frame of its own.
func fragments(text string) (all [][]byte) {
	for i := range len(text) {
		first := byte(0)
		if i == 0 {
			first = 1
		}
		all = append(all, peertest.Frame(first, []byte(text[i:i+1])))
	}
	if all == nil {
		return [][]byte{peertest.Frame(0x81, nil)}
	}
	return append(all, peertest.Frame(0x80, nil))
}

// reach is which byte of the frames is byte n of what they say, counted from 1.
func reach(parts [][]byte, n int) int {
	at := 0
	for _, p := range parts {
		head := headSize(p)
		if size := len(p) - head; n > size {
			n -= size
			at += len(p)
			continue
		}
		return at + head + n - 1
	}
	return -1
}
