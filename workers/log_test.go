package workers

import (
	"context"
	"fmt"
	"io"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/workerhost/workerhost/protocol"
)

// entries are the lines of a log that hold text.
func (l *lines) entries(text string) (found []string) {
	for line := range strings.Lines(l.String()) {
		if strings.Contains(line, text) {
			found = append(found, line)
		}
	}
	return found
}

// asked is a request with an id that is its path.
func asked(path string) *protocol.Request {
	r := get(path)
	r.ID = "id" + strings.ReplaceAll(path, "/", "-")
	return r
}

func TestWhatAWorkerPrintsIsLoggedWithItsOwnRequestOrNone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		set, log := logged(Settings{Workers: 1})
		p, _ := newFakePool(t, set, always(serve(2, func(w *fakeWorker, r *protocol.Request) {
			print := func(text string) {
				w.conn.Send(&protocol.Log{Stream: r.Stream, Level: protocol.LogPrint, Message: text})
			}
			switch r.Target {
			case "/pieces":
				print("a line ")
				print("of three")
				print(" pieces\nWarning: another\n\nno end of ")
				print("pieces")
			case "/first":
				print("no end of first")
				time.Sleep(time.Second)
			case "/second":
				time.Sleep(time.Second / 2)
				print("all of second\n")
				io.WriteString(w.errs, "on standard error\n")
			case "/late":
				w.conn.Send(&protocol.Response{Stream: r.Stream, Flags: protocol.FlagEnd | protocol.FlagDone,
					Status: 204})
				print("of a stream that is done\n")
				w.conn.Send(&protocol.Log{Stream: r.Stream, Level: "info", Message: "an entry of it"})
				return
			}
			w.conn.Send(&protocol.Response{Stream: r.Stream, Flags: protocol.FlagEnd | protocol.FlagDone, Status: 204})
		})))
		ready()
		for _, path := range []string{"/pieces", "/first", "/second", "/late"} {
			p.Submit(&protocol.Exchange{Request: asked(path), Sink: newSink()})
			if path != "/first" {
				time.Sleep(2 * time.Second)
			}
		}
		p.Stop(context.Background())
		for text, id := range map[string]string{
			"a line of three pieces": "id-pieces", "Warning: another": "id-pieces", "no end of pieces": "id-pieces",
			"no end of first": "id-first", "all of second": "id-second",
			"on standard error": "", "of a stream that is done": "", "an entry of it": "",
		} {
			found := log.entries(text)
			if len(found) != 1 || !strings.Contains(found[0], "]  "+text+": ") ||
				strings.Contains(found[0], "id-") != (id != "") || !strings.Contains(found[0], id) {
				t.Errorf("%q, of %q, is logged as %q", text, id, found)
			}
		}
		if w := log.entries("Warning: another"); len(w) == 1 && !strings.Contains(w[0], "[WARN]") {
			t.Errorf("a warning is logged as %q", w)
		}
	})
}

func TestALineWhoseEndDoesNotComeIsLoggedAfterASecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		set, log := logged(Settings{Workers: 1})
		p, _ := newFakePool(t, set, always(serve(1, func(w *fakeWorker, r *protocol.Request) {
			io.WriteString(w.errs, "waiting for the database")
			w.conn.Send(&protocol.Log{Stream: r.Stream, Level: protocol.LogPrint, Message: "half of "})
			time.Sleep(lineTime / 2)
			w.conn.Send(&protocol.Log{Stream: r.Stream, Level: protocol.LogPrint, Message: "a line"})
			time.Sleep(lineTime)
			w.conn.Send(&protocol.Log{Stream: r.Stream, Level: protocol.LogPrint, Message: "its end\n"})
			io.WriteString(w.errs, "that was long\n")
			w.hang()
		})))
		ready()
		p.Submit(&protocol.Exchange{Request: asked("/"), Sink: newSink()})
		time.Sleep(2 * time.Second)
		for text, named := range map[string]bool{
			"waiting for the database": false, "half of a line": true, "its end": true, "that was long": false,
		} {
			found := log.entries("]  " + text + ": ")
			if len(found) != 1 || strings.Contains(found[0], "request_id=id-") != named {
				t.Errorf("%q is logged as %q", text, found)
			}
		}
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		p.Stop(ctx)
	})
}

