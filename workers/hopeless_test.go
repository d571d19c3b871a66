package workers

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/workerhost/workerhost/workers/internal/process"
)

func TestProgramThatCanNeverRunIsSaidToBeHopeless(t *testing.T) {
	for err, remedy := range map[error]string{
		syscall.ENOEXEC: "build it for this one",
		syscall.ENOENT:  "interpreter",
		syscall.EACCES:  "chmod +x",
	} {
		synctest.Test(t, func(t *testing.T) {
			set := Settings{Workers: 2, Command: []string{"/bin/sh"}, Directory: t.TempDir()}
			set.launch = func(*generation, []string) (process.Process, error) {
				return nil, cantStart("/app/worker", &fs.PathError{Op: "fork/exec", Path: "/app/worker", Err: err})
			}
			p, bad := New(set)
			if bad = errors.Join(bad, p.Start(context.Background())); bad != nil {
				t.Fatal(bad)
			}
			defer p.Stop(context.Background())
			<-p.Started()
			why := p.Hopeless()
			if !errors.Is(why, err) || !strings.Contains(why.Error(), remedy) {
				t.Fatal(why)
			}
		})
	}
}

func TestPoolThatFailsForAnotherReasonIsNotHopeless(t *testing.T) {
	for name, launch := range map[string]func(n int) script{
		"a start that the system refuses for the moment": func(int) script { return nil },
		"code that fails": func(int) script { return broken },
	} {
		synctest.Test(t, func(t *testing.T) {
			p, _ := newFakePool(t, Settings{Workers: 2}, launch)
			defer p.Stop(context.Background())
			<-p.Started()
			time.Sleep(time.Minute)
			if err := p.Hopeless(); err != nil {
				t.Fatalf("%s: %v", name, err)
			}
		})
	}
}

func TestRealProgramThatIsNoneIsHopeless(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "worker")
	if err := os.WriteFile(file, []byte("\x7fELF, not really"), 0o755); err != nil {
		t.Fatal(err)
	}
	p, err := New(Settings{Command: []string{file}, Directory: dir, Workers: 1})
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Start(context.Background()); err != nil {
		t.Fatal(err)
	}
	defer p.Stop(context.Background())
	<-p.Started()
	if err := p.Hopeless(); !errors.Is(err, syscall.ENOEXEC) {
		t.Fatal(err)
	}
}

func TestPoolWhoseWorkersDieRightAfterREADYSaysWhy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, _ := newFakePool(t, Settings{Workers: 2}, always(func(w *fakeWorker) {
			w.boot(1)
			w.conn.Flush()
			time.Sleep(time.Millisecond)
			w.errs.Write([]byte("Fatal error: no such table\n"))
			w.die("exit status 255")
		}))
		defer p.Stop(context.Background())
		time.Sleep(time.Minute)
		if got, want := p.Status().Failure,
			"it was ready, and ended before it finished a request (exit status 255): "+
				"Fatal error: no such table"; got != want {
			t.Fatalf("%q", got)
		}
	})
}
