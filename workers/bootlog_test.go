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

	"github.com/workerhost/workerhost/protocol"
)

// uncaught is what PHP prints of an exception that nobody catches.
const uncaught = `Fatal error: Uncaught RuntimeException: no database in /app/worker.php:4
Stack trace:
#0 /app/worker.php(5): connect()
#1 {main}
  thrown in /app/worker.php on line 4
`

// badBoots are ways in which a worker does not start, and what is known of it then.
var badBoots = map[string]struct {
	run script
	why string
}{
	"an exception before the SDK runs": {func(w *fakeWorker) {
		w.conn.Accept()
		io.WriteString(w.errs, uncaught)
		w.die("exit status 255")
	}, "it ended before READY (exit status 255): " + strings.TrimSpace(uncaught)},
	"an exception within it": {func(w *fakeWorker) {
		w.conn.Accept()
		w.conn.Send(&protocol.Failed{Message: "Exception: no database in /app/worker.php:4",
			Trace: "Exception: no database in /app/worker.php:4\nStack trace:\n#0 {main}"})
	}, "Exception: no database in /app/worker.php:4\nStack trace:\n#0 {main}"},
	"a word and an exit": {func(w *fakeWorker) {
		w.conn.Accept()
		w.conn.Send(&protocol.Log{Level: "critical", Message: "no database"})
		w.conn.Flush()
		w.die("exit status 3")
	}, "it ended before READY (exit status 3): no database"},
	"output that is no frame": {func(w *fakeWorker) {
		io.WriteString(w.outW, "no database\n")
		w.die("exit status 3")
	}, `got other output and then the end (SPEC.md §1.2): text "no database\n"`},
	"output between frames": {func(w *fakeWorker) {
		w.conn.Accept()
		w.conn.Send(&protocol.Log{Level: "info", Message: "starts"})
		w.conn.Send(raw("no database\n"))
		w.conn.Flush()
		w.hang()
	}, "no database"},
}

func TestAFailedBootIsToldOnce(t *testing.T) {
	for name, c := range badBoots {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var fails atomic.Bool
				fails.Store(true)
				set, log := logged(Settings{Workers: 3, Surge: 3})
				p, f := newFakePool(t, set, func(int) script {
					if fails.Load() {
						return c.run
					}
					return bootsFor(0)
				})
				defer p.Stop(context.Background())
				check := func(when, why string) {
					t.Helper()
					if !strings.Contains(why, c.why) {
						t.Errorf("%s: the reason is %q", when, why)
					}
					if n := strings.Count(log.String(), "no database"); n != 1 {
						t.Errorf("%s: it is told %d times:\n%s", when, n, log)
					}
				}
				time.Sleep(time.Minute) // it is tried again, and the log says that
				check("at the start", p.Status().Failure)
				if n := strings.Count(log.String(), "worker failed to start, for the same reason"); n != f.count()-1 {
					t.Errorf("%d attempts more, %d are told", f.count()-1, n)
				}
				fails.Store(false)
				follow(p.Reload())
				fails.Store(true)
				log.reset()
				check("in a reload", last(follow(p.Reload())).Error)
			})
		})
	}
}

func TestWhatAWorkerSaysAsItBootsIsLoggedWithinASecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		set, log := logged(Settings{Workers: 1})
		p, _ := newFakePool(t, set, always(func(w *fakeWorker) {
			io.WriteString(w.errs, "it connects\n")
			time.Sleep(10 * time.Second)
			io.WriteString(w.errs, "it has connected\n")
			serve(1, slowly)(w)
		}))
		defer p.Stop(context.Background())
		time.Sleep(entryTime + keptFor + time.Millisecond)
		synctest.Wait()
		if !strings.Contains(log.String(), "it connects") {
			t.Errorf("after %v:\n%s", keptFor, log)
		}
		time.Sleep(10 * time.Second)
		synctest.Wait()
		_, after, _ := strings.Cut(log.String(), "it connects")
		if said, _, ok := strings.Cut(after, "worker ready"); !ok || !strings.Contains(said, "it has connected") {
			t.Errorf("READY:\n%s", log)
		}
	})
}

func TestNothingThatAWorkerSaidAsItBootedIsLost(t *testing.T) {
	much := func(w *fakeWorker) {
		w.conn.Accept()
		for i := range 2000 {
			fmt.Fprintf(w.errs, "line %d of much\n", i)
		}
	}
	some := func(w *fakeWorker) {
		w.conn.Accept()
		io.WriteString(w.errs, "a word\n")
		context, _ := protocol.NewValue(map[string]any{"table": "users"})
		w.conn.Send(&protocol.Log{Level: "error", Message: "a migration is due", Context: context})
		w.conn.Flush()
		time.Sleep(10 * time.Millisecond)
	}
	for name, c := range map[string]struct {
		run script
		has []string
	}{
		"beside another reason": {func(w *fakeWorker) { some(w); w.conn.Send(&protocol.Failed{Message: "no"}) },
			[]string{"a word", "a migration is due", "table=users", "error=no"}},
		"with a field": {func(w *fakeWorker) { some(w); w.die("exit status 1") },
			[]string{"a word", "a migration is due", "table=users"}},
		"too much for a report": {func(w *fakeWorker) { much(w); w.die("exit status 1") },
			[]string{"line 0 of much", "line 1000 of much", "line 1999 of much"}},
		"a stop": {func(w *fakeWorker) { some(w); w.hang() }, []string{"a word", "a migration is due"}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				set, log := logged(Settings{Workers: 1, LogRate: -1})
				p, _ := newFakePool(t, set, always(c.run))
				time.Sleep(50 * time.Millisecond)
				p.Stop(context.Background())
				for _, text := range c.has {
					if !strings.Contains(log.String(), text) {
						t.Errorf("%q is missing:\n%s", text, log)
					}
				}
			})
		})
	}
}

func TestAReloadTellsOfEachNewWorkerThatDoesNotStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		set, log := logged(Settings{Workers: 4, Surge: 4})
		p, _ := newFakePool(t, set, func(n int) script {
			if n <= 5 {
				return bootsFor(0)
			}
			return func(w *fakeWorker) {
				w.conn.Accept()
				time.Sleep(time.Millisecond) // by then all that the surge allows have begun
				w.conn.Send(&protocol.Failed{Message: fmt.Sprintf("no port %d", n)})
			}
		})
		defer p.Stop(context.Background())
		ready()
		if e := last(follow(p.Reload())); e.Kind != EventFailed {
			t.Fatalf("%+v", e)
		}
		for _, text := range []string{"no port 6", "no port 7", "no port 8"} {
			if n := strings.Count(log.String(), text); n != 1 {
				t.Errorf("%s is told %d times:\n%s", text, n, log)
			}
		}
	})
}
