// The client: it writes a request byte by byte, and keeps all that comes back.

package nethttp

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"
)

// Seen is what a client sees of a server.
type Seen struct {
	Early   []string // heads of informational responses
	Status  string   // "" is that none came
	Header  []string // lines, sorted
	Body    string
	Trailer []string
	Broken  bool // the response ended before its end
}

// ask sends a request to the server at address, and sees what comes of it. Of a late one, rest is sent once the answer
// is there; "" sends nothing.
func ask(t *testing.T, address, request, rest string) (s Seen, took time.Duration) {
	t.Helper()
	c, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(10 * time.Second))
	began := time.Now()
	if _, err := io.WriteString(c, request); err != nil {
		t.Fatal(err)
	}
	var got bytes.Buffer
	r := bufio.NewReader(io.TeeReader(c, &got))
	method, _, _ := strings.Cut(request, " ")
	for {
		at := got.Len() - r.Buffered()
		res, err := http.ReadResponse(r, &http.Request{Method: method})
		if err != nil {
			s.Broken = true
			return s, time.Since(began)
		}
		lines := head(got.Bytes()[at:])
		if res.StatusCode < 200 && res.StatusCode != http.StatusSwitchingProtocols {
			s.Early = append(s.Early, strings.Join(lines, "\n"))
			continue
		}
		took = time.Since(began)
		s.Status, s.Header = lines[0], lines[1:]
		if rest != "" {
			io.WriteString(c, rest)
		}
		body, err := io.ReadAll(res.Body)
		s.Body, s.Broken = string(body), err != nil
		for name, values := range res.Trailer {
			if len(values) > 0 {
				s.Trailer = append(s.Trailer, fmt.Sprint(name, values))
			}
		}
		slices.Sort(s.Trailer)
		return s, took
	}
}

// head gives the status line, and then the fields in order of their names.
func head(response []byte) []string {
	text, _, _ := strings.Cut(string(response), "\r\n\r\n")
	lines := strings.Split(text, "\r\n")
	slices.Sort(lines[1:])
	for i, line := range lines {
		if strings.HasPrefix(line, "Date: ") && strings.HasSuffix(line, " GMT") {
			lines[i] = "Date: GMT"
		}
	}
	return lines
}
