package workers

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/workerhost/workerhost/protocol"
)

// phpFatal is how PHP reports an exception that nobody catches.
const phpFatal = `Fatal error: Uncaught RuntimeException: SQLSTATE[42P01]: no table
LINE 1: SELECT in /srv/a.php:3
Stack trace:
#0 /srv/b.php(7): f()
#1 {main}

Next LogicException: outer in /srv/a.php:5
Stack trace:
#0 {main}
  thrown in /srv/a.php on line 5
`

func TestAStackTraceIsOneEntryWithItsLevel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		set, log := logged(Settings{Workers: 1})
		p, _ := newFakePool(t, set, always(serve(1, func(w *fakeWorker, r *protocol.Request) {
			for line := range strings.Lines("before\n" + phpFatal + "[critical] after\n[warning] mild\nlast\n") {
				io.WriteString(w.errs, line)
			}
			for _, piece := range []string{"[2026-11-28 05:12:19] app.ERROR: printed\n[stack", "trace]\n#0 {main}"} {
				w.conn.Send(&protocol.Log{Stream: r.Stream, Level: protocol.LogPrint, Message: piece})
			}
			w.conn.Send(&protocol.Response{Stream: r.Stream, Flags: protocol.FlagEnd | protocol.FlagDone, Status: 204})
		})))
		ready()
		p.Submit(&protocol.Exchange{Request: asked("/"), Sink: newSink()})
		time.Sleep(entryTime + time.Millisecond)
		for text, level := range map[string]string{
			"]  before: ": "[INFO]", "Fatal error: Uncaught": "[ERROR]", "[critical] after": "[ERROR]",
			"[warning] mild": "[WARN]", "]  last: ": "[INFO]", "app.ERROR: printed": "[ERROR]",
		} {
			found := log.entries(text)
			if len(found) != 1 || !strings.Contains(found[0], " "+level+" ") {
				t.Errorf("%q is logged as %q, not once as %s", text, found, level)
			}
			if text == "app.ERROR: printed" && !strings.Contains(strings.Join(found, ""), "request_id=id-") {
				t.Errorf("without its request: %q", found)
			}
		}
		wants(t, log, "  trace=\n  | LINE 1: SELECT in /srv/a.php:3\n  | Stack trace:\n  | #0 /srv/b.php(7): f()\n"+
			"  | #1 {main}\n  | Next LogicException: outer in /srv/a.php:5\n  | Stack trace:\n  | #0 {main}\n"+
			"  |   thrown in /srv/a.php on line 5\n", "  trace=\n  | [stacktrace]\n  | #0 {main}\n")
		p.Stop(context.Background())
	})
}

func TestNoLineIsHeldForLong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		set, log := logged(Settings{Workers: 1})
		p, _ := newFakePool(t, set, always(serve(1, func(w *fakeWorker, r *protocol.Request) {
			print := func(text string) {
				w.conn.Send(&protocol.Log{Stream: r.Stream, Level: protocol.LogPrint, Message: text})
			}
			for i := range 3 * int(entryTime/time.Millisecond) { // a trace that does not end
				io.WriteString(w.errs, fmt.Sprintf("#%d {main}\n", i))
				time.Sleep(time.Millisecond)
			}
			time.Sleep(entryTime)
			print("first\n")
			w.conn.Send(&protocol.Log{Stream: r.Stream, Level: "info", Message: "second"})
			print("third\n#0 {main}\n")
			time.Sleep(2 * entryTime)
			print("#1 {main}\n")
			w.conn.Send(&protocol.Response{Stream: r.Stream, Flags: protocol.FlagEnd | protocol.FlagDone, Status: 204})
		})))
		ready()
		p.Submit(&protocol.Exchange{Request: asked("/"), Sink: newSink()})
		time.Sleep(entryTime + time.Millisecond)
		wants(t, log, "]  #0 {main}: ")
		time.Sleep(4*entryTime - 2*time.Millisecond) // the last line alone has waited
		if n := len(log.entries("{main}: ")); n != 3 {
			t.Errorf("%d entries of a trace that took three times as long as one may", n)
		}
		time.Sleep(10 * entryTime)
		all := log.String()
		first, second, third := strings.Index(all, "  first: "), strings.Index(all, "  second: "),
			strings.Index(all, "  third: ")
		if first < 0 || second < first || third < second {
			t.Errorf("out of order: %d, %d, %d in\n%s", first, second, third, all)
		}
		wants(t, log, `trace="#0 {main}"`, "  #1 {main}: ")
		p.Stop(context.Background())
	})
}

