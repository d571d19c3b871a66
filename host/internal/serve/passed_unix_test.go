//go:build unix

package serve

import (
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/hashicorp/go-hclog"
	"github.com/workerhost/workerhost/host/internal/activation"
	"github.com/workerhost/workerhost/host/internal/config"
	"github.com/workerhost/workerhost/host/internal/listen"
)

func TestASocketThatCanNotBeDuplicatedStaysKept(t *testing.T) {
	const address = "127.0.0.1:0"
	for name, c := range map[string]struct {
		listens, stops bool
		stays          bool
	}{
		"its listener can't be asked": {listens: true, stays: true},
		"the host stops":              {stops: true, stays: true},
		"there is no listener":        {},
	} {
		h := newHost(&config.Config{}, hclog.NewNullLogger())
		h.notify.socket, h.notify.room = "nobody", 4
		kept := activation.StoreName(address, false)
		h.notify.kept([]string{kept})
		if c.listens {
			server, err := listen.New(listen.Options{Address: address}) // and not bound
			if err != nil {
				t.Fatal(err)
			}
			defer server.Close()
			l := &listener{socket: &socket{server: server}, config: config.Listen{Address: address}}
			h.setup.Load().listeners = append(h.setup.Load().listeners, l)
		}
		if c.stops {
			h.end(errStopped)
		}
		if h.keepSockets(); h.notify.isKept(kept) != c.stays {
			t.Errorf("%s: kept are %q", name, h.notify.keeps())
		}
	}
}

func TestThePortOfHTTP3IsNotKeptWhenItIsTurnedOff(t *testing.T) {
	const address = "127.0.0.1:0"
	for _, on := range []bool{true, false} {
		h := newHost(&config.Config{}, hclog.NewNullLogger())
		h.notify.socket, h.notify.room = "nobody", 4
		kept := activation.StoreName(address, true)
		h.notify.kept([]string{kept})
		server, err := listen.New(listen.Options{Address: address, Protocol: listen.UDP}) // which has a port of UDP
		if err != nil {
			t.Fatal(err)
		}
		defer server.Close()
		if err := server.Listen(); err != nil {
			t.Fatal(err)
		}
		l := &listener{socket: &socket{server: server}, config: config.Listen{Address: address, HTTP3: on}}
		h.setup.Load().listeners = append(h.setup.Load().listeners, l)
		if h.keepSockets(); h.notify.isKept(kept) != on {
			t.Errorf("on: %v; kept are %q", on, h.notify.keeps())
		}
	}
}

func TestTheFileOfASocketUnitStaysAfterAnUpgrade(t *testing.T) {
	dir, err := os.MkdirTemp("", "h") // short, as the path of a socket has to be
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	own, theirs := filepath.Join(dir, "own"), filepath.Join(dir, "theirs")
	h := newHost(&config.Config{}, hclog.NewNullLogger())
	h.upgrade.before = &before{left: make(chan struct{})}
	for _, path := range []string{own, theirs} {
		l, err := net.Listen("unix", path)
		if err != nil {
			t.Fatal(err)
		}
		if path == theirs {
			f, err := l.(*net.UnixListener).File()
			if err != nil {
				t.Fatal(err)
			}
			s, err := activation.Open("admin", f)
			if err != nil {
				t.Fatal(err)
			}
			h.upgrade.passed = activation.Of(s)
		}
		l.(*net.UnixListener).SetUnlinkOnClose(false) // as of one that was handed over
		h.upgrade.opened = append(h.upgrade.opened, opened{"unix:" + path, l})
	}
	h.settle()
	for _, other := range h.upgrade.opened {
		other.socket.Close()
	}
	left, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil || strings.Join(left, " ") != theirs {
		t.Errorf("left are %q, %v", left, err)
	}
}

func TestTheFileOfASocketThatWasStoredIsNotRemoved(t *testing.T) {
	dir, err := os.MkdirTemp("", "h") // short, as the path of a socket has to be
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "s")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	f, err := l.(*net.UnixListener).File()
	if err != nil {
		t.Fatal(err)
	}
	s, err := activation.Open(activation.StoreName("unix:"+path, false), f)
	if err != nil {
		t.Fatal(err)
	}
	u := &upgrade{passed: activation.Of(s)}
	there, err := u.bound(place{Address: "unix:" + path})
	if err != nil || there.Socket == nil {
		t.Fatalf("nothing is there: %v", err)
	}
	defer there.Close()
	if !there.Passed {
		t.Error("its listener removes the file, which may be another one's by now")
	}
}
