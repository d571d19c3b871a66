package fork

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/workerhost/workerhost/protocol"
	"github.com/workerhost/workerhost/workers"
	"golang.org/x/sys/unix"
)

// TestMain fails on a goroutine of this package that is left.
func TestMain(m *testing.M) {
	// What this program was started with must not come to a template, which takes it for its code's.
	unix.CloseRange(3, 1<<31-1, unix.CLOSE_RANGE_CLOEXEC)
	code := m.Run()
	if left := leaked(); code == 0 && left != "" {
		fmt.Fprintln(os.Stderr, "goroutines of this package are left:\n"+left)
		code = 1
	}
	os.Exit(code)
}

func leaked() (left string) {
	for deadline := time.Now().Add(5 * time.Second); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		buf := make([]byte, 1<<20)
		left = ""
		for _, stack := range strings.Split(string(buf[:runtime.Stack(buf, true)]), "\n\n") {
			if strings.Contains(stack, "workerhost/workers") && !strings.Contains(stack, "fork.TestMain") &&
				!strings.Contains(stack, "process.init.func") && !strings.Contains(stack, "reapOrphans") {
				left += stack + "\n\n"
			}
		}
		if left == "" {
			return ""
		}
	}
	return left
}

// logged is safe for concurrent use.
type logged struct {
	mu  sync.Mutex
	all strings.Builder
}

func (l *logged) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.all.Write(p)
}

func (l *logged) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.all.String()
}

// bench is a pool of PHP workers that are forked.
type bench struct {
	*testing.T
	pool   *workers.Pool
	forks  *Launcher
	log    *logged
	notes  string
	folder string
}

// start starts one with the settings, of which those that matter are filled in, and with the manner of the template.
func start(t *testing.T, manner string, s workers.Settings) *bench {
	t.Helper()
	php, err := exec.LookPath("php")
	if err != nil {
		t.Skip("there is no PHP")
	}
	b := &bench{T: t, log: new(logged), notes: filepath.Join(t.TempDir(), "notes"), folder: t.TempDir()}
	b.forks = &Launcher{
		Folder: func() (string, error) { return os.MkdirTemp(b.folder, "") },
		Logger: hclog.New(&hclog.LoggerOptions{Output: b.log, Level: hclog.Debug}),
	}
	here, err := filepath.Abs("testdata")
	if err != nil {
		t.Fatal(err)
	}
	s.Name, s.Launcher, s.Logger, s.Directory = "forked", b.forks, b.forks.Logger, here
	s.Command = []string{php, "-n", "-d", "extension=pcntl", "-d", "extension=posix", "-d", "display_errors=stderr",
		"worker.php"}
	if out, _ := exec.Command(php, "-n", "-m").Output(); strings.Contains(string(out), "pcntl") {
		s.Command = []string{php, "-n", "-d", "extension=posix", "-d", "display_errors=stderr", "worker.php"}
	}
	s.Env = append(os.Environ(), "NOTES="+b.notes, "MANNER="+manner)
	s.StartTimeout = cmp.Or(s.StartTimeout, 20*time.Second)
	s.DrainTimeout, s.StopTimeout = time.Second, time.Second
	if b.pool, err = workers.New(s); err == nil {
		err = b.pool.Start(t.Context())
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.stop)
	return b
}

// stop stops the pool, and looks for what it has left.
func (b *bench) stop() {
	b.pool.Stop(context.Background())
	b.forks.Close()
	if left, _ := os.ReadDir(b.folder); len(left) > 0 {
		b.Errorf("%v is left", left)
	}
	if b.Failed() {
		b.Log(b.log)
	}
}

func (b *bench) until(what string, done func() bool) {
	b.Helper()
	for deadline := time.Now().Add(20 * time.Second); !done(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(deadline) {
			b.Fatalf("not in 20 s: %s\n%+v", what, b.pool.Status())
		}
	}
}

// ready waits until so many workers are idle, and gives their processes.
func (b *bench) ready(n int) (pids []int) {
	b.Helper()
	b.until(fmt.Sprint(n, " workers are idle"), func() bool {
		pids = nil
		for _, w := range b.pool.Status().Workers {
			if w.State == workers.Idle {
				pids = append(pids, w.PID)
			}
		}
		return len(pids) == n
	})
	return pids
}

// told are how often what was noted, and by how many processes.
func (b *bench) told(what string) (times int, by map[string]bool) {
	text, _ := os.ReadFile(b.notes)
	by = map[string]bool{}
	for _, line := range strings.Split(string(text), "\n") {
		if word, pid, _ := strings.Cut(line, " "); word == what {
			times++
			by[pid] = true
		}
	}
	return times, by
}

type answer struct{ PID, Parent, Group, Loaded, Drawn, Slot, Open int }

// sink keeps what comes.
type sink struct {
	status int
	body   []byte
	failed *protocol.Failure
	done   chan struct{}
}

