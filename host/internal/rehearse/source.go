// source.go: where requests come from, and what of it is none that can be asked again.

package rehearse

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/workerhost/workerhost/host/internal/redact"
)

// Request is one that is asked of both stacks.
type Request struct {
	Method  string   `json:"method"`
	Target  string   `json:"target"`            // path and query
	Host    string   `json:"host,omitempty"`    // "": the log does not say
	Headers []string `json:"headers,omitempty"` // name, value, name, value, …
	Body    []byte   `json:"body,omitempty"`
	Times   int      `json:"times"` // how often the log has it
}

// Send has it ask for a host, unless that is "", and with header fields, NAME, VALUE, NAME, VALUE, …, in place of its
// own of those names.
func (r *Request) Send(host string, headers []string) {
	if host != "" {
		r.Host = host
	}
	if len(headers) == 0 {
		return
	}
	sent := slices.Clone(headers)
	for i := 0; i+1 < len(r.Headers); i += 2 {
		given := false
		for j := 0; j < len(headers); j += 2 {
			given = given || strings.EqualFold(headers[j], r.Headers[i])
		}
		if !given {
			sent = append(sent, r.Headers[i], r.Headers[i+1])
		}
	}
	r.Headers = sent
}

// Why something of a log is not asked.
const (
	LeftMethod     = "method"     // it may change something
	LeftUnreadable = "unreadable" // no request was found there
	LeftMasked     = "masked"     // a secret of its query is not in the log
	LeftRoom       = "room"       // there are more different ones than are kept
	LeftUpgrade    = "upgrade"    // it became a tunnel, to a WebSocket for example
)

// Source is what was read.
type Source struct {
	Format   string         // of the first request: "HAR", "JSON lines", "access log" or "list of URLs"
	Entries  int            // lines, or what a HAR file has
	Requests []Request      // each once, in the order in which they come first
	Left     map[string]int // entries, by why

	seen  map[string]int // where in Requests
	bytes int            // of all its keys
}

const (
	longestLine  = 1 << 20
	longestHAR   = 256 << 20
	mostDistinct = 200_000 // requests that are kept, of so many bytes
	mostBytes    = 64 << 20
	longestBody  = 1 << 20 // of a request
)

// Read reads requests until the end, whichever format it is, compressed by gzip or not. Those of methods alone are
// kept.
func Read(r io.Reader, methods []string) (*Source, error) {
	s := &Source{Left: map[string]int{}, seen: map[string]int{}}
	in := bufio.NewReaderSize(r, 64<<10)
	if magic, _ := in.Peek(2); string(magic) == "\x1f\x8b" {
		unpacked, err := gzip.NewReader(in)
		if err != nil {
			return nil, err
		}
		in = bufio.NewReaderSize(unpacked, 64<<10)
	}
	var err error
	if start, _ := in.Peek(4 << 10); isHAR(start) {
		err = s.readHAR(in, methods)
	} else {
		err = s.readLines(in, methods)
	}
	switch {
	case err != nil:
		return nil, err
	case len(s.Requests) > 0:
		return s, nil
	case s.Entries == 0:
		return nil, errors.New("it is empty")
	case s.Left[LeftUnreadable] == s.Entries:
		return nil, errors.New("no request was found in it: it is neither an access log (the combined or common " +
			"format, JSON lines of Caddy, of nginx or of this host), nor a list of URLs, nor a HAR file")
	}
	return nil, fmt.Errorf("none of its requests can be asked again: %s", Counts(s.Left))
}

func (s *Source) readLines(in *bufio.Reader, methods []string) error {
	lines := bufio.NewScanner(in)
	lines.Buffer(nil, longestLine)
	for lines.Scan() {
		line := bytes.TrimSpace(lines.Bytes())
		if len(line) == 0 || line[0] == '#' {
			continue
		}
		s.Entries++
		request, format, status := parseLine(string(line))
		if s.Format == "" {
			s.Format = format
		}
		if status == 101 {
			s.Left[LeftUpgrade]++
			continue
		}
		s.add(request, methods)
	}
	if errors.Is(lines.Err(), bufio.ErrTooLong) {
		return fmt.Errorf("line %d is longer than %d bytes: it is no log", s.Entries+1, longestLine)
	}
	return lines.Err()
}

// add takes a request, or says why not.
func (s *Source) add(r Request, methods []string) {
	switch {
	case r.Method == "" || len(r.Target) == 0 || r.Target[0] != '/' || strings.ContainsAny(r.Target, " \t\r\n") ||
		strings.ContainsAny(r.Host, " \t\r\n/"):
		s.Left[LeftUnreadable]++
		return
	case !slices.Contains(methods, r.Method):
		s.Left[LeftMethod]++
		return
	case strings.Contains(r.Target, "="+redact.Mask):
		s.Left[LeftMasked]++
		return
	}
	if r.Target, _, _ = strings.Cut(r.Target, "#"); r.Target == "" {
		r.Target = "/"
	}
	key := strings.Join(slices.Concat([]string{r.Method, r.Host, r.Target, string(r.Body)}, r.Headers), "\x00")
	if at, known := s.seen[key]; known {
		s.Requests[at].Times++
		return
	}
	if len(s.Requests) >= mostDistinct || s.bytes+len(key) > mostBytes {
		s.Left[LeftRoom]++
		return
	}
	s.bytes += len(key)
	r.Times = 1
	s.seen[key] = len(s.Requests)
	s.Requests = append(s.Requests, r)
}

// Counts writes what was counted, the most first: "method 12, unreadable 3".
func Counts(of map[string]int) string {
	var names []string
	for name := range of {
		names = append(names, name)
	}
	slices.SortFunc(names, func(a, b string) int {
		if of[a] != of[b] {
			return of[b] - of[a]
		}
		return strings.Compare(a, b)
	})
	for i, name := range names {
		names[i] = fmt.Sprintf("%s %d", name, of[name])
	}
	return strings.Join(names, ", ")
}
