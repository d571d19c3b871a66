package workers

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/workerhost/workerhost/protocol"
)

type violation struct {
	name string
	send func(stream uint32) []protocol.Message
	want string // part of the error
}

// noFrame says that what is sent is not even a frame.
func (v violation) noFrame() bool {
	return slices.Contains([]string{"a frame that is no array", "an empty frame", "a warning in PHP"}, v.name)
}

// violations are what a worker must not send while it has a request.
var violations = []violation{
	{"a second RESPONSE", func(s uint32) []protocol.Message {
		return []protocol.Message{&protocol.Response{Stream: s, Status: 200},
			&protocol.Response{Stream: s, Status: 200}}
	}, "expected one RESPONSE, got another"},
	{"DATA before RESPONSE", func(s uint32) []protocol.Message {
		return []protocol.Message{&protocol.Data{Stream: s, Bytes: []byte("x")}}
	}, "expected DATA between RESPONSE and END"},
	{"INFORM after RESPONSE", func(s uint32) []protocol.Message {
		return []protocol.Message{&protocol.Response{Stream: s, Status: 200}, &protocol.Inform{Stream: s, Status: 103}}
	}, "expected INFORM before RESPONSE"},
	{"RESPONSE after REFUSED", func(s uint32) []protocol.Message {
		return []protocol.Message{&protocol.Reset{Stream: s, Code: protocol.ResetRefused},
			&protocol.Response{Stream: s, Status: 200}}
	}, "expected DONE after RESET, got RESPONSE"},
	{"INFORM after REFUSED", func(s uint32) []protocol.Message {
		return []protocol.Message{&protocol.Reset{Stream: s, Code: protocol.ResetRefused},
			&protocol.Inform{Stream: s, Status: 103}}
	}, "expected DONE after RESET, got INFORM"},
	{"more DATA than its window", func(s uint32) []protocol.Message {
		all := []protocol.Message{&protocol.Response{Stream: s, Status: 200}}
		for range 5 {
			all = append(all, &protocol.Data{Stream: s, Bytes: make([]byte, protocol.MaxData)})
		}
		return all
	}, "expected at most 0 bytes of DATA on stream 1, got 65536, which is 65536 more than its window (SPEC.md §6.1)"},
	{"a window that is too large", func(s uint32) []protocol.Message {
		return []protocol.Message{&protocol.Window{Stream: s, Bytes: protocol.MaxWindow}}
	}, "expected a window of at most 2147483647 bytes on stream 1"},
	{"a stream that was never opened", func(s uint32) []protocol.Message {
		return []protocol.Message{&protocol.Response{Stream: s + 2, Status: 200}}
	}, "expected a stream that the host opened, got RESPONSE on stream"},
	{"a stream of its own", func(s uint32) []protocol.Message {
		return []protocol.Message{&protocol.Done{Stream: 2}}
	}, "expected a stream that the host opened, got DONE on stream 2"},
	{"READY twice", func(uint32) []protocol.Message {
		return []protocol.Message{&protocol.Ready{Version: 1}}
	}, "expected one READY or FAILED, got READY"},
	{"FAILED after READY", func(uint32) []protocol.Message {
		return []protocol.Message{&protocol.Failed{Message: "no"}}
	}, "expected one READY or FAILED, got FAILED"},
	{"HELLO", func(uint32) []protocol.Message {
		return []protocol.Message{&protocol.Hello{Versions: []int{1}}}
	}, "expected a message that workers send, got HELLO on stream 0, which only hosts send (SPEC.md §4.6)"},
	{"DRAIN", func(uint32) []protocol.Message {
		return []protocol.Message{&protocol.Drain{}}
	}, "expected a message that workers send, got DRAIN on stream 0"},
	{"REQUEST", func(s uint32) []protocol.Message {
		return []protocol.Message{&protocol.Request{Stream: s, Method: "GET"}}
	}, "expected a message that workers send, got REQUEST on stream 1"},
	{"READY on a stream", func(s uint32) []protocol.Message {
		return []protocol.Message{frame(0x92, byte(protocol.TypeReady), byte(s))}
	}, "expected READY on stream 0, got it on stream 1 (SPEC.md §2.2)"},
	{"RESPONSE on stream 0", func(uint32) []protocol.Message {
		return []protocol.Message{frame(0x92, byte(protocol.TypeResponse), 0)}
	}, "expected RESPONSE on a stream above 0, got it on stream 0 (SPEC.md §2.2)"},
	{"a status that is text", func(s uint32) []protocol.Message {
		return []protocol.Message{frame(0x95, byte(protocol.TypeResponse), byte(s), 3, 0xa3, '2', '0', '0', 0x90)}
	}, "expected RESPONSE's status: an integer, got a str at byte 4 (SPEC.md §5.3)"},
	{"a frame that is no array", func(uint32) []protocol.Message { return []protocol.Message{frame(0xa2, 'h', 'i')} },
		"it wrote something other than frames to its output: expected an array [type, stream, …]"},
	{"DONE with bytes after it", func(s uint32) []protocol.Message {
		return []protocol.Message{frame(0x92, byte(protocol.TypeDone), byte(s), 0xc0)}
	}, "nothing after the array"},
	{"an empty frame", func(uint32) []protocol.Message {
		return []protocol.Message{raw{0, 0, 0, 0}}
	}, "expected a frame of 1 to 16777216 bytes, got a length of 0"},
	{"a warning in PHP", func(uint32) []protocol.Message {
		return []protocol.Message{raw("PHP Warning:  Undefined variable $x in /app/worker.php on line 3\n")}
	}, `text "PHP Warning:  Undefined variable $x in /app/worker.php on line 3\n"`},
}

