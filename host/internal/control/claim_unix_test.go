//go:build unix

package control

import (
	"context"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

func TestASocketThatWasRemovedIsMadeAnew(t *testing.T) {
	for name, remove := range map[string]func(path string) error{
		"the socket":          os.Remove,
		"the socket and lock": func(path string) error { os.Remove(path + ".lock"); return os.Remove(path) },
		"the folder of both":  func(path string) error { return os.RemoveAll(filepath.Dir(path)) },
	} {
		t.Run(name, func(t *testing.T) {
			path := socketPath(t)
			claim, err := NewClaim(Socket{Path: path, Prepare: func() error { return os.MkdirAll(filepath.Dir(path), 0o700) }})
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
			if _, err := NewClient(path).Status(context.Background()); name == "the socket" && (err == nil || !strings.Contains(err.Error(), "the host with pid "+strconv.Itoa(os.Getpid())+" runs")) {
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
