//go:build unix

package activation

import (
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// passed makes sockets as a manager has them, by name; fails the test if one can't be.
func passed(t *testing.T, sockets ...named) *Sockets {
	t.Helper()
	s := &Sockets{}
	for _, n := range sockets {
		f, err := n.socket.(interface{ File() (*os.File, error) }).File()
		if err != nil {
			t.Fatal(err)
		}
		one, err := Open(n.name, f)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { one.file.Close() })
		s.all = append(s.all, one)
	}
	return s
}

type named struct {
	name   string
	socket any
}

func stream(t *testing.T, network, address string) net.Listener {
	t.Helper()
	l, err := net.Listen(network, address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

func packets(t *testing.T, address string) net.PacketConn {
	t.Helper()
	c, err := net.ListenPacket("udp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func port(a net.Addr) string { return a.String()[strings.LastIndex(a.String(), ":"):] }

func TestAListenerGetsTheSocketOfItsAddressOrItsName(t *testing.T) {
	folder, err := os.MkdirTemp("", "a")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(folder)
	path := filepath.Join(folder, "app.sock")
	every, own, file, udp := stream(t, "tcp", ":0"), stream(t, "tcp", "127.0.0.1:0"), stream(t, "unix", path),
		packets(t, "127.0.0.1:0")
	s := passed(t, named{"all", every}, named{"own", own}, named{"file", file}, named{"udp", udp})
	for address, want := range map[string]net.Addr{
		port(every.Addr()): every.Addr(), "0.0.0.0" + port(every.Addr()): every.Addr(),
		"[::]" + port(every.Addr()): every.Addr(), own.Addr().String(): own.Addr(),
		"localhost" + port(own.Addr()): own.Addr(), "unix:" + path: file.Addr(), "fd:all": every.Addr(),
		"127.0.0.1" + port(every.Addr()): nil, port(own.Addr()): nil, "unix:" + path + "x": nil, "fd:app": nil,
		udp.LocalAddr().String(): nil, "fd:udp": nil,
	} {
		f, err := s.Take(address, false)
		switch {
		case err != nil:
			t.Errorf("%s: %v", address, err)
		case f == nil && want != nil:
			t.Errorf("%s gets nothing", address)
		case f != nil:
			l, err := net.FileListener(f)
			if f.Close(); err != nil {
				t.Fatal(err)
			}
			if own, ok := l.(*net.UnixListener); ok {
				own.SetUnlinkOnClose(false)
			}
			if l.Close(); want == nil || l.Addr().String() != want.String() {
				t.Errorf("%s gets %s, not %v", address, l.Addr(), want)
			}
		}
	}
	for _, address := range []string{udp.LocalAddr().String(), "fd:udp"} {
		if f, err := s.Take(address, true); f == nil {
			t.Errorf("%s gets no datagrams: %v", address, err)
		} else {
			f.Close()
		}
	}
}

func TestWhatListenersAndSocketUnitsDoNotAgreeOnIsSaid(t *testing.T) {
	web, other, udp := stream(t, "tcp", "127.0.0.1:0"), stream(t, "tcp", "127.0.0.1:0"), packets(t, "127.0.0.1:0")
	at := func(l net.Listener) string { return l.Addr().String() }
	beside := packets(t, at(web))
	for name, c := range map[string]struct {
		passed   []named
		wanted   []Wanted
		unserved string // the names
		problem  string
	}{
		"all is served": {passed: []named{{"web", web}, {"udp", udp}},
			wanted: []Wanted{{Address: at(web), Stream: true}, {Address: "fd:udp", Packets: true}}},
		"nobody serves one": {passed: []named{{"web", web}, {"other", other}},
			wanted: []Wanted{{Address: at(web), Stream: true}}, unserved: "other"},
		"what was not passed is bound": {passed: []named{{"web", web}},
			wanted: []Wanted{{Address: at(web), Stream: true}, {Address: at(other), Stream: true}}},
		"HTTP/3 goes without, or takes it": {passed: []named{{"web", web}, {"web", udp}},
			wanted: []Wanted{{Address: "fd:web", Stream: true, Packets: true}}},
		"HTTP/3 is off, or UDP's listener removed": {passed: []named{{"web", web}, {"udp", beside}},
			wanted: []Wanted{{Address: at(web), Stream: true}}, unserved: "udp"},
		"TCP's listener is removed": {passed: []named{{"web", web}, {"udp", beside}},
			wanted: []Wanted{{Address: at(web), Packets: true}}, unserved: "web"},
		"a name that nobody has": {passed: []named{{"web", web}}, wanted: []Wanted{{Address: "fd:app", Stream: true}},
			unserved: "web", problem: `fd:app: nobody has passed a socket of that name, and those that were are "web" (Li`},
		"nothing was passed": {wanted: []Wanted{{Address: "fd:web", Stream: true}},
			problem: "no socket was passed to this process"},
		"a name twice": {passed: []named{{"web", web}, {"web", other}},
			wanted:   []Wanted{{Address: "fd:web", Stream: true}},
			unserved: "web web", problem: "2 sockets of that name"},
		"one socket for two": {passed: []named{{"web", web}},
			wanted:  []Wanted{{Address: at(web), Stream: true}, {Address: "fd:web", Stream: true}},
			problem: "both mean the socket"},
		"a stream for UDP": {passed: []named{{"web", web}}, wanted: []Wanted{{Address: at(web), Packets: true}},
			unserved: "web", problem: "is of UDP: write ListenDatagram="},
		"datagrams for HTTP": {passed: []named{{"udp", udp}}, wanted: []Wanted{{Address: "fd:udp", Stream: true}},
			unserved: "udp", problem: "needs a stream: write ListenStream="},
	} {
		s := passed(t, c.passed...)
		unserved, err := s.Check(c.wanted)
		var names []string
		for _, one := range unserved {
			names = append(names, one.Name)
		}
		if got := strings.Join(names, " "); got != c.unserved {
			t.Errorf("%s: %q are unserved, not %q", name, got, c.unserved)
		}
		if (err != nil) != (c.problem != "") || err != nil && !strings.Contains(err.Error(), c.problem) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestTheSocketsOfBothFamiliesServeOneListenerOrTwo(t *testing.T) {
	four := stream(t, "tcp4", "0.0.0.0:0")
	six, err := net.Listen("tcp6", "[::]"+port(four.Addr()))
	if err != nil {
		t.Skip("there is no IPv6: ", err)
	}
	defer six.Close()
	s := passed(t, named{"four", four}, named{"six", six})
	unserved, err := s.Check([]Wanted{{Address: port(six.Addr()), Stream: true}})
	if len(unserved) != 1 || err != nil {
		t.Errorf("one listener: unserved are %v, %v", unserved, err)
	}
	unserved, err = s.Check([]Wanted{{Address: six.Addr().String(), Stream: true},
		{Address: four.Addr().String(), Stream: true}})
	if len(unserved) != 0 || err != nil {
		t.Errorf("two listeners: unserved are %v, %v", unserved, err)
	}
}

func TestAStoredSocketIsFoundByItsListenerAndTheOthersAreOfNoUse(t *testing.T) {
	folder, err := os.MkdirTemp("", "a")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(folder)
	path := filepath.Join(folder, "gone.sock")
	any, gone, file := stream(t, "tcp", "127.0.0.1:0"), stream(t, "tcp", "127.0.0.1:0"), stream(t, "unix", path)
	s := passed(t, named{StoreName("127.0.0.1:0", false), any}, named{StoreName(gone.Addr().String(), false), gone},
		named{StoreName("unix:"+path, false), file})
	if f, err := s.Take("127.0.0.1:0", false); f == nil {
		t.Errorf("the one whose port was chosen by the system is not found: %v", err)
	} else {
		f.Close()
	}
	os.Remove(path)
	if f, _ := s.Take("unix:"+path, false); f != nil {
		t.Error("a socket that no client can find any more is taken")
	}
	if unserved, err := s.Check(nil); len(unserved) > 0 || err != nil {
		t.Errorf("stored ones are the host's own to forget: %v %v", unserved, err)
	}
	used, useless := s.Settle()
	if strings.Join(used, " ") != "host.stream.127.0.0.1%3A0" || len(useless) != 2 {
		t.Errorf("used %q, useless %q", used, useless)
	}
	if f, _ := s.Take("127.0.0.1:0", false); f != nil {
		t.Error("it is there still")
	}
}

func TestTheAddressOfAStoredSocketWhoseListenerHasAnotherOneCanBeBound(t *testing.T) {
	before, stays := stream(t, "tcp", "127.0.0.1:0"), stream(t, "tcp", "127.0.0.1:0")
	quic, unit := packets(t, stays.Addr().String()), stream(t, "tcp", "127.0.0.1:0")
	names := []string{StoreName(before.Addr().String(), false), StoreName(stays.Addr().String(), true)}
	s := passed(t, named{names[0], before}, named{names[1], quic}, named{"unit", unit},
		named{StoreName(stays.Addr().String(), false), stays})
	for _, c := range []interface{ Close() error }{before, stays, quic} { // as their process has ended
		c.Close()
	}
	useless := s.Drop([]Wanted{{Address: port(before.Addr()), Stream: true},
		{Address: stays.Addr().String(), Stream: true}})
	if strings.Join(useless, " ") != strings.Join(names, " ") {
		t.Errorf("useless are %q", useless)
	}
	stream(t, "tcp", port(before.Addr()))
	packets(t, stays.Addr().String())
	if l, err := net.Listen("tcp", stays.Addr().String()); err == nil {
		l.Close()
		t.Error("the socket of a listener that stays is closed")
	}
	if left := s.Passed(); len(left) != 1 || left[0].Name != "unit" {
		t.Errorf("of socket units, %v are left", left)
	}
}

func TestWhatNobodyCanListenAtIsRefused(t *testing.T) {
	plain, err := os.Create(filepath.Join(t.TempDir(), "file"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Open("file", plain); err == nil || !strings.Contains(err.Error(), "it is no socket") {
		t.Errorf("a file: %v", err)
	}
	l := stream(t, "tcp", "127.0.0.1:0")
	c, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	f, err := c.(*net.TCPConn).File()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Open("connection", f); err == nil || !strings.Contains(err.Error(), "Accept=no") {
		t.Errorf("a connection: %v", err)
	}
}

func TestNamesOfWhatIsStoredAreThoseThatAManagerTakes(t *testing.T) {
	for address, want := range map[string]string{
		"[::1]:80": "host.stream.[%3A%3A1]%3A80", "unix:/run/ä 1.sock": "host.stream.unix%3A/run/%C3%A4%201.sock",
		"unix:" + strings.Repeat("ä", 60): "",
	} {
		if got := StoreName(address, false); got != want {
			t.Errorf("%s: %q", address, got)
		}
	}
	if a, b := StoreName(":53", false), StoreName(":53", true); a == b {
		t.Error("TCP and UDP have one name")
	}
}

func TestVariablesForAnotherProcessAreNotHeeded(t *testing.T) {
	t.Setenv("LISTEN_PID", "1")
	t.Setenv("LISTEN_FDS", "1")
	t.Setenv("LISTEN_FDNAMES", "web")
	if s, err := Inherit(); s != nil || err != nil {
		t.Errorf("%v %v", s, err)
	}
	for _, name := range variables {
		if _, there := os.LookupEnv(name); there {
			t.Errorf("children get %s", name)
		}
	}
}
