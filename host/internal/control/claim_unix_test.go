//go:build unix

package control

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func TestASocketThatWasRemovedIsMadeAnew(t *testing.T) {
	for name, remove := range map[string]func(path string) error{
		"the socket":          os.Remove,
		"the socket and lock": func(path string) error { os.Remove(path + ".lock"); return os.Remove(path) },
		"the folder of both":  func(path string) error { return os.RemoveAll(filepath.Dir(path)) },
	} {
		t.Run(name, func(t *testing.T) {
			path := socketPath(t)
			claim, err := NewClaim(Socket{Path: path, Prepare: func() error {
				return os.MkdirAll(filepath.Dir(path), 0o700)
			}})
			if err != nil {
				t.Fatal(err)
			}
			s := NewServer(claim, newFakeHost())
			served := make(chan error, 1)
			go func() { served <- s.Serve() }()
			if renewed, err := claim.renew(); renewed || err != nil {
				t.Errorf("with nothing amiss: %v, %v", renewed, err)
			}
			old, err := net.Dial("unix", path)
			if err != nil {
				t.Fatal(err)
			}
			if status, text := askFor(t, old, "keep-alive"); status != 200 { // so it has been accepted
				t.Fatalf("%d %s", status, text)
			}
			if err := remove(path); err != nil {
				t.Fatal(err)
			}
			if _, err := NewClient(path).Status(context.Background()); name == "the socket" &&
				(err == nil || !strings.Contains(err.Error(),
					"the host with pid "+strconv.Itoa(os.Getpid())+" runs")) {
				t.Errorf("meanwhile: %v", err)
			}
			if renewed, err := claim.renew(); !renewed || err != nil {
				t.Fatalf("%v, %v", renewed, err)
			}
			if st, err := NewClient(path).Status(context.Background()); err != nil || st.PID != 4711 {
				t.Errorf("afterwards: %+v, %v", st, err)
			}
			if status, text := askFor(t, old, "close"); status != 200 {
				t.Errorf("who was connected: %d %s", status, text)
			}
			if _, err := NewClaim(Socket{Path: path}); err == nil {
				t.Error("another host got the socket")
			}
			s.Close()
			if err := <-served; err != nil {
				t.Error(err)
			}
			for _, left := range []string{path, path + ".lock"} {
				if _, err := os.Lstat(left); err == nil {
					t.Errorf("%s was left", left)
				}
			}
		})
	}
}

func TestAHostThatWasReplacedAnswersNothingMore(t *testing.T) {
	path := socketPath(t)
	claim, err := NewClaim(Socket{Path: path})
	if err != nil {
		t.Fatal(err)
	}
	s := NewServer(claim, newFakeHost())
	accepted := make(chan struct{}, 2)
	s.doors[0].http.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			accepted <- struct{}{}
		}
	}
	served := make(chan error, 1)
	go func() { served <- s.Serve() }()
	var all [2]net.Conn
	for i := range all {
		if all[i], err = net.Dial("unix", path); err != nil {
			t.Fatal(err)
		}
		defer all[i].Close()
		<-accepted
	}
	waits, late := all[0], all[1]
	if status, text := askFor(t, waits, "keep-alive"); status != 200 {
		t.Fatalf("%d %s", status, text)
	}
	s.Leave()
	waits.SetReadDeadline(time.Now().Add(10 * time.Second))
	if _, err := waits.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
		t.Errorf("a connection that waits for a request is not ended, but: %v", err)
	}
	if status, text := askFor(t, late, "keep-alive"); status != http.StatusServiceUnavailable {
		t.Errorf("whoever asks after that is answered with %d %s", status, text)
	}
	s.Close()
	if err := <-served; err != nil {
		t.Error(err)
	}
}

func TestASocketThatAnotherHostHasMadeSinceIsItsOwn(t *testing.T) {
	path := socketPath(t)
	old := claimed(t, path)
	for _, file := range []string{path, path + ".lock"} {
		if err := os.Remove(file); err != nil {
			t.Fatal(err)
		}
	}
	next := claimed(t, path)
	defer next.Release()
	if renewed, err := old.renew(); renewed || err != nil {
		t.Errorf("%v, %v", renewed, err)
	}
	old.Release()
	for _, file := range []string{path, path + ".lock"} {
		if _, err := os.Lstat(file); err != nil {
			t.Error(err)
		}
	}
}

// inTheWay puts things that are no socket at a path.
var inTheWay = map[string]func(path string) error{
	"a regular file":       func(path string) error { return os.WriteFile(path, []byte("precious"), 0o644) },
	"a folder":             func(path string) error { return os.Mkdir(path, 0o755) },
	"a symlink to nowhere": func(path string) error { return os.Symlink("nowhere", path) },
	"a symlink to .":       func(path string) error { return os.Symlink(".", path) },
	"a named pipe":         func(path string) error { return unix.Mkfifo(path, 0o600) },
}

func TestWhatStandsInThePlaceOfTheSocketIsNamedAndLeftAlone(t *testing.T) {
	for what, put := range inTheWay {
		path := socketPath(t)
		if err := put(path); err != nil {
			t.Fatal(err)
		}
		want := "control socket " + path + ": " + what +
			" stands there, and no socket; remove it, or name another place"
		if _, err := NewClaim(Socket{Path: path}); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("the claim says %v", err)
		}
		_, err := NewClient(path).Status(context.Background())
		if err == nil || !strings.HasPrefix(err.Error(), path+" is no socket, but "+what+": ") {
			t.Errorf("the client says %v", err)
		}
		if _, err := os.Lstat(path); err != nil {
			t.Error(err)
		}
	}
	path := socketPath(t)
	if err := os.WriteFile(path, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	path = filepath.Join(path, "c.sock")
	_, err := NewClaim(Socket{Path: path})
	if err == nil || !strings.Contains(err.Error(),
		path+": what should be its folder is a regular file; remove that") {
		t.Errorf("below a file: %v", err)
	}
}

func TestWhatTakesThePlaceOfALivingSocketIsNamed(t *testing.T) {
	for what, put := range inTheWay {
		path := socketPath(t)
		claim := claimed(t, path)
		for _, step := range []func(string) error{os.Remove, put} {
			if err := step(path); err != nil {
				t.Fatal(err)
			}
		}
		if renewed, err := claim.renew(); renewed || err == nil ||
			!strings.Contains(err.Error(), path+": "+what+" stands there") {
			t.Errorf("the host with %s: %v, %v", what, renewed, err)
		}
		_, err := NewClient(path).Status(context.Background())
		want := "the host with pid " + strconv.Itoa(os.Getpid()) + " runs, but its control socket " + path +
			" is no socket, but " + what
		if err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("the client says %v", err)
		}
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
		if renewed, err := claim.renew(); !renewed || err != nil {
			t.Errorf("without %s: %v, %v", what, renewed, err)
		}
		claim.Release()
	}
}