func (s *sink) Begin(protocol.Stream)        {}
func (s *sink) Writable()                    {}
func (s *sink) Inform(*protocol.Inform)      {}
func (s *sink) Respond(m *protocol.Response) { s.status, s.body = m.Status, append(s.body, m.Body...) }
func (s *sink) Data(m *protocol.Data)        { s.body = append(s.body, m.Bytes...) }
func (s *sink) Fail(f *protocol.Failure)     { s.failed = f }
func (s *sink) Finished()                    { close(s.done) }

func (b *bench) submit(target string) *sink {
	s := &sink{done: make(chan struct{})}
	b.pool.Submit(&protocol.Exchange{Request: &protocol.Request{
		Flags: protocol.FlagEnd, Method: "GET", Target: target, Version: "1.1", Scheme: "http",
		Host: "example.org", Remote: "192.0.2.1:5",
	}, Repeatable: true, Sink: s})
	return s
}

func (b *bench) ask() (a answer) {
	b.Helper()
	s := b.submit("/")
	<-s.done
	if err := json.Unmarshal(s.body, &a); err != nil || s.failed != nil {
		b.Fatalf("%d %q %v", s.status, s.body, s.failed)
	}
	return a
}

func (b *bench) reload() (failure string) {
	b.pool.Reload().Follow(context.Background(), func(e workers.Event) error {
		if e.Kind == workers.EventFailed {
			failure = e.Error
		}
		return nil
	})
	return failure
}

func TestWorkersAreForkedFromATemplateThatServesNobody(t *testing.T) {
	b := start(t, "", workers.Settings{Workers: 4})
	pids := b.ready(4)
	templates := b.forks.Templates()
	if len(templates) != 1 || templates[0].Workers != 4 || templates[0].Booting || templates[0].Generation != 1 {
		t.Fatalf("%+v", templates)
	}
	seen := map[int]answer{}
	for range 4 {
		a := b.ask()
		seen[a.PID] = a
		if a.Loaded != templates[0].PID || a.Parent != os.Getpid() || a.Group != a.PID ||
			!slices.Contains(pids, a.PID) || pids[a.Slot] != a.PID {
			t.Errorf("%+v of %v, template %d", a, pids, templates[0].PID)
		}
		b.submit("/hang") // so that the next one is another's
	}
	drawn := map[int]bool{}
	for _, a := range seen {
		drawn[a.Drawn] = true
	}
	if len(seen) != 4 || len(drawn) != 4 {
		t.Errorf("they draw the same numbers: %v", seen)
	}
	if n, by := b.told("start"); n != 1 || !by[strconv.Itoa(templates[0].PID)] {
		t.Errorf("%d starts, by %v", n, by)
	}
	if n, by := b.told("fork"); n != 4 || len(by) != 4 {
		t.Errorf("%d forks, by %v", n, by)
	}
	for _, w := range b.pool.Status().Workers {
		if w.Memory <= 0 || w.Memory > templates[0].Memory/3 {
			t.Errorf("worker %d has %d bytes of its own, the template %d", w.Slot, w.Memory, templates[0].Memory)
		}
		want := fmt.Sprintf("slot %d of process %d: generation=1 pid=%d pool=forked worker=%d", w.Slot, w.PID, w.PID,
			w.Slot)
		b.until("the log has "+want, func() bool { return strings.Contains(b.log.String(), want) })
	}
	if n := strings.Count(b.log.String(), "printed by the template"); n != 1 {
		t.Errorf("what the template has printed is %d times in the log", n)
	}
}

func TestAReloadBootsOneTemplateAndUndoesNothingOfTheLastOne(t *testing.T) {
	b := start(t, "", workers.Settings{Workers: 3})
	old := b.ready(3)
	if failure := b.reload(); failure != "" {
		t.Fatal(failure)
	}
	if n, _ := b.told("start"); n != 2 {
		t.Errorf("%d templates have booted", n)
	}
	b.until("the old ones have stopped", func() bool { n, _ := b.told("stop"); return n == 3 })
	for _, what := range []string{"shutdown", "destructor", "returned"} {
		if n, by := b.told(what); n > 0 {
			t.Errorf("%s in %v, the workers were %v", what, by, old)
		}
	}
	for _, line := range strings.Split(b.log.String(), "\n") {
		if strings.Contains(line, "[WARN]") || strings.Contains(line, "[ERROR]") {
			t.Error(line)
		}
	}
	b.until("the old template has ended", func() bool { return len(b.forks.Templates()) == 1 })
	if n, by := b.told("shutdown"); n != 1 || len(by) != 1 {
		t.Errorf("%d shutdowns, by %v", n, by)
	}
}

