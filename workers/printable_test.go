package workers

import (
	"context"
	"io"
	"sync/atomic"
	"testing"
	"testing/synctest"
)

func TestWhatAWorkerSaysHasNoControlCharacters(t *testing.T) {
	for _, c := range []struct{ said, shown string }{
		{"", ""},
		{"Grüße,\tWelt\n#0 main", "Grüße,\tWelt\n#0 main"},
		{"\x1b[2J\x1b]0;title\a", `\x1b[2J\x1b]0;title\x07`},
		{"of\r\nWindows", "of\nWindows"},
		{"a\rb\x00\x7f\u009b31m", `a\x0db\x00\x7f\x9b31m`},
		{"user\u202egnp.exe \u2066a\u2069\u200f\u061c", `user\u202egnp.exe \u2066a\u2069\u200f\u061c`},
		{"\xff\xfe\uFFFD", `\xff\xfe` + "\uFFFD"},
	} {
		if got := printable(c.said); got != c.shown {
			t.Errorf("%q is shown as %q", c.said, got)
		}
	}
}

func TestStderrReachesLogAndReportsWithoutControlCharacters(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		set, log := logged(Settings{Workers: 1})
		var poison atomic.Bool
		p, _ := newFakePool(t, set, always(func(w *fakeWorker) {
			if poison.Load() {
				io.WriteString(w.errs, "\x1b[2Jgone\n")
				w.die("exit status 1")
				return
			}
			serve(1, slowly)(w)
		}))
		defer p.Stop(context.Background())
		ready()
		poison.Store(true)
		if e := last(follow(p.Reload())); e.Error != `it ended before READY (exit status 1): \x1b[2Jgone` {
			t.Errorf("reported as %q", e.Error)
		}
		wants(t, log, `\x1b[2Jgone`)
	})
}
