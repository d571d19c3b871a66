package main

import (
	"slices"
	"testing"
)

func TestMessagesAreWholeWhereverTheirBytesAreCut(t *testing.T) {
	long := make([]byte, 300)
	for i := range long {
		long[i] = 'x'
	}
	for network, stream := range map[string]string{
		"websocket": "\x81\x02hi" + "\x81\x7e\x01\x2c" + string(long) + "\x82\x03bye",
		"tcp":       "hi\n" + string(long) + "\nbye\n",
	} {
		want := []string{"hi", string(long), "bye"}
		for size := 1; size <= len(stream); size++ {
			l := &loop{spec: crowdSpec{Network: network}}
			c := &caller{}
			got := []string{}
			for part := range slices.Chunk([]byte(stream), size) {
				messages, err := l.split(c, part, nil)
				if err != nil {
					t.Fatal(err)
				}
				for _, m := range messages {
					got = append(got, string(m))
				}
			}
			if !slices.Equal(got, want) {
				t.Fatalf("%s, %d bytes at a time: got %q", network, size, got)
			}
		}
	}
}

func TestAServerThatClosesIsNoServerToMeasure(t *testing.T) {
	l := &loop{spec: crowdSpec{Network: "websocket"}}
	for _, frame := range []string{"\x88\x02\x03\xe8", "\x81\x82maskhi", "\x01\x02hi"} {
		if messages, err := l.split(&caller{}, []byte(frame), nil); err == nil {
			t.Errorf("%q: got %q and no error", frame, messages)
		}
	}
}
