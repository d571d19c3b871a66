// A site whose releases lie in folders of their own, the load on it, and clients that notice if their code changes.

package canary

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/cookiejar"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/workerhost/workerhost/host/internal/e2e/harness"
)

// code answers with its release and generation. What is wrong with it says the variable $how.
const code = `
use WorkerHost\Connection;

$how = %s + ['slow' => 1.0, 'fails' => 0.0, 'leak' => 0, 'lives' => 0.0, 'logs' => 0.0];
$kept = [];
$ends = $how['lives'] ? microtime(true) + $how['lives'] * (0.5 + mt_rand() / mt_getrandmax()) : INF;
$worker = Worker::create();
$act = function () use ($how, &$kept, $ends): void {
    // a heavy tail: mostly some ms, sometimes ten times as long
    $ms = min(60, 3 / (0.02 + mt_rand() / mt_getrandmax()) ** 0.7);
    usleep((int) (1000 * $ms * $how['slow']));
    if ($how['leak']) {
        $kept[] = str_repeat(chr(mt_rand(65, 90)), $how['leak']);
    }
    if (microtime(true) > $ends) {
        posix_kill(getmypid(), SIGSEGV);
        usleep(1000000);
    }
    if (mt_rand() / mt_getrandmax() < $how['logs']) {
        WorkerHost\Log::error('this release is not content, now and then');
    }
    if (mt_rand() / mt_getrandmax() < $how['fails']) {
        throw new RuntimeException('this release fails now and then');
    }
};
$worker
    ->onRequest(function (Request $r) use ($worker, $act): Response {
        if (str_starts_with($r->target, '/told')) {
            error_log('told of ' . json_encode($r->message()));
            return Response::text('%s was told ' . json_encode($r->message()));
        }
        $act();
        return Response::text('%s ' . $worker->place()->generation);
    })
    ->onMessage(function (Connection $c, string $data) use ($worker, $act): void {
        $c->send('%s ' . $worker->place()->generation);
        $act();
    })
    ->run();
`

// site is a host with a pool whose directory is a symlink to a release.
type site struct {
	*harness.Host
	dir      string
	releases int
}

func start(t *testing.T, pool string) *site {
	t.Helper()
	s := &site{dir: t.TempDir()}
	s.deploy(t, "[]")
	addr := harness.FreeAddress(t)
	harness.Write(t, s.dir, "host.toml", fmt.Sprintf("[[listen]]\naddress = %q\npool = \"web\"\n[pool.web]\nworker = "+
		"\"worker.php\"\ndirectory = \"current\"\nworkers = 4\n%s\n", addr, pool))
	s.Host = harness.StartWith(t, addr, "-c", filepath.Join(s.dir, "host.toml"))
	return s
}

// deploy points the symlink at a new release.
func (s *site) deploy(t *testing.T, how string) (release string) {
	t.Helper()
	s.releases++
	release = fmt.Sprintf("r%d", s.releases)
	folder := filepath.Join(s.dir, release)
	harness.Must(t, os.Mkdir(folder, 0o755))
	harness.WritePHP(t, folder, fmt.Sprintf(code, how, release, release, release))
	public := filepath.Join(folder, "public")
	harness.Must(t, os.Mkdir(public, 0o755))
	harness.Write(t, public, "app.css", "style of "+release)
	harness.Write(t, public, "app-"+release+".js", "script of "+release)
	link := filepath.Join(s.dir, "next")
	harness.Must(t, os.Symlink(release, link))
	harness.Must(t, os.Rename(link, filepath.Join(s.dir, "current")))
	return release
}

// crowd is clients that keep cookies, and WebSockets.
type crowd struct {
	t       *testing.T
	s       *site
	over    chan struct{}
	all     sync.WaitGroup
	asked   atomic.Int64
	failed  atomic.Int64
	sockets atomic.Int64 // that closed

	mu    sync.Mutex
	flips []flip // guarded by mu
}

// flip is a client that gets answers of another generation than before.
type flip struct {
	at       time.Time
	from, to string // "RELEASE GENERATION"
}

func (s *site) crowd(t *testing.T) *crowd {
	return &crowd{t: t, s: s, over: make(chan struct{})}
}

// saw notes an answer, "RELEASE GENERATION". fresh is that the client was only placed with it.
func (c *crowd) saw(before *string, answer string, fresh bool) {
	if *before != "" && *before != answer && !fresh {
		c.mu.Lock()
		c.flips = append(c.flips, flip{time.Now(), *before, answer})
		c.mu.Unlock()
	}
	*before = answer
}