func TestWhatAWorkerPrintedLastIsInTheReportOfItsDeath(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		set, log := logged(Settings{Workers: 1})
		p, _ := newFakePool(t, set, always(serve(1, func(w *fakeWorker, r *protocol.Request) {
			w.conn.Send(&protocol.Log{Stream: r.Stream, Level: protocol.LogPrint, Message: "about to fall"})
			w.conn.Flush()
			w.die("signal: segmentation fault")
		})))
		defer p.Stop(context.Background())
		ready()
		s := newSink()
		r := asked("/fall")
		r.Method = "POST"
		p.Submit(&protocol.Exchange{Request: r, Sink: s})
		if f := s.failed(t); !strings.Contains(f.Detail, "stderr: about to fall") {
			t.Errorf("reported as %q", f.Detail)
		}
		if found := log.entries("]  about to fall: "); len(found) != 1 || !strings.Contains(found[0], "id-fall") {
			t.Errorf("logged as %q", found)
		}
	})
}

func TestAFloodOfLogLinesIsBoundedAndCounted(t *testing.T) {
	for _, way := range []string{"stderr", "print", "info", "nested", "unknown", "acts"} {
		t.Run(way, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				const said = 5000
				set, log := logged(Settings{Workers: 1, LogRate: 10 << 10})
				flood := strings.Repeat("flood ", 20)
				p, f := newFakePool(t, set, always(serve(1, func(w *fakeWorker, r *protocol.Request) {
					for range said {
						switch way {
						case "stderr":
							io.WriteString(w.errs, flood+"\n")
						case "print":
							w.conn.Send(&protocol.Log{Level: protocol.LogPrint, Message: flood + "\n"})
						case "info":
							w.conn.Send(&protocol.Log{Level: "info", Message: flood})
						case "nested":
							context, _ := protocol.NewValue(map[string]any{"a": []any{map[string]any{"b": flood}}})
							w.conn.Send(&protocol.Log{Level: "info", Message: "flood", Context: context})
						case "acts":
							w.conn.Send(&protocol.Join{Groups: []string{"flood"}})
						case "unknown":
							w.conn.Send(frame(0x92, 100, 0))
						}
					}
					w.conn.Send(&protocol.Response{Stream: r.Stream, Flags: protocol.FlagEnd | protocol.FlagDone,
						Status: 204})
				})))
				ready()
				s, _ := submit(p, "GET", "/")
				if s.failure != nil {
					t.Fatal(s.failure)
				}
				time.Sleep(5 * time.Second)
				dropped := p.Metrics().LogDropped
				logged := said - int(dropped)
				if size := len(log.String()); logged < 100 || dropped < said/2 || size > 300<<10 {
					t.Errorf("%d entries and %d bytes were logged, %d entries dropped", logged, size, dropped)
				}
				told := 0
				for _, line := range log.entries("some of it was dropped") {
					var n int
					_, count, _ := strings.Cut(line, "entries=")
					fmt.Sscan(count, &n)
					told += n
				}
				if told != int(dropped) {
					t.Errorf("%d entries were dropped, and %d told of:\n%s", dropped, told, log.entries("dropped"))
				}
				f.process(1).Kill()
				time.Sleep(time.Second)
				p.Stop(context.Background())
			})
		})
	}
}

func TestLongLinesAndEntriesAreCutWithANote(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		set, log := logged(Settings{Workers: 1, LogRate: -1})
		p, _ := newFakePool(t, set, always(serve(1, func(w *fakeWorker, r *protocol.Request) {
			io.WriteString(w.errs, "stderr "+strings.Repeat("x", maxText)+"\nafter stderr\n")
			io.WriteString(w.errs, "fits "+strings.Repeat("x", maxText-5)+"\n")
			for range 100 {
				piece := "print " + strings.Repeat("y", 2000)
				w.conn.Send(&protocol.Log{Stream: r.Stream, Level: protocol.LogPrint, Message: piece})
			}
			w.conn.Send(&protocol.Log{Stream: r.Stream, Level: protocol.LogPrint, Message: "\nafter print\n"})
			w.conn.Send(&protocol.Log{Level: "info", Message: "entry " + strings.Repeat("é", 8<<20-100)})
			context, _ := protocol.NewValue(map[string]any{
				"a": strings.Repeat("a", 100<<10), "deep": []any{strings.Repeat("b", 100<<10)}, "z": "small",
			})
			w.conn.Send(&protocol.Log{Level: "info", Message: "large context", Context: context})
			context, _ = protocol.NewValue(map[string]any{"a": strings.Repeat("c", 16<<20-1000)})
			w.conn.Send(&protocol.Log{Level: "info", Message: "huge context", Context: context})
			w.conn.Send(&protocol.Response{Stream: r.Stream, Flags: protocol.FlagEnd | protocol.FlagDone, Status: 204})
		})))
		ready()
		submit(p, "GET", "/")
		time.Sleep(time.Second)
		p.Stop(context.Background())
		for _, over := range []int{7, 100*2006 - maxText, 6 + 2*(8<<20-100) - maxText, 100<<10 - maxValue} {
			wants(t, log, fmt.Sprintf("… (cut: %d bytes more)", over))
		}
		wants(t, log, "after stderr", "after print", "z=small", "left out: 102")
		for _, line := range log.entries("") {
			if len(line) > maxText+500 {
				t.Errorf("a line of %d bytes: %.100q", len(line), line)
			}
		}
		if found := log.entries("fits x"); len(found) != 1 || strings.Contains(found[0], "cut:") {
			t.Errorf("a line that fits is cut")
		}
		if found := log.entries("huge context"); len(found) != 1 || !strings.Contains(found[0], "left out: 16776") {
			t.Errorf("a huge context is logged as %.200q", found)
		}
	})
}

