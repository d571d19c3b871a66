// Clients that read slowly, or not at all: what befalls each of them, and that it befalls nobody else.

package e2e

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"
)

// flood has a client of its own send n messages to the group flood, and waits until they are on their way.
func flood(k *talk, n, size int) {
	k.t.Helper()
	c := k.upgrade("/")
	c.say("flood %d %d", n, size)
	settle(c)
	c.leave(1000, "")
}

// numbers reads flood's messages of the size until the one that is numbered last, or the close. Each has to be whole.
func numbers(s *socket, size, last int) (got []int, closed int) {
	s.t.Helper()
	for {
		text, err := s.listen()
		var over *closedError
		if errors.As(err, &over) {
			return got, over.code
		}
		if err != nil {
			return got, 1006
		}
		number, rest, _ := strings.Cut(text, " ")
		n, err := strconv.Atoi(number)
		if err != nil || len(text) != size || strings.Trim(rest, ".") != "" {
			s.t.Fatalf("a message of %d bytes is %.60q", len(text), text)
		}
		if len(got) > 0 && n <= got[len(got)-1] {
			s.t.Fatalf("message %d comes after %d", n, got[len(got)-1])
		}
		if got = append(got, n); n == last {
			return got, 0
		}
	}
}

func TestASlowClientIsDealtWithAndNobodyElseWaits(t *testing.T) {
	t.Parallel()
	const count, size = 2500, 8000 // 20 MB: more than the kernel takes for both ends
	for policy, check := range map[string]func(t *testing.T, k *talk, slow *socket){
		"close": func(t *testing.T, k *talk, slow *socket) {
			if got, code := numbers(slow, size, -1); len(got) == 0 || len(got) == count || got[len(got)-1] != len(got)-1 || code != 1008 && code != 1006 {
				t.Errorf("it got %d messages, and was closed with %d", len(got), code)
			}
			k.awaitFarewell("slow websocket 1008 ")
		},
		"drop-oldest": func(t *testing.T, k *talk, slow *socket) {
			got, code := numbers(slow, size, count-1)
			if code != 0 || len(got) >= count || got[0] != 0 {
				t.Errorf("it got %d messages from %d to %d, close code %d", len(got), got[0], got[len(got)-1], code)
			}
			settle(slow)
		},
		"drop-newest": func(t *testing.T, k *talk, slow *socket) {
			slow.SetReadDeadline(time.Now().Add(time.Second))
			got, _ := numbers(slow, size, count-1)
			if len(got) == 0 || len(got) == count || got[len(got)-1] != len(got)-1 {
				t.Errorf("it got %d messages, the last of them is %v", len(got), got[len(got)-1:])
			}
			slow.SetDeadline(time.Now().Add(30 * time.Second))
			settle(slow)
		},
	} {
		t.Run(policy, func(t *testing.T) {
			t.Parallel()
			k := startTalk(t, fmt.Sprintf("slow_client = %q\nsend_buffer = \"256KiB\"\nwrite_timeout = \"20s\"", policy), "workers = 2")
			slow, quick := k.upgrade("/?join=flood&name=slow"), k.upgrade("/?join=flood&name=quick")
			heard := make(chan error, 1)
			go func() {
				for got := range count {
					if _, err := quick.listen(); err != nil {
						heard <- fmt.Errorf("after %d of %d messages: %w", got, count, err)
						return
					}
				}
				heard <- nil
			}()
			flood(k, count, size)
			if err := <-heard; err != nil {
				t.Errorf("one that reads all the time: %v", err)
			}
			for _, c := range k.connections() {
				if c.Queued > 256<<10+2*size {
					t.Errorf("%d bytes wait for one client", c.Queued)
				}
			}
			check(t, k, slow)
		})
	}
}
