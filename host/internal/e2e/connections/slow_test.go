// Clients that read slowly, or not at all: what befalls each of them, and that it befalls nobody else.

package connections

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/workerhost/workerhost/host/internal/e2e/harness"
)

// flood has a client of its own send n messages to the group flood, and waits until they are on their way. Where heard
// tells how many somebody has heard, that is never far behind, however busy the machine is.
func flood(k *harness.Talk, n, size int, heard <-chan int) {
	k.T.Helper()
	const atOnce = 20
	c := k.Upgrade("/")
	defer c.Leave(1000, "")
	for sent, got := 0, 0; sent < n; {
		c.Say("flood %d %d %d", atOnce, size, sent)
		settle(c)
		for sent += atOnce; heard != nil && got < sent; {
			var more bool
			if got, more = <-heard; !more {
				return // it has said why
			}
		}
	}
}

// numbers reads flood's messages of the size until the one that is numbered last, the close, or until none comes and
// over says that none waits. Each has to be whole.
func numbers(s *harness.Socket, size, last int, over func() bool) (got []int, closed int) {
	s.T.Helper()
	for ended := false; ; {
		if over != nil { // a deadline in the middle of a message would lose its beginning
			s.SetReadDeadline(time.Now().Add(100 * time.Millisecond))
			_, err := s.Reader.Peek(1)
			s.SetReadDeadline(time.Now().Add(30 * time.Second))
			if err != nil && ended {
				return got, 0
			}
			if err != nil {
				ended = over()
				continue
			}
		}
		text, err := s.Listen()
		var over *harness.ClosedError
		if errors.As(err, &over) {
			return got, over.Code
		}
		if err != nil {
			return got, 1006
		}
		number, rest, _ := strings.Cut(text, " ")
		n, err := strconv.Atoi(number)
		if err != nil || len(text) != size || strings.Trim(rest, ".") != "" {
			s.T.Fatalf("a message of %d bytes is %.60q", len(text), text)
		}
		if len(got) > 0 && n <= got[len(got)-1] {
			s.T.Fatalf("message %d comes after %d", n, got[len(got)-1])
		}
		if got = append(got, n); n == last {
			return got, 0
		}
	}
}

func TestASlowClientIsDealtWithAndNobodyElseWaits(t *testing.T) {
	t.Parallel()
	const count, size = 2500, 8000 // 20 MB: more than the kernel takes for both ends
	for policy, check := range map[string]func(t *testing.T, k *harness.Talk, slow *harness.Socket){
		"close": func(t *testing.T, k *harness.Talk, slow *harness.Socket) {
			if got, code := numbers(slow, size, -1, nil); len(got) == 0 || len(got) == count ||
				got[len(got)-1] != len(got)-1 || code != 1008 && code != 1006 {
				t.Errorf("it got %d messages, and was closed with %d", len(got), code)
			}
			k.AwaitFarewell("slow websocket 1008 ")
		},
		"drop-oldest": func(t *testing.T, k *harness.Talk, slow *harness.Socket) {
			got, code := numbers(slow, size, count-1, nil)
			if code != 0 || len(got) >= count || got[0] != 0 {
				t.Errorf("it got %d messages from %d to %d, close code %d", len(got), got[0], got[len(got)-1], code)
			}
			settle(slow)
		},
		"drop-newest": func(t *testing.T, k *harness.Talk, slow *harness.Socket) {
			got, _ := numbers(slow, size, count-1, func() bool {
				waits := int64(0)
				for _, c := range k.Connections() {
					waits += c.Queued
				}
				return waits == 0
			})
			// what waits is never dropped; and the kernel may take more now and then, however full it was
			if first := 256 << 10 / size; len(got) < first || len(got) == count || got[first-1] != first-1 {
				t.Errorf("it got %d messages, the first of them are %v", len(got), got[:min(first, len(got))])
			}
			settle(slow)
		},
	} {
		t.Run(policy, func(t *testing.T) {
			t.Parallel()
			k := harness.StartTalk(t, fmt.Sprintf(
				"slow_client = %q\nsend_buffer = \"256KiB\"\nwrite_timeout = \"20s\"", policy), "workers = 2")
			slow, quick := k.Upgrade("/?join=flood&name=slow"), k.Upgrade("/?join=flood&name=quick")
			heard := make(chan int, count)
			go func() {
				defer close(heard)
				for got := range count {
					if _, err := quick.Listen(); err != nil {
						t.Errorf("one that reads all the time: after %d of %d messages: %v", got, count, err)
						return
					}
					heard <- got + 1
				}
			}()
			if flood(k, count, size, heard); t.Failed() {
				return
			}
			for _, c := range k.Connections() {
				if c.Queued > 256<<10+2*size {
					t.Errorf("%d bytes wait for one client", c.Queued)
				}
			}
			check(t, k, slow)
		})
	}
}