func TestAContextPassesForNothingThatTheHostSays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		set, log := logged(Settings{Workers: 1})
		p, _ := newFakePool(t, set, always(serve(1, func(w *fakeWorker, r *protocol.Request) {
			context, _ := protocol.NewValue(map[string]any{
				"request_id": "another", "log": "access", "user": "a\u202eb",
				"in": map[string]any{"key\u009b": "\u2066"},
			})
			w.conn.Send(&protocol.Log{Stream: r.Stream, Level: "info", Message: "entry", Context: context})
			w.conn.Send(&protocol.Response{Stream: r.Stream, Flags: protocol.FlagEnd | protocol.FlagDone, Status: 204})
		})))
		ready()
		p.Submit(&protocol.Exchange{Request: asked("/"), Sink: newSink()})
		time.Sleep(time.Second)
		p.Stop(context.Background())
		wants(t, log, "request_id=id-", "context.request_id=another", "context.log=access", `a\u202eb`, `key\x9b`,
			`\u2066`)
		if strings.ContainsAny(log.String(), "\u202e\u009b\u2066") {
			t.Errorf("raw control characters: %q", log.entries("entry"))
		}
	})
}

func TestNothingElseThatAWorkerSaysIsLongEither(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		set, log := logged(Settings{Workers: 1})
		long := strings.Repeat("x", 4<<20)
		var fails atomic.Bool
		p, _ := newFakePool(t, set, always(func(w *fakeWorker) {
			if fails.Load() {
				w.conn.Accept()
				w.conn.Send(&protocol.Failed{Message: "no " + long, Trace: long})
				return
			}
			serve(1, func(w *fakeWorker, r *protocol.Request) {
				w.conn.Send(&protocol.Reset{Stream: r.Stream, Code: protocol.ResetInternal, Reason: long})
				w.conn.Send(&protocol.Done{Stream: r.Stream})
			})(w)
		}))
		defer p.Stop(context.Background())
		ready()
		s, _ := submit(p, "GET", "/")
		if f := s.failed(t); len(f.Detail) > maxText+500 || !strings.Contains(f.Detail, "bytes more)") {
			t.Errorf("a RESET's reason: %d bytes", len(f.Detail))
		}
		fails.Store(true)
		if e := last(follow(p.Reload())); len(e.Error) > 2*maxText+500 {
			t.Errorf("FAILED: %d bytes", len(e.Error))
		}
		if n := len(log.String()); n > 10*maxText {
			t.Errorf("the log has %d bytes", n)
		}
	})
}

func TestAWorkerThatIsNotQuietGetsItsShareOfTheLog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, rate := range []int64{1000, 1 << 20, 1 << 62} {
			log := new(lines)
			v := voice{log: hclog.New(&hclog.LoggerOptions{Output: log}), rate: rate, meter: new(meter)}
			text := strings.Repeat("x", 100-lineCost%100)
			said := 0
			for range 100_000 { // over 10 s, more often than a byte's time
				v.say(hclog.Info, text, 0)
				said += len(text) + lineCost
				time.Sleep(100 * time.Microsecond)
			}
			v.tell()
			logged := int64(strings.Count(log.String(), text) * (len(text) + lineCost))
			if share := min(int64(said), 18*min(rate, 1<<40)); logged < share*99/100 || logged > share*101/100+1000 {
				t.Errorf("at %d bytes a second %d of %d bytes are logged, not %d", rate, logged, said, share)
			}
		}
	})
}

func TestWhatAWorkerLoggedLastIsInTheReportOfItsFailedBoot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var fails atomic.Bool
		p, _ := newFakePool(t, Settings{Workers: 1}, always(func(w *fakeWorker) {
			if fails.Load() {
				w.conn.Accept()
				w.conn.Send(&protocol.Log{Level: "info", Message: "no database"})
				w.conn.Flush()
				w.die("exit status 1")
				return
			}
			serve(1, slowly)(w)
		}))
		defer p.Stop(context.Background())
		ready()
		fails.Store(true)
		if e := last(follow(p.Reload())); e.Error != "it ended before READY (exit status 1): no database" {
			t.Errorf("reported as %q", e.Error)
		}
	})
}