// stayed fails the test for each client that changed its generation in the midst of a canary.
func (c *crowd) stayed(v verdict) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, f := range c.flips {
		of := func(answer string) bool {
			_, generation, _ := strings.Cut(answer, " ")
			return slices.Contains(v.generations, generation)
		}
		if !of(f.from) && !of(f.to) {
			continue // from one stable generation to the next, which it did not ask for until now
		}
		// the host switches after it has told of the verdict, and we hear of that later still
		if f.at.After(v.begun) && f.at.Before(v.judged.Add(-500*time.Millisecond)) {
			c.t.Errorf("a client had answers of %s, and then of %s, %v after the canary had begun", f.from, f.to,
				f.at.Sub(v.begun))
		}
	}
	c.flips = nil
}

// come has n clients with cookies at a time ask for pages until the end. Each makes some requests, rests between
// them, and makes room for another one.
func (c *crowd) come(n, visits int, rest time.Duration) {
	transport := &http.Transport{MaxIdleConnsPerHost: n}
	c.t.Cleanup(transport.CloseIdleConnections)
	for range n {
		c.all.Go(func() {
			for !c.ended(rand.N(rest)) {
				jar, _ := cookiejar.New(nil)
				client := &http.Client{Jar: jar, Transport: transport, Timeout: 20 * time.Second}
				at, fresh := "", false
				for range 1 + rand.IntN(2*visits) {
					resp, err := client.Get(fmt.Sprintf("%s/page/%d", c.s.URL, rand.IntN(5)))
					if err != nil {
						c.failed.Add(1)
						continue
					}
					text, _ := io.ReadAll(resp.Body)
					resp.Body.Close()
					c.asked.Add(1)
					fresh = fresh || resp.Header.Get("Set-Cookie") != ""
					if resp.StatusCode != 200 {
						c.failed.Add(1)
						continue
					}
					c.saw(&at, string(text), fresh)
					fresh = false
					if c.ended(rand.N(2 * rest)) {
						return
					}
				}
			}
		})
	}
}

// connect has n WebSockets open now, and again when they are closed by the server, say something until the end.
func (c *crowd) connect(n int, rest time.Duration) {
	for range n {
		k, a, err := c.s.TryUpgrade("/ws")
		if err != nil || k == nil {
			c.t.Fatal(err, a)
		}
		k.SetDeadline(time.Time{}) // it is to outlast many canaries
		c.all.Go(func() {
			defer k.Close()
			at := ""
			for !c.ended(rand.N(2 * rest)) {
				if err := k.Tell("hello"); err != nil {
					c.sockets.Add(1)
					return
				}
				text, err := k.Listen()
				if err != nil {
					c.sockets.Add(1)
					return
				}
				c.saw(&at, text, false)
			}
		})
	}
}

func (c *crowd) ended(after time.Duration) bool {
	select {
	case <-c.over:
		return true
	case <-time.After(after):
		return false
	}
}

func (c *crowd) end() {
	close(c.over)
	c.all.Wait()
}

// verdict is how a canary went.
type verdict struct {
	code          int
	outcome       string
	what          string
	begun, judged time.Time
	requests      int      // that the new code had
	generations   []string // of the candidate, and of the control
	output        string
}

// try deploys code and reloads with a canary.
func (s *site) try(t *testing.T, how string, args ...string) (v verdict) {
	t.Helper()
	s.deploy(t, how)
	cmd := exec.Command(harness.HostBinary, append([]string{"reload", "--control", s.Control, "--json"}, args...)...)
	out, err := cmd.StdoutPipe()
	harness.Must(t, err)
	harness.Must(t, cmd.Start())
	lines := bufio.NewScanner(out)
	for lines.Buffer(nil, 1<<20); lines.Scan(); {
		v.output += lines.Text() + "\n"
		var e struct {
			Event, Outcome, What string
			Canary               *struct {
				Candidate, Control struct{ Requests, Generation int }
			}
		}
		harness.Must(t, json.Unmarshal(lines.Bytes(), &e))
		switch e.Event {
		case "canary_begun":
			v.begun = time.Now()
			v.generations = []string{strconv.Itoa(e.Canary.Candidate.Generation),
				strconv.Itoa(e.Canary.Control.Generation)}
		case "canary_judged":
			v.judged = time.Now()
			v.outcome, v.what, v.requests = e.Outcome, e.What, e.Canary.Candidate.Requests
		}
	}
	cmd.Wait()
	v.code = cmd.ProcessState.ExitCode()
	return v
}

func (s *site) serves(t *testing.T, want string) {
	t.Helper()
	if _, text := s.Get("/"); !strings.HasPrefix(text, want+" ") {
		t.Errorf("%s serves in place of %s", text, want)
	}
}
