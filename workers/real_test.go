//go:build linux

package workers

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/workerhost/workerhost/protocol"
	"github.com/workerhost/workerhost/workers/internal/process"
)

// newRealPool starts a pool of test workers with the manners given. It is stopped at the test's end.
func newRealPool(t testing.TB, set Settings, manners ...string) (*Pool, *lines) {
	t.Helper()
	log := new(lines)
	set.Command = append([]string{os.Args[0], "worker"}, manners...)
	if set.Logger == nil {
		set.Logger = hclog.New(&hclog.LoggerOptions{Output: log, Level: hclog.Debug})
	}
	p, err := New(set)
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Start(context.Background()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Stop(context.Background()) })
	eventually(t, func() bool {
		for _, w := range p.Status().Workers {
			if w.State != Idle {
				return false
			}
		}
		return true
	})
	return p, log
}

func eventually(t testing.TB, done func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !done(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("it did not come to that in 20 s")
		}
	}
}

func ask(t testing.TB, p *Pool, target string) string {
	t.Helper()
	s, _ := submit(p, "GET", target)
	got := s.result()
	if s.failure != nil {
		t.Fatal(s.failure)
	}
	return got
}

// newFIFO makes a named pipe, and says on the channels when somebody holds it, and when nobody does any more.
func newFIFO(t *testing.T, holders int) (path string, held, released chan struct{}) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "fifo")
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	held, released = make(chan struct{}), make(chan struct{})
	go func() {
		f, err := os.Open(path) // returns when the first one writes
		if err != nil {
			t.Error(err)
			return
		}
		defer f.Close()
		in := bufio.NewReader(f)
		for range holders {
			in.ReadString('\n')
		}
		close(held)
		io.Copy(io.Discard, in)
		close(released)
	}()
	return path, held, released
}

func await(t *testing.T, c chan struct{}, what string) {
	t.Helper()
	select {
	case <-c:
	case <-time.After(20 * time.Second):
		t.Fatal("not within 20 s: " + what)
	}
}

func TestNothingThatUserCodePrintsReachesTheWire(t *testing.T) {
	p, log := newRealPool(t, Settings{Workers: 1}, "stray")
	for range 3 {
		if got := ask(t, p, "/print"); got != string(greeting) {
			t.Fatal(got)
		}
	}
	if got := ask(t, p, "/variable"); got != "3,4" {
		t.Fatalf("%s=%q", process.FramesVariable, got)
	}
	p.Stop(context.Background())
	for _, want := range []string{"printed to stdout", "printed to stderr", "echoed by a child",
		"PHP Deprecated:  something"} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("the log has no %q:\n%s", want, log)
		}
	}
	if strings.Contains(log.String(), "GET /print") { // who can say that it was not printed before or after?
		t.Errorf("a line of stderr names a request:\n%s", log)
	}
}

func TestFramesMayTravelOnStandardInputAndOutput(t *testing.T) {
	t.Setenv(process.FramesVariable, "7,8") // as if this host were itself a worker
	p, _ := newRealPool(t, Settings{Workers: 1, Stdio: true})
	if got := ask(t, p, "/"); got != string(greeting) {
		t.Fatal(got)
	}
	if got := ask(t, p, "/variable"); got != "" {
		t.Fatalf("%s=%q", process.FramesVariable, got)
	}
}

func TestRealWorkersThatFailHarmNoOther(t *testing.T) {
	for target, want := range map[string]string{
		"/garbage": `link broken: worker 0 of pool default (pid PID, generation 1): it wrote something other than frames to its output: expected a frame of 1 to 16777216 bytes, got a length of 1346916384 (SPEC.md §2.1): text "PHP Warning:  Undefined variable $x\n`,
		"/exit":    "worker died: worker 0 of pool default (pid PID, generation 1) died: exit status 3",
		"/close":   "link broken: worker 0 of pool default (pid PID, generation 1): it closed its output and lived on",
	} {
		t.Run(target[1:], func(t *testing.T) {
			p, _ := newRealPool(t, Settings{Workers: 2})
			before := pids(p)
			s, _ := submit(p, "POST", target)
			got := s.failed(t).Error()
			var died, kept int
			eventually(t, func() bool {
				now := pids(p)
				died, kept = 0, 0
				for i := range now {
					switch {
					case now[i] == before[i]:
						kept++
					case now[i] != 0:
						died = i
					}
				}
				return kept == 1 && now[died] != before[died] && now[died] != 0
			})
			want := strings.ReplaceAll(strings.ReplaceAll(want, "PID", strconv.Itoa(before[died])), "worker 0",
				fmt.Sprint("worker ", died))
			if !strings.HasPrefix(got, want) {
				t.Fatalf("%s\nwant %s", got, want)
			}
			if got := ask(t, p, "/"); got != string(greeting) {
				t.Fatal(got)
			}
		})
	}
}

