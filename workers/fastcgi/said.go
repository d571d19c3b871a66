// What a php-fpm master has for the log. Its children's messages come here as well as in STDERR records, which name
// the request: those are told once, there. PHP sends these records when the request is over, or 8 KiB are full.

package fastcgi

import (
	"bufio"
	"io"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"
)

const (
	echoTime  = time.Second           // between the two ways of one message, at most, once its request is over
	oneBreath = 10 * time.Millisecond // between the first line of one message and its last, at most
	longest   = time.Minute           // that a message waits for its request to be over
	mostSaid  = 1000                  // lines that wait for the other way
)

// said passes on what a master says. It is safe for concurrent use.
type said struct {
	out  *io.PipeWriter
	slow *slowLog // nil: there is none
	// atHand says whether a request is at hand that began before a time. It is called with mu held.
	atHand func(time.Time) bool

	mu    sync.Mutex
	heard []line // from the master, and not told yet; guarded by mu
	told  []line // with their request, and not heard yet; guarded by mu
}

// line is one that came at a time.
type line struct {
	text    string
	at      time.Time
	message bool // PHP's, and so told with its request if there is one; else what was printed, which nobody tells
}

// newSaid reads the master's standard error, and gives what is left of it to be read. slow may be nil. atHand says
// whether a request is at hand that began before a time.
func newSaid(stderr io.Reader, slow *slowLog, atHand func(time.Time) bool) (*said, io.Reader) {
	r, w := io.Pipe()
	s := &said{out: w, slow: slow, atHand: atHand}
	go s.read(stderr) // ends with it
	return s, r
}

func (s *said) read(stderr io.Reader) {
	stopped := make(chan struct{})
	flushed := make(chan struct{})
	go func() {
		defer close(flushed)
		s.flush(stopped)
	}()
	lines := bufio.NewReaderSize(stderr, maxLine)
	for {
		text, _, err := lines.ReadLine()
		if len(text) > 0 {
			s.hear(string(text))
		}
		if err != nil {
			break
		}
	}
	close(stopped)
	<-flushed
	s.out.Close()
}

// ofMaster is a line of the master's own: when, how grave, what.
var ofMaster = regexp.MustCompile(`^\[\d\d-\w{3}-\d{4} [\d:.]+\] ([A-Z]+): (.*)`)

// hear takes a line. One of the master's own goes on at once, others when nobody has told them for a while.
func (s *said) hear(text string) {
	if m := ofMaster.FindStringSubmatch(text); m != nil {
		if s.slow.takes(m[2]) {
			return
		}
		if php, ok := strings.CutPrefix(m[2], messagePrefix); ok { // said before there were children
			io.WriteString(s.out, php+"\n")
			return
		}
		io.WriteString(s.out, m[1]+": php-fpm: "+m[2]+"\n")
		return
	}
	text, message := strings.CutPrefix(text, messagePrefix)
	if early := s.wait(line{strings.TrimSpace(text), time.Now(), message}); early != "" {
		io.WriteString(s.out, early+"\n")
	}
}

// wait has a line wait to be told, and gives the one that can't wait any longer for it; "" if there is none.
func (s *said) wait(l line) (early string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if take(&s.told, l.text) {
		return ""
	}
	if n := len(s.heard); !l.message && n > 0 && s.heard[n-1].message && l.at.Sub(s.heard[n-1].at) < oneBreath {
		l.message, l.at = true, s.heard[n-1].at // its next line
	}
	if len(s.heard) == mostSaid {
		early, s.heard = s.heard[0].text, s.heard[1:]
	}
	s.heard = append(s.heard, l)
	return early
}

// tells notes that a message has been told with its request.
func (s *said) tells(message string) {
	if s == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for text := range strings.SplitSeq(message, "\n") {
		if text = strings.TrimSpace(text); text != "" && !take(&s.heard, text) && len(s.told) < mostSaid {
			s.told = append(s.told, line{text: text, at: time.Now()})
		}
	}
}

// flush passes on what nobody tells, until stopped.
func (s *said) flush(stopped chan struct{}) {
	tick := time.NewTicker(echoTime / 4)
	defer tick.Stop()
	for last := false; !last; {
		var now time.Time
		select {
		case now = <-tick.C:
		case <-stopped:
			last, now = true, time.Now().Add(2*echoTime)
		}
		s.mu.Lock()
		due := expire(&s.heard, now, func(l line) bool {
			return l.message && now.Sub(l.at) < longest && !last && s.atHand(l.at)
		})
		expire(&s.told, now, func(line) bool { return false })
		s.mu.Unlock()
		for _, l := range due {
			io.WriteString(s.out, l.text+"\n")
		}
	}
}

// take takes the first line of that text out.
func take(from *[]line, text string) bool {
	for i, l := range *from {
		if l.text == text {
			*from = append((*from)[:i], (*from)[i+1:]...)
			return true
		}
	}
	return false
}

// expire takes out what has waited long enough, and is not to be kept.
func expire(from *[]line, now time.Time, kept func(line) bool) (due []line) {
	*from = slices.DeleteFunc(*from, func(l line) bool {
		late := now.Sub(l.at) >= echoTime && !kept(l)
		if late {
			due = append(due, l)
		}
		return late
	})
	return due
}
