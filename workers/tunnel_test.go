package workers

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/workerhost/workerhost/protocol"
)

// tunnels answers each request for a WebSocket with 101 after a while, echoes, and ends at the client's end; /endless
// with nothing, and any other with the worker's generation.
func tunnels(concurrency int) script {
	return func(w *fakeWorker) { w.tunnels(concurrency) }
}

func (w *fakeWorker) tunnels(concurrency int, features ...string) {
	w.features = append(features, protocol.FeatureTunnel)
	if !w.boot(concurrency) {
		return
	}
	for {
		payload, err := w.conn.Read()
		if err != nil {
			return
		}
		switch t, stream, _ := protocol.Head(payload); t {
		case protocol.TypeRequest:
			var m protocol.Request
			m.Parse(payload)
			if m.Target == "/endless" {
				continue
			}
			if m.Tunnel == "" {
				generationWorker(w, &m)
				continue
			}
			time.Sleep(time.Second)
			w.conn.Send(&protocol.Response{Stream: stream, Status: 101})
		case protocol.TypePing:
			var m protocol.Ping
			m.Parse(payload)
			w.conn.Send(&protocol.Pong{Token: m.Token})
		case protocol.TypeData:
			var m protocol.Data
			m.Parse(payload)
			w.conn.Send(&protocol.Data{Stream: stream, Bytes: m.Bytes, Flags: m.Flags})
			if m.Flags&protocol.FlagEnd != 0 {
				w.conn.Send(&protocol.Done{Stream: stream})
			}
		case protocol.TypeReset:
			w.conn.Send(&protocol.Done{Stream: stream})
		}
	}
}

// tunnel is a request that asks for one.
func tunnel(p *Pool, leaves func(time.Duration)) *testSink {
	s := newSink()
	r := get("/chat")
	r.Tunnel = protocol.TunnelWebSocket
	p.Submit(&protocol.Exchange{Request: r, Repeatable: true, Leaves: leaves, Sink: s})
	return s
}

func TestATunnelTakesNoRoomAndNoTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log lines
		p, _ := newFakePool(t, Settings{Workers: 1, RequestTimeout: time.Minute, SlowRequest: 10 * time.Second,
			Logger: hclog.New(&hclog.LoggerOptions{Output: &log})}, always(tunnels(1)))
		defer p.Stop(context.Background())
		ready()
		var open []*testSink
		for range 3 {
			open = append(open, tunnel(p, nil))
		}
		time.Sleep(time.Hour)
		s, _ := submit(p, "GET", "/")
		if got := s.result(); got != "generation 1" {
			t.Fatal(got)
		}
		if w := p.Status().Workers[0]; w.Inflight != 3 || w.State != Busy {
			t.Fatalf("%+v", w)
		}
		for i, s := range open {
			if n, more := s.stream.Send([]byte("Hello"), true, nil); n != 5 || more {
				t.Fatal(n, more)
			}
			if got := s.result(); got != "Hello" {
				t.Fatalf("tunnel %d: %s", i, got)
			}
		}
		if w := p.Status().Workers[0]; w.Inflight != 0 || w.State != Idle {
			t.Fatalf("%+v", w)
		}
		service := p.Metrics().Generations[0].Service // to the 101, and not to the end
		if service.Count() != 4 || service.Sum > 10*time.Second {
			t.Fatalf("%+v", service)
		}
		if text := log.String(); strings.Contains(text, "[WARN]") || strings.Contains(text, "[ERROR]") {
			t.Fatal(text)
		}
	})
}