func TestKilledWorkerIsReplacedAndItsSafeRequestTriedAgain(t *testing.T) {
	p, log := newRealPool(t, Settings{Workers: 2})
	s, _ := submit(p, "GET", "/hang")
	eventually(t, func() bool { return strings.Contains(log.String(), "begun") })
	victim := 0
	for _, w := range p.Status().Workers {
		if w.State == Busy {
			victim = w.PID
		}
	}
	signalProcess(t, victim, syscall.SIGKILL)
	if got := s.result(); got != string(greeting) || s.begun != 2 {
		t.Fatal(got, s.begun)
	}
	eventually(t, func() bool {
		now := pids(p)
		return now[0] != victim && now[1] != victim && now[0] != 0 && now[1] != 0
	})
	if !strings.Contains(log.String(), "signal: killed") {
		t.Error(log)
	}
}

// TestRequestInThePipeOfAKilledWorkerMoves has a worker die with the request in its input, unread.
func TestRequestInThePipeOfAKilledWorkerMoves(t *testing.T) {
	for _, body := range []int{0, 1 << 20} {
		t.Run(fmt.Sprint(body), func(t *testing.T) {
			p, _ := newRealPool(t, Settings{Workers: 1})
			pid := pids(p)[0]
			signalProcess(t, pid, syscall.SIGSTOP)
			eventually(t, func() bool { return stopped(pid) })
			s := newSink()
			r := get("/pid")
			r.Method = "POST"
			if body > 0 {
				r.Flags, r.Length = 0, int64(body)
				s.onWrite = func(st protocol.Stream) { st.Send(make([]byte, body), false, nil) }
				s.onBegin = s.onWrite
			}
			p.Submit(&protocol.Exchange{Request: r, Sink: s})
			signalProcess(t, pid, syscall.SIGKILL)
			if got := s.result(); got == strconv.Itoa(pid) || s.failure != nil || s.begun != 2 {
				t.Fatal(got, s.failure, s.begun)
			}
		})
	}
}

// stopped says that no thread of the process runs any more: SIGSTOP reaches one after the other.
func stopped(pid int) bool {
	states, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/stat", pid))
	for _, file := range states {
		if stat, _ := os.ReadFile(file); !bytes.Contains(stat, []byte(") T ")) {
			return false
		}
	}
	return len(states) > 0
}

func TestWhatAWorkerStartedDiesWithIt(t *testing.T) {
	fifo, held, released := newFIFO(t, 1)
	p, _ := newRealPool(t, Settings{Workers: 1})
	ask(t, p, "/hold?"+fifo)
	await(t, held, "the child holds the FIFO")
	signalProcess(t, pids(p)[0], syscall.SIGKILL)
	await(t, released, "the child has died")
}

func TestWhatAWorkerStartedDiesAtAReload(t *testing.T) {
	fifo, held, released := newFIFO(t, 1)
	p, _ := newRealPool(t, Settings{Workers: 1})
	ask(t, p, "/hold?"+fifo)
	await(t, held, "the child holds the FIFO")
	if e := last(follow(p.Reload())); e.Kind != EventCompleted {
		t.Fatalf("%+v", e)
	}
	await(t, released, "the child has died")
}

func TestNoProcessSurvivesASIGKILLOfTheHost(t *testing.T) {
	fifo, held, released := newFIFO(t, 2)
	host := exec.Command(os.Args[0], "host")
	host.Env = append(os.Environ(), "FIFO="+fifo)
	host.Stderr = os.Stderr
	out, err := host.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := host.Start(); err != nil {
		t.Fatal(err)
	}
	defer host.Wait()
	defer host.Process.Kill()
	if line, err := bufio.NewReader(out).ReadString('\n'); line != "up\n" {
		t.Fatal(line, err)
	}
	await(t, held, "two children hold the FIFO")
	host.Process.Kill()
	await(t, released, "all have died")
}

