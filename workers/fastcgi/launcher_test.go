package fastcgi

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/workerhost/workerhost/protocol"
	"github.com/workerhost/workerhost/workers"
)

// collected is a sink that keeps what comes.
type collected struct {
	stream protocol.Stream
	status int
	body   strings.Builder
	failed *protocol.Failure
	done   chan struct{}
}

func (s *collected) Begin(stream protocol.Stream) { s.stream = stream }
func (s *collected) Writable()                    {}
func (s *collected) Inform(*protocol.Inform)      {}
func (s *collected) Respond(m *protocol.Response) { s.status = m.Status; s.body.Write(m.Body) }
func (s *collected) Data(m *protocol.Data)        { s.body.Write(m.Bytes); s.stream.Consumed(len(m.Bytes)) }
func (s *collected) Fail(f *protocol.Failure)     { s.failed = f }
func (s *collected) Finished()                    { close(s.done) }

func submit(p *workers.Pool, target string) (*collected, protocol.Ticket) {
	s := &collected{done: make(chan struct{})}
	m := &protocol.Request{
		Flags: protocol.FlagEnd, Method: "GET", Target: target, Version: "1.1", Scheme: "http",
		Host: "example.org", Remote: "192.0.2.1:5",
	}
	return s, p.Submit(&protocol.Exchange{Request: m, Repeatable: true, Sink: s})
}

func newPool(t *testing.T, l *Launcher) *workers.Pool {
	t.Helper()
	p, err := workers.New(workers.Settings{
		Name: "site", Directory: siteOf(t), Workers: 1, Scarce: true, Launcher: l,
		Command:     []string{"/bin/sh", "-c", "exit 3"},
		StopTimeout: 10 * time.Second, StartTimeout: 10 * time.Second,
	})
	if err == nil {
		err = p.Start(t.Context())
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Stop(context.Background()) })
	<-p.Started()
	return p
}

func TestAPoolNeverHasMoreRequestsAtAServerThanItTakes(t *testing.T) {
	at, leave := make(chan int, 100), make(chan struct{})
	address := serveFake(t, func(c *net.UnixConn) {
		answerEach(func(asked) []byte { at <- 1; <-leave; return page("\r\nx") })(c)
	})
	p := newPool(t, &Launcher{Index: "index.php", Address: address, FPM: FPM{Children: 2}})
	if traits := p.Traits(); !traits.WholeBody || !traits.Spool {
		t.Errorf("a slow client would hold a child: %+v", traits)
	}
	var all []*collected
	for range 5 {
		s, _ := submit(p, "/")
		all = append(all, s)
	}
	<-at
	<-at
	if st := p.Status(); st.Queued != 3 || st.Workers[0].Inflight != 2 {
		t.Errorf("%d wait, %d are at the server", st.Queued, st.Workers[0].Inflight)
	}
	close(leave)
	for _, s := range all {
		if <-s.done; s.status != 200 || s.body.String() != "x" || s.failed != nil {
			t.Errorf("%d %q %v", s.status, s.body.String(), s.failed)
		}
	}
	p.Reload().Follow(t.Context(), func(e workers.Event) error {
		if e.Kind == workers.EventFailed {
			t.Error("the reload failed:", e.Error)
		}
		return nil
	})
}

func TestAServerThatIsNotThereFailsTheBoot(t *testing.T) {
	nowhere := Address{"unix", filepath.Join(t.TempDir(), "none")}
	p := newPool(t, &Launcher{Index: "index.php", Address: nowhere, FPM: FPM{Children: 2}})
	why := p.Status().Failure
	if !strings.Contains(why, "can't be reached") || !strings.Contains(why, "is it running") {
		t.Errorf("the pool says %q", why)
	}
}

func TestAMasterThatEndsAtOnceFailsTheBootAndLeavesNoFolder(t *testing.T) {
	folder := t.TempDir()
	n := 0
	p := newPool(t, &Launcher{Index: "index.php", FPM: FPM{Children: 2}, Folder: func() (string, error) {
		n++
		path := filepath.Join(folder, fmt.Sprint(n))
		return path, os.Mkdir(path, 0o700)
	}})
	if why := p.Status().Failure; !strings.Contains(why, "exit status 3") {
		t.Errorf("the pool says %q", why)
	}
	p.Stop(t.Context())
	if left, _ := os.ReadDir(folder); len(left) > 0 {
		t.Errorf("%v is left", left)
	}
}

func TestTheConfigurationHoldsAsManyChildrenAsRequests(t *testing.T) {
	f := FPM{Children: 7, MaxRequests: 500, Patience: 1500 * time.Millisecond, Slow: 300 * time.Millisecond}
	text := f.configuration("/run/x", true)
	for _, want := range []string{
		"pm = static\n", "pm.max_children = 7\n", "pm.max_requests = 500\n",
		"process_control_timeout = 2\n", "listen = /run/x/php.sock\n", "pm.status_listen = /run/x/now.sock\n",
		"slowlog = /run/x/slow.log\n", "request_slowlog_timeout = 1\n",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
	f.Slow = 0
	if text = f.configuration("/run/x", false); strings.Contains(text, "slow") || strings.Contains(text, "status") {
		t.Errorf("without both:\n%s", text)
	}
}