func TestWorkerThatBreaksTheProtocolIsReplacedAndHarmsNoOther(t *testing.T) {
	for _, v := range violations {
		t.Run(v.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p, f := newFakePool(t, Settings{Workers: 2}, always(serve(1, func(w *fakeWorker, r *protocol.Request) {
					if r.Target != "/break" {
						w.answer(r, "well")
						return
					}
					for _, m := range v.send(r.Stream) {
						w.conn.Send(m)
					}
				})))
				defer p.Stop(context.Background())
				ready()
				before := pids(p)
				s := newSink()
				s.hold = true
				r := get("/break")
				r.Method = "POST"
				p.Submit(&protocol.Exchange{Request: r, Sink: s})
				failure := s.failed(t)
				if failure.Kind != protocol.FailedBroken || !strings.Contains(failure.Detail, v.want) {
					t.Fatalf("%v; want %q in it", failure, v.want)
				}
				if noFrame := strings.Contains(failure.Detail, "something other than frames"); noFrame != v.noFrame() {
					t.Errorf("%v; that something other than frames came is said: %v", failure, noFrame)
				}
				time.Sleep(time.Second)
				after, kept := pids(p), 0
				for i := range after {
					if after[i] == before[i] {
						kept++
					}
				}
				if kept != 1 || f.count() != 3 {
					t.Fatalf("workers %v became %v", before, after)
				}
				for range 4 {
					if s, _ := submit(p, "GET", "/"); s.result() != "well" {
						t.Fatal("the pool does not serve on")
					}
				}
			})
		})
	}
}

// TestWhatAWorkerMaySendHarmsNothing sends what SPEC.md has the host ignore, log or refuse.
func TestWhatAWorkerMaySendHarmsNothing(t *testing.T) {
	for name, send := range map[string]func(stream uint32) protocol.Message{
		"DATA after DONE": func(uint32) protocol.Message {
			return &protocol.Data{Stream: 1, Bytes: []byte("late")}
		},
		"RESPONSE after DONE": func(uint32) protocol.Message {
			return &protocol.Response{Stream: 1, Status: 500}
		},
		"DONE twice": func(uint32) protocol.Message { return &protocol.Done{Stream: 1} },
		"WINDOW after DONE": func(uint32) protocol.Message {
			return &protocol.Window{Stream: 1, Bytes: protocol.MaxWindow}
		},
		"LOG of a stream that is over": func(uint32) protocol.Message {
			return &protocol.Log{Stream: 1, Level: "info", Message: "late"}
		},
		"LOG of a level that nobody knows": func(s uint32) protocol.Message {
			return &protocol.Log{Stream: s, Level: "loud", Message: "hello"}
		},
		"PONG that was never asked":         func(uint32) protocol.Message { return &protocol.Pong{Token: 1 << 40} },
		"an unknown message of the link":    func(uint32) protocol.Message { return frame(0x92, 63, 0) },
		"an unknown message after DONE":     func(uint32) protocol.Message { return frame(0x92, 100, 1) },
		"an unknown message on an even one": func(uint32) protocol.Message { return frame(0x92, 60, 2) },
		"elements that a later version has": func(uint32) protocol.Message {
			return frame(0x94, byte(protocol.TypeDone), 1, 0xc0, 0xa1, 'x')
		},
		"INFORM": func(s uint32) protocol.Message {
			return &protocol.Inform{Stream: s, Status: 103}
		},
		"RESET of a stream that is over": func(uint32) protocol.Message {
			return &protocol.Reset{Stream: 1, Code: protocol.ResetRefused}
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p, f := newFakePool(t, Settings{Workers: 1}, always(serve(1, func(w *fakeWorker, r *protocol.Request) {
					if r.Stream > 1 {
						w.conn.Send(send(r.Stream))
					}
					w.answer(r, "well")
				})))
				defer p.Stop(context.Background())
				for range 3 {
					if s, _ := submit(p, "GET", "/"); s.result() != "well" {
						t.Fatal(s.failure)
					}
				}
				time.Sleep(time.Hour)
				if f.count() != 1 {
					t.Fatal("the worker was replaced")
				}
			})
		})
	}
}