// TestChildThatEscapesWithThePipeHoldsNothingUp has a worker leave a child in another session that keeps the frames'
// pipe open.
func TestChildThatEscapesWithThePipeHoldsNothingUp(t *testing.T) {
	fifo, held, released := newFIFO(t, 1)
	p, _ := newRealPool(t, Settings{Workers: 1})
	child, _ := strconv.Atoi(ask(t, p, "/escape?"+fifo))
	if child < 2 {
		t.Fatal("no child")
	}
	defer func() {
		signalProcess(t, child, syscall.SIGKILL)
		await(t, released, "the child has died")
	}()
	await(t, held, "the child holds the FIFO")
	old := pids(p)[0]
	signalProcess(t, old, syscall.SIGKILL)
	if got := ask(t, p, "/pid"); got == strconv.Itoa(old) {
		t.Fatal("the dead answer")
	}
	select {
	case <-released:
		t.Fatal("the child has died, so that this proves nothing")
	default:
	}
}

func TestStopEscalatesWithRealSignals(t *testing.T) {
	p, log := newRealPool(t, Settings{Workers: 2, StopTimeout: 50 * time.Millisecond}, "deaf")
	p.Stop(context.Background())
	for _, want := range []string{"did not exit on DRAIN, sending TERM", "did not exit on TERM, sending KILL"} {
		if strings.Count(log.String(), want) != 2 {
			t.Errorf("not twice: %s\n%s", want, log)
		}
	}
}

func TestDescriptorsDoNotLeakOverTwentyReloads(t *testing.T) {
	p, _ := newRealPool(t, Settings{Workers: 1})
	count := func() int {
		all, err := os.ReadDir("/proc/self/fd")
		if err != nil {
			t.Fatal(err)
		}
		return len(all)
	}
	follow(p.Reload())
	before := count()
	for range 20 {
		if e := last(follow(p.Reload())); e.Kind != EventCompleted {
			t.Fatalf("%+v", e)
		}
	}
	if after := count(); after > before {
		t.Fatalf("%d descriptors became %d", before, after)
	}
}

func TestRealReloadUnderLoadFailsNoRequest(t *testing.T) {
	p, _ := newRealPool(t, Settings{Workers: 4})
	done := make(chan struct{})
	var clients sync.WaitGroup
	var mu sync.Mutex
	served := 0
	for range 32 {
		clients.Go(func() {
			n := 0
			for {
				select {
				case <-done:
					mu.Lock()
					served += n
					mu.Unlock()
					return
				default:
				}
				s, _ := submit(p, "POST", "/")
				if got := s.result(); got != string(greeting) {
					t.Error(got, s.failure)
					return
				}
				n++
			}
		})
	}
	for range 10 {
		if e := last(follow(p.Reload())); e.Kind != EventCompleted {
			t.Errorf("%+v", e)
		}
	}
	close(done)
	clients.Wait()
	t.Logf("%d requests during 10 reloads", served)
}

func TestRealBootFailureShowsWhatTheWorkerSaid(t *testing.T) {
	p, err := New(Settings{Command: []string{os.Args[0], "worker", "fail"}, Workers: 1})
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Start(context.Background()); err != nil {
		t.Fatal(err)
	}
	defer p.Stop(context.Background())
	<-p.Started()
	if got, want := p.Status().Failure,
		`it ended before READY (exit status 255): PHP Parse error:  syntax error, unexpected token "}"`; got != want {
		t.Fatalf("%q", got)
	}
}

func TestWorkerOfAReleaseThatWasRemovedSaysSo(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "1")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	p, _ := newRealPool(t, Settings{Workers: 1, Directory: dir})
	os.Remove(dir)
	signalProcess(t, pids(p)[0], syscall.SIGKILL)
	// before that it says that the worker was killed
	eventually(t, func() bool { return strings.Contains(p.Status().Failure, "directory") })
	if got := p.Status().Failure; !strings.HasPrefix(got, "the workers' directory has gone: ") ||
		!strings.HasSuffix(got, "or reload to move on to the current release") {
		t.Fatal(got)
	}
}

// signalProcess sends a signal to one process. It fails the test for 0, which would be all of the test's own process
// group.
func signalProcess(t *testing.T, pid int, signal syscall.Signal) {
	t.Helper()
	if pid < 2 {
		t.Fatalf("no process to send %v to: %d", signal, pid)
	}
	syscall.Kill(pid, signal)
}