func TestTheDeathOfAWorkerHoldsNoLineBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		set, log := logged(Settings{Workers: 1})
		p, _ := newFakePool(t, set, always(serve(1, func(w *fakeWorker, r *protocol.Request) {
			io.WriteString(w.errs, phpFatal)
			w.die("exit status 255")
		})))
		defer p.Stop(context.Background())
		ready()
		s := newSink()
		r := asked("/fall")
		r.Method = "POST"
		p.Submit(&protocol.Exchange{Request: r, Sink: s})
		if f := s.failed(t); !strings.Contains(f.Detail, "Stack trace:\n#0 /srv/b.php(7): f()") {
			t.Errorf("reported as %q", f.Detail)
		}
		all := log.String()
		entry, lost := strings.Index(all, " Fatal error: Uncaught"), strings.Index(all, "lost with its worker")
		if entry < 0 || lost < entry || !strings.Contains(all[entry:lost], "trace=") {
			t.Errorf("its last words are not before its death in\n%s", all)
		}
	})
}

func TestTracesOfTwoRequestsNeverJoin(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		set, log := logged(Settings{Workers: 1})
		var both []uint32
		p, _ := newFakePool(t, set, always(serve(2, func(w *fakeWorker, r *protocol.Request) {
			if both = append(both, r.Stream); len(both) < 2 {
				return
			}
			for _, text := range []string{"an error", "#0 a(1): f", "#1 b(2): g"} {
				for i, stream := range both {
					w.conn.Send(&protocol.Log{Stream: stream, Level: protocol.LogPrint,
						Message: fmt.Sprintf("%s of /%d\n", text, i)})
				}
			}
			for _, stream := range both {
				w.conn.Send(&protocol.Response{Stream: stream, Flags: protocol.FlagEnd | protocol.FlagDone,
					Status: 204})
			}
		})))
		ready()
		for _, path := range []string{"/0", "/1"} {
			p.Submit(&protocol.Exchange{Request: asked(path), Sink: newSink()})
		}
		time.Sleep(time.Second)
		p.Stop(context.Background())
		for _, i := range []string{"0", "1"} {
			found := log.entries("request_id=id-" + i)
			if len(found) != 3 || strings.Count(strings.Join(found, ""), "of /"+i) != 3 {
				t.Errorf("of /%s are %q", i, found)
			}
		}
	})
}

func TestAnEntryIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		set, log := logged(Settings{Workers: 1, LogRate: -1})
		p, _ := newFakePool(t, set, always(serve(1, func(w *fakeWorker, r *protocol.Request) {
			var b bytes.Buffer
			b.WriteString("an error\n")
			for i := range 10_000 {
				fmt.Fprintf(&b, "#%04d {main}\n", i)
			}
			b.WriteString("after it\n")
			w.errs.Write(b.Bytes())
			w.hang()
		})))
		ready()
		p.Submit(&protocol.Exchange{Request: asked("/"), Sink: newSink()})
		time.Sleep(time.Second)
		wants(t, log, "]  an error: ", fmt.Sprintf("… (cut: %d bytes more)", 10_000*12-maxText+maxText/13),
			"]  after it: ")
		if n := len(log.String()); n > 3*maxText {
			t.Errorf("the log has %d bytes", n)
		}
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		p.Stop(ctx)
	})
}

func BenchmarkPrinted(b *testing.B) {
	for name, line := range map[string]string{
		"plain":   "the order 4711 of the customer 12 was shipped to the address that they gave\n",
		"monolog": `[2026-11-28T05:12:19.123456+00:00] app.INFO: the order was shipped {"order":4711} []` + "\n",
		"trace":   "PHP Warning:  no in /srv/a.php on line 3\nStack trace:\n#0 /srv/b.php(7): f()\n#1 {main}\n",
	} {
		b.Run(name, func(b *testing.B) {
			log := hclog.New(&hclog.LoggerOptions{Output: io.Discard, JSONFormat: true})
			w := &worker{voice: voice{log: log, rate: -1}}
			w.stderr.start(w)
			defer w.stderr.end()
			b.ReportAllocs()
			for text := []byte(line); b.Loop(); {
				w.stderr.write(text)
			}
		})
	}
}