func TestUnknownMessageIsRefusedByName(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		told := make(chan protocol.Reset, 1)
		p, _ := newFakePool(t, Settings{Workers: 1}, always(serve(1, func(w *fakeWorker, r *protocol.Request) {
			w.conn.Send(frame(0x92, 60, 2))
			payload, _ := w.next(protocol.TypeReset)
			var m protocol.Reset
			m.Parse(payload)
			told <- m
			w.answer(r, "")
		})))
		defer p.Stop(context.Background())
		s, _ := submit(p, "GET", "/")
		<-s.finished
		if m := <-told; m.Stream != 2 || m.Code != protocol.ResetUnknown || m.Reason != "type 60" {
			t.Fatalf("%+v", m)
		}
	})
}

func TestAnUnknownMessageAfterAWholeResponseIsToldOfWithTheRequestWhoseActsItCosts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := new(fakeHub)
		set, log := logged(Settings{Workers: 1, Hub: h})
		p, _ := newFakePool(t, set, always(serve(1, func(w *fakeWorker, r *protocol.Request) {
			w.say(r.Stream, 0, "a")
			w.conn.Send(&protocol.Response{Stream: r.Stream, Flags: protocol.FlagEnd, Status: 200,
				Body: []byte("whole")})
			w.conn.Send(frame(0x92, 60, byte(r.Stream)))
			w.conn.Send(frame(0x92, 60, byte(r.Stream)))
			w.conn.Send(&protocol.Done{Stream: r.Stream})
		})))
		defer p.Stop(context.Background())
		ready()
		s := newSink()
		p.Submit(&protocol.Exchange{Request: asked("/whole"), Sink: s})
		if got := s.result(); got != "whole" || len(h.all()) != 0 {
			t.Errorf("it came to %q, with acts %q", got, h.all())
		}
		found := log.entries("unknown message refused")
		if len(found) != 1 || !strings.Contains(found[0], "id-whole") || !strings.Contains(found[0], "type 60") {
			t.Errorf("it is logged as %q", found)
		}
	})
}

func TestAProgramThatIsNoWorkerIsAskedWhyWithinASecond(t *testing.T) {
	const ask = "does it call Serve?"
	for name, c := range map[string]struct {
		run  script
		want string
	}{
		"it serves by itself": {func(w *fakeWorker) { w.hang() }, "has not said a word"},
		"its port is taken": {func(w *fakeWorker) {
			w.errs.Write([]byte("listen tcp :8080: bind: address already in use\n"))
			w.die("exit status 1")
		}, "already in use; " + ask},
		"it returns": {func(w *fakeWorker) {}, "said nothing; " + ask},
	} {
		synctest.Test(t, func(t *testing.T) {
			set, log := logged(Settings{Workers: 1, Greeting: ask})
			p, _ := newFakePool(t, set, always(c.run))
			time.Sleep(time.Second)
			if said := log.entries(ask); len(said) == 0 || !strings.Contains(said[0], c.want) {
				t.Errorf("%s: the log has %q, not %q", name, said, c.want)
			}
			p.Stop(context.Background())
		})
	}
}