// A worker of one request at a time has at hand what it gets beside a tunnel.
func TestARequestBesideATunnelIsAtHand(t *testing.T) {
	beside := func(t *testing.T, set Settings, check func(f *fakes, open, s *testSink)) {
		synctest.Test(t, func(t *testing.T) {
			set.Workers = 1
			p, f := newFakePool(t, set, always(func(w *fakeWorker) { w.tunnels(1, aheadFeature) }))
			defer p.Stop(context.Background())
			ready()
			open := tunnel(p, nil)
			time.Sleep(2 * time.Second)
			s, _ := submit(p, "POST", "/endless")
			time.Sleep(time.Second)
			check(f, open, s)
		})
	}
	t.Run("so it is lost with its worker", func(t *testing.T) {
		beside(t, Settings{}, func(f *fakes, _, s *testSink) {
			f.process(1).die("signal: killed")
			time.Sleep(time.Second)
			if kind := s.failureKind(); kind != protocol.FailedDied {
				t.Errorf("%v", kind)
			}
		})
	})
	t.Run("so it times out", func(t *testing.T) {
		var log lines
		set := Settings{RequestTimeout: time.Minute, SlowRequest: 10 * time.Second,
			Logger: hclog.New(&hclog.LoggerOptions{Output: &log})}
		beside(t, set, func(_ *fakes, open, s *testSink) {
			time.Sleep(2 * time.Minute)
			if kind := s.failureKind(); kind != protocol.FailedTimeout {
				t.Errorf("%v", kind)
			}
			if text := log.String(); !strings.Contains(text, "slow request") {
				t.Error(text)
			}
			if open.stream.Send(nil, true, nil); open.result() != "" {
				t.Error(open.failure)
			}
		})
	})
}

func TestATunnelHearsThatItsWorkerLeaves(t *testing.T) {
	const drain = 20 * time.Second
	for name, leave := range map[string]func(*Pool){
		"reload":   func(p *Pool) { go follow(p.Reload()) },
		"stop":     func(p *Pool) { go p.Stop(context.Background()) },
		"max_age":  func(p *Pool) { time.Sleep(2 * time.Hour) },
		"in place": func(p *Pool) { time.Sleep(2 * time.Hour) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				set := Settings{Workers: 1, MaxAge: time.Hour, DrainTimeout: drain, InPlace: name == "in place"}
				p, f := newFakePool(t, set, always(tunnels(2)))
				defer p.Stop(context.Background())
				ready()
				var told atomic.Int64
				s := tunnel(p, func(within time.Duration) { told.Add(int64(within)) })
				time.Sleep(2 * time.Second)
				leave(p)
				time.Sleep(2 * time.Second)
				if got := time.Duration(told.Load()); got != drain {
					t.Fatalf("it was told of %v", got)
				}
				if s.failureKind() != 0 {
					t.Fatal(s.failure)
				}
				s.stream.Send(nil, true, nil) // as its client does, who was told in time
				if got := s.result(); got != "" {
					t.Fatal(got)
				}
				time.Sleep(2 * time.Second)
				select {
				case <-f.process(1).died:
				default:
					t.Fatal("its worker stays")
				}
			})
		})
	}
}

func TestATunnelIsCutAtTheDrainDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, _ := newFakePool(t, Settings{Workers: 1, DrainTimeout: 10 * time.Second}, always(tunnels(1)))
		defer p.Stop(context.Background())
		ready()
		s := tunnel(p, nil)
		time.Sleep(2 * time.Second)
		follow(p.Reload())
		if f := s.failed(t); f.Kind != protocol.FailedDrained {
			t.Fatal(f)
		}
	})
}

// A tunnel was answered, so it is not tried again.
func TestADeadWorkersTunnelIsLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, f := newFakePool(t, Settings{Workers: 1}, always(tunnels(1)))
		defer p.Stop(context.Background())
		ready()
		s := tunnel(p, nil)
		time.Sleep(2 * time.Second)
		f.process(1).die("signal: killed")
		if f := s.failed(t); f.Kind != protocol.FailedDied {
			t.Fatal(f)
		}
		time.Sleep(2 * time.Second)
		again, _ := submit(p, "GET", "/")
		if got := again.result(); got != "generation 1" {
			t.Fatal(got)
		}
		if w := fmt.Sprint(p.Status().Workers[0].Inflight); w != "0" {
			t.Fatal(w)
		}
	})
}
