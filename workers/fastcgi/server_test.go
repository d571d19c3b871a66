package fastcgi

import (
	"bytes"
	"encoding/binary"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
)

// asked is a request as a server of the tests got it.
type asked struct {
	params map[string]string
	body   string
	keep   bool
	nth    int // on its connection, from 1
}

// serveFake answers connections to a unix socket until the test ends. serve has a connection for itself.
func serveFake(t *testing.T, serve func(c *net.UnixConn)) Address {
	t.Helper()
	path := filepath.Join(t.TempDir(), "s")
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.AcceptUnix()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				serve(c)
			}()
		}
	}()
	return Address{"unix", path}
}

// answerEach is a server that answers every request of a connection with what respond gives, and closes it where it
// was not asked to keep it.
func answerEach(respond func(a asked) []byte) func(c *net.UnixConn) {
	return func(c *net.UnixConn) {
		for n := 1; ; n++ {
			a, err := readRequest(c)
			if err != nil {
				return
			}
			a.nth = n
			c.Write(respond(a))
			if !a.keep {
				return
			}
		}
	}
}

// readRequest reads a whole request, as a server does.
func readRequest(r io.Reader) (asked, error) {
	a := asked{params: map[string]string{}}
	var params, body []byte
	for {
		var h [headerSize]byte
		if _, err := io.ReadFull(r, h[:]); err != nil {
			return a, err
		}
		content := make([]byte, int(binary.BigEndian.Uint16(h[4:]))+int(h[6]))
		if _, err := io.ReadFull(r, content); err != nil {
			return a, err
		}
		switch h[1] {
		case typeRequest:
			a.keep = content[2]&flagKeep != 0
		case typeParams:
			params = append(params, content...)
		case typeStdin:
			if len(content) == 0 {
				for len(params) > 0 {
					n, v := take1(&params), take1(&params)
					a.params[string(params[:n])] = string(params[n : n+v])
					params = params[n+v:]
				}
				a.body = string(body)
				return a, nil
			}
			body = append(body, content...)
		}
	}
}

func take1(b *[]byte) int {
	if (*b)[0] < 128 {
		n := int((*b)[0])
		*b = (*b)[1:]
		return n
	}
	n := int(binary.BigEndian.Uint32(*b) &^ (1 << 31))
	*b = (*b)[4:]
	return n
}

// end is END_REQUEST.
func end(status byte) []byte {
	return append(appendHeader(nil, typeEnd, 8), 0, 0, 0, 0, status, 0, 0, 0)
}

// appendStream appends p as records of a stream, without its end.
func appendStream(b []byte, kind byte, p []byte) []byte {
	for len(p) > 0 {
		n := min(len(p), maxContent)
		b = append(appendHeader(b, kind, n), p[:n]...)
		p = p[n:]
	}
	return b
}

// page is a whole response.
func page(text string) []byte { return append(appendStream(nil, typeStdout, []byte(text)), end(0)...) }

// newAdapter is one of a site with these files, of the server.
func newAdapter(t *testing.T, address Address, files ...string) (*adapter, *bytes.Buffer) {
	t.Helper()
	log := new(bytes.Buffer)
	a := &adapter{
		site:     site{root: siteOf(t, files...), index: "index.php", deny: Deny{"uploads/*.php"}},
		client:   client{address: address},
		software: "test/1", log: slog.New(slog.NewTextHandler(log, nil)), over: make(chan struct{}),
		atHand: map[*http.Request]visit{},
	}
	t.Cleanup(a.client.close)
	return a, log
}

func siteOf(t *testing.T, files ...string) string {
	t.Helper()
	root := t.TempDir()
	for _, name := range append(files, "index.php") {
		path := filepath.Join(root, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(name), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return root
}

// ask has the adapter answer. aborted is that it gave the response up.
func ask(a *adapter, r *http.Request) (w *httptest.ResponseRecorder, aborted bool) {
	w = httptest.NewRecorder()
	defer func() {
		if v := recover(); v != nil {
			if v != http.ErrAbortHandler {
				panic(v)
			}
			aborted = true
		}
	}()
	a.ServeHTTP(w, r)
	return w, false
}

// get is a GET as net/http's server would have it.
func get(target string) *http.Request { return httptest.NewRequest(http.MethodGet, target, nil) }