func TestWorkersThatSayTooMuchBeforeREADYDoNotStart(t *testing.T) {
	for _, c := range []struct {
		name string
		run  script
		want string
	}{
		{"garbage and the end", func(w *fakeWorker) {
			w.conn.Send(raw("Could not open input file: worker.php\n"))
		}, `"Could not open input file: worker.php\n"`},
		{"garbage for ever", func(w *fakeWorker) {
			w.conn.Send(raw(strings.Repeat("spam ", 20<<10)))
			w.hang()
		}, `"spam spam`},
		{"no word", func(w *fakeWorker) {},
			"it ended before READY (exit status 0) and said nothing; does it come to the SDK's run() or Serve()?"},
		{"a program that is no worker", func(w *fakeWorker) { w.errs.Write([]byte("hello\n")) },
			"it ended before READY (exit status 0): hello; does it come to the SDK's run() or Serve()?"},
		{"a crash without a word", func(w *fakeWorker) {
			w.die("signal: segmentation fault")
		}, "it ended before READY (signal: segmentation fault) and said nothing"},
		{"silence", func(w *fakeWorker) { w.hang() }, "no READY within start_timeout (30s)"},
		{"silence after a word", func(w *fakeWorker) { w.errs.Write([]byte("waiting for the database\n")); w.hang() },
			"no READY within start_timeout (30s); its process: state S (sleeping), in read; stderr: waiting for the " +
				"database"},
		{"a last word on stderr", func(w *fakeWorker) {
			w.errs.Write([]byte("PHP Fatal error:  oh\n"))
			w.die("exit status 255")
		},
			"it ended before READY (exit status 255): PHP Fatal error:  oh"},
		{"another version", func(w *fakeWorker) {
			w.conn.Accept()
			w.conn.Send(&protocol.Ready{Version: 9})
			w.hang()
		}, "expected READY with version 1, got version 9"},
		{"FAILED", func(w *fakeWorker) {
			w.conn.Accept()
			w.conn.Send(&protocol.Failed{Message: "no", Trace: "at line 1"})
			w.hang()
		}, "no\nat line 1"},
		{"READY after FAILED", func(w *fakeWorker) {
			w.conn.Accept()
			w.conn.Send(&protocol.Failed{Message: "no"})
			w.conn.Send(&protocol.Ready{Version: 1})
			w.hang()
		}, "no"},
		{"a RESPONSE to nothing", func(w *fakeWorker) {
			w.conn.Accept()
			w.conn.Send(&protocol.Response{Stream: 1, Status: 200})
			w.hang()
		}, "expected a stream that the host opened"},
		{"a process that can't be", nil, "no more processes"},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p, f := newFakePool(t, Settings{Workers: 1}, func(n int) script {
					if n > 1 {
						return serve(1, generationWorker)
					}
					return c.run
				})
				defer p.Stop(context.Background())
				<-p.Started()
				if got := p.Status().Failure; !strings.Contains(got, c.want) {
					t.Fatalf("%q; want %q in it", got, c.want)
				}
				time.Sleep(time.Second)
				s, _ := submit(p, "GET", "/")
				if s.result() != "generation 1" || p.Status().Failure != "" {
					t.Fatalf("not started again: %d starts, %q", f.count(), p.Status().Failure)
				}
			})
		})
	}
}

func TestStrayOutputBeforeTheMagicIsNoHarm(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, f := newFakePool(t, Settings{Workers: 1}, always(func(w *fakeWorker) {
			w.conn.Send(raw("\ufeffDeprecated: something is old\n"))
			serve(1, generationWorker)(w)
		}))
		defer p.Stop(context.Background())
		if s, _ := submit(p, "GET", "/"); s.result() != "generation 1" || f.count() != 1 {
			t.Fatal(s.failure)
		}
	})
}

func TestWorkerThatAsksForEverAndNeverReadsIsReplaced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, f := newFakePool(t, Settings{Workers: 1}, func(n int) script {
			if n > 1 {
				return serve(1, generationWorker)
			}
			return func(w *fakeWorker) {
				w.boot(1)
				for w.conn.Send(&protocol.Ping{Token: 1 << 62}) == nil {
					w.conn.Flush()
				}
			}
		})
		defer p.Stop(context.Background())
		<-p.Started()
		time.Sleep(time.Minute)
		if s, _ := submit(p, "GET", "/"); s.result() != "generation 1" || f.count() != 2 {
			t.Fatal(s.failure, f.count())
		}
	})
}

var errNoProcess = errors.New("no more processes")
