package fastcgi

import (
	"bufio"
	"fmt"
	"io"
	"testing"
	"testing/synctest"
	"time"
)

func TestAMessageThatWasToldWithItsRequestIsNotToldAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, w := io.Pipe()
		s, left := newSaid(r, &slowLog{named: map[string]slowRequest{}}, nobody)
		lines := make(chan string, 20)
		go func() {
			defer close(lines)
			for scan := bufio.NewScanner(left); scan.Scan(); {
				lines <- scan.Text()
			}
		}()
		say := func(text string) { io.WriteString(w, text+"\n") }
		say("PHP message: PHP Warning:  heard first")
		s.tells("PHP Warning:  heard first")
		s.tells("told first\n  and a second line")
		say("PHP message: told first")
		say("  and a second line")
		say("PHP message: told by nobody")
		say("raw")
		say("[27-Nov-2026 19:30:20] WARNING: [pool workerhost] child 1 exited on signal 9")
		say(`[27-Nov-2026 19:30:20] WARNING: [pool workerhost] child 7, script '/srv/a.php' (request: "GET /a?b=c") ` +
			"executing too slow (1.234567 sec), logging") // which the slow log tells
		say("[27-Nov-2026 19:30:20.123456] ERROR: no")
		say("[27-Nov-2026 19:30:20] NOTICE: PHP message: PHP Warning:  PHP Startup: no such extension")
		synctest.Wait()
		for _, want := range []string{
			"WARNING: php-fpm: [pool workerhost] child 1 exited on signal 9", "ERROR: php-fpm: no",
			"PHP Warning:  PHP Startup: no such extension",
		} {
			if got := <-lines; got != want {
				t.Errorf("the master's own: got %q, want %q", got, want)
			}
		}
		if len(lines) > 0 {
			t.Errorf("%q came at once", <-lines)
		}
		time.Sleep(2 * echoTime)
		for _, want := range []string{"told by nobody", "raw"} {
			if got := <-lines; got != want {
				t.Errorf("got %q, want %q", got, want)
			}
		}
		say("the last word")
		w.Close()
		if got := <-lines; got != "the last word" {
			t.Errorf("at the end: %q", got)
		}
		if got, more := <-lines; more {
			t.Errorf("%q came, too", got)
		}
	})
}

// nobody is at hand.
func nobody(time.Time) bool { return false }

// TestAMessageWaitsForItsRequestToBeOver: until then PHP keeps what it says with the request.
func TestAMessageWaitsForItsRequestToBeOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, w := io.Pipe()
		over := time.Now().Add(10 * time.Second)
		s, left := newSaid(r, nil, func(before time.Time) bool {
			return time.Now().Before(over) && before.After(over.Add(-10*time.Second))
		})
		lines := make(chan string, 20)
		go func() {
			defer close(lines)
			for scan := bufio.NewScanner(left); scan.Scan(); {
				lines <- scan.Text()
			}
		}()
		io.WriteString(w, "PHP message: of nobody\n")
		time.Sleep(time.Second)
		for _, text := range []string{"PHP message: of the request", "  and its second line", "PHP message: lost"} {
			io.WriteString(w, text+"\n")
		}
		time.Sleep(time.Second)
		io.WriteString(w, "printed\n")
		time.Sleep(3 * time.Second)
		for _, want := range []string{"of nobody", "printed"} {
			if got := <-lines; got != want {
				t.Errorf("got %q, want %q", got, want)
			}
		}
		if len(lines) > 0 {
			t.Errorf("%q came before the request was over", <-lines)
		}
		s.tells("of the request\n  and its second line")
		time.Sleep(10 * time.Second)
		w.Close()
		if got := <-lines; got != "lost" {
			t.Errorf("what the request did not tell: %q", got)
		}
		if got, more := <-lines; more {
			t.Errorf("%q came twice", got)
		}
	})
}

// TestAFloodIsPassedOnAndNotDropped: what is too much for the log, the pool drops, and counts.
func TestAFloodIsPassedOnAndNotDropped(t *testing.T) {
	r, w := io.Pipe()
	_, left := newSaid(r, nil, nobody)
	const n = 5 * mostSaid
	go func() {
		defer w.Close()
		for i := range n {
			fmt.Fprintf(w, "line %d\n", i)
		}
	}()
	scan, got := bufio.NewScanner(left), 0
	for ; scan.Scan(); got++ {
		if want := fmt.Sprintf("line %d", got); scan.Text() != want {
			t.Fatalf("got %q, want %q", scan.Text(), want)
		}
	}
	if got != n {
		t.Errorf("%d of %d lines", got, n)
	}
}