func TestATemplatesDeathHarmsNobodyAndTheNextWorkerBootsAnother(t *testing.T) {
	b := start(t, "", workers.Settings{Workers: 2})
	pids := b.ready(2)
	first := b.forks.Templates()[0].PID
	syscall.Kill(first, syscall.SIGKILL)
	b.until("it is noticed", func() bool { return len(b.forks.Templates()) == 0 })
	if a := b.ask(); !slices.Contains(pids, a.PID) {
		t.Errorf("%d answers, not one of %v", a.PID, pids)
	}
	syscall.Kill(pids[0], syscall.SIGKILL)
	b.until("another one takes its place", func() bool {
		now := b.pool.Status().Workers[0]
		return now.PID != pids[0] && now.State == workers.Idle
	})
	if all := b.forks.Templates(); len(all) != 1 || all[0].PID == first || all[0].Workers != 1 {
		t.Errorf("%+v", all)
	}
	if now := b.pool.Status().Workers; now[1].PID != pids[1] || now[0].Restarted != "exited (signal: killed)" {
		t.Errorf("%+v", now)
	}
}

func TestWhatATemplateFailsWithIsTheReasonOfItsFirstWorker(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	t.Setenv("SERVER", "tcp://"+listener.Addr().String())
	for manner, want := range map[string][]string{
		"throws":   {"RuntimeException: no such table"},
		"exits":    {"the code called exit() before the worker was ready"},
		"forkless": {"RuntimeException: no database"},
		"connects": {"TCP connection to " + listener.Addr().String(), "onFork()"},
		"opens":    {"/etc/passwd", "onFork()"},
	} {
		t.Run(manner, func(t *testing.T) {
			b := start(t, manner, workers.Settings{Workers: 1})
			b.until("it has failed", func() bool { return b.pool.Status().Failure != "" })
			why := b.pool.Status().Failure
			for _, text := range want {
				if !strings.Contains(why, text) {
					t.Errorf("the reason lacks %q: %s", text, why)
				}
			}
			if strings.Contains(why, b.notes) {
				t.Errorf("a log is no reason: %s", why)
			}
		})
	}
}

func TestAFileThatIsOnlyAddedToMayBeShared(t *testing.T) {
	start(t, "logs", workers.Settings{Workers: 2}).ready(2)
}

func TestWorkersThatEndOrAreEndedAreForkedAnewAndAlone(t *testing.T) {
	b := start(t, "", workers.Settings{Workers: 3, RequestTimeout: 300 * time.Millisecond, MaxMemory: 15 << 20})
	b.ready(3)
	for _, request := range []struct{ target, restarted string }{
		{"/exit", "exited (exit status 0)"}, {"/fatal", "exited (exit status 255)"},
		{"/hang", "unresponsive"}, {"/grow", "max_memory"},
	} {
		<-b.submit(request.target).done
		var reasons []string
		b.until("a worker was restarted after "+request.target, func() bool {
			reasons = nil
			for _, w := range b.pool.Status().Workers {
				reasons = append(reasons, w.Restarted)
			}
			return slices.ContainsFunc(reasons, func(r string) bool { return strings.Contains(r, request.restarted) })
		})
		b.ready(3)
	}
	if n, _ := b.told("start"); n != 1 {
		t.Errorf("%d templates", n)
	}
	b.ask()
}

func TestNothingIsLeftOfWorkersThatHaveEnded(t *testing.T) {
	b := start(t, "", workers.Settings{Workers: 2, MaxRequests: 3})
	b.ready(2)
	open := func() int { all, _ := os.ReadDir("/proc/self/fd"); return len(all) }
	var before, inside int
	for i := range 120 {
		a := b.ask()
		if i == 20 {
			before, inside = open(), a.Open
		}
		if a.Open > inside && i > 20 {
			t.Fatalf("a worker has %d descriptors, one before it %d", a.Open, inside)
		}
	}
	b.until("many were forked", func() bool { // the quicker the answers, the more of them a worker has
		b.ask()
		n, by := b.told("fork")
		return n >= 5 && len(by) >= 5
	})
	b.until("all descriptors are closed", func() bool { return open() <= before+4 })
	if folders, _ := filepath.Glob(filepath.Join(b.folder, "*", "*")); len(folders) > 6 {
		t.Errorf("%v are left", folders)
	}
}

func TestATemplateThatForksNoMoreIsReplaced(t *testing.T) {
	b := start(t, "", workers.Settings{Workers: 1, StartTimeout: 2 * time.Second})
	pid := b.ready(1)[0]
	first := b.forks.Templates()[0].PID
	syscall.Kill(first, syscall.SIGSTOP)
	syscall.Kill(pid, syscall.SIGKILL)
	b.until("another template has forked another worker", func() bool {
		w, all := b.pool.Status().Workers[0], b.forks.Templates()
		return w.State == workers.Idle && w.PID != pid && len(all) == 1 && all[0].PID != first
	})
	if why := "no READY within start_timeout (2s)"; !strings.Contains(b.log.String(), why) {
		t.Errorf("the log lacks %q", why)
	}
}

func TestAStopAmidAForkLeavesNothing(t *testing.T) {
	for range 5 {
		b := start(t, "", workers.Settings{Workers: 6})
		b.until("a template boots", func() bool { return len(b.forks.Templates()) == 1 })
		if n, _ := b.told("fork"); n == 0 {
			time.Sleep(20 * time.Millisecond) // anywhere between the boot and the last fork
		}
		b.pool.Stop(context.Background())
		b.forks.Close()
	}
}
