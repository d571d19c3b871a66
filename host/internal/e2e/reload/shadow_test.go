// host reload --shadow: new code is looked at with copies of what clients ask for, and nobody notices.

package reload

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/workerhost/workerhost/host/internal/control"
	"github.com/workerhost/workerhost/host/internal/e2e/harness"
)

// shop has a page that stays, one that %s makes differ, one of each request's own, and WebSockets.
const shop = `
use WorkerHost\Connection;
$worker = Worker::create();
$worker->onRequest(function (Request $r) use ($worker) {
    %s
    return match ($r->path) {
        '/same' => str_repeat('same ', 30000),
        '/price' => Response::json(['price' => $price ?? 10, 'at' => microtime(true)]),
        '/mark' => $r->header('x-worker-shadow') . 'mark',
        '/file' => Response::file(__FILE__),
        '/held' => Response::hold('held', groups: 'all'),
        default => 'page',
    };
})->onOpen(fn (Connection $c) => $c->join('all'))->onMessage(fn (Connection $c, string $data) => $c->send($data))
->run();
`

// startShop serves the first release. deploy makes another one the newest.
func startShop(t *testing.T, rest string) (h *harness.Host, deploy func(code string)) {
	t.Helper()
	dir, count := t.TempDir(), 0
	deploy = func(code string) {
		count++
		release := fmt.Sprintf("r%d", count)
		harness.Must(t, os.Mkdir(filepath.Join(dir, release), 0o755))
		harness.WritePHP(t, filepath.Join(dir, release), code)
		harness.Must(t, os.Symlink(release, filepath.Join(dir, "next")))
		harness.Must(t, os.Rename(filepath.Join(dir, "next"), filepath.Join(dir, "current")))
	}
	deploy(fmt.Sprintf(shop, ""))
	harness.Write(t, dir, "host.toml", "[pool.web]\nworker = \"worker.php\"\ndirectory = \"current\"\nworkers = 2\n"+
		"file_roots = [\".\"]\n"+rest)
	return harness.Start(t, "-c", filepath.Join(dir, "host.toml")), deploy
}

// look has the newest code looked at, and gives what was found.
func look(t *testing.T, h *harness.Host, args ...string) (found control.Shadow, code int, out string) {
	t.Helper()
	out, code = h.Run("reload", append([]string{"--json", "--shadow", "50%"}, args...)...)
	for line := range strings.Lines(out) {
		var e control.Event
		if json.Unmarshal([]byte(line), &e) == nil && e.Kind == control.ShadowOver {
			found = *e.Shadow
		}
	}
	return found, code, out
}

// visits has clients ask for pages, and expect those of the first release.
func visits(h *harness.Host, paths ...string) *harness.Load {
	l := harness.NewLoad(h)
	for _, path := range paths {
		want := map[string]string{"/same": "same", "/price": `{"price":10,`, "/mark": "mark", "/file": "<?php"}[path]
		var mu sync.Mutex
		conns := []*harness.Client{}
		l.Run(2, path, func() error {
			mu.Lock()
			if len(conns) == 0 {
				c, err := h.TryDial()
				if err != nil {
					mu.Unlock()
					return err
				}
				conns = append(conns, c)
			}
			c := conns[len(conns)-1]
			conns = conns[:len(conns)-1]
			mu.Unlock()
			got, err := c.Ask(path)
			if err == nil && !strings.HasPrefix(got, want) {
				err = fmt.Errorf("a client got %.60q", got)
			}
			mu.Lock()
			conns = append(conns, c)
			mu.Unlock()
			return err
		})
	}
	return l
}

func TestAShadowFindsWhatDiffersAndReachesNobody(t *testing.T) {
	t.Parallel()
	h, deploy := startShop(t, "")
	sockets := make([]*harness.Socket, 5)
	for i := range sockets {
		sockets[i] = h.Upgrade("/")
	}
	l := visits(h, "/same", "/price", "/mark", "/file")
	deploy(fmt.Sprintf(shop, `
    $price = 12;
    $all = $worker->connections();
    if ($r->path === '/same') {
        $all->sendToAll('ghost');
        $all->sendToAll('ghost', now: true);
        $all->close($all->ids());
        try {
            $all->updateSession($all->ids()[0], fn (array $s) => ['ghost' => 1]);
        } catch (WorkerHost\CallFailed) {
        }
    }`))
	found, code, out := look(t, h, "--for", "30s", "--requests", "400", "--ignore", `"at":[0-9.e+]+`)
	price := found.By["body"]
	if code != 3 || found.Compared != 400 || price == 0 || found.Differ != price+found.By["length"] ||
		found.New.Statuses["2xx"] != 400 || found.Old.Statuses["2xx"] != 400 {
		t.Errorf("exit status %d: %+v\n%s", code, found, out)
	}
	if n := found.Refused; found.Acting == 0 || n["SEND"] < 2*found.Acting || n["HANGUP"] < found.Acting ||
		n["SWAP"] < found.Acting {
		t.Errorf("in %d requests it was refused %v", found.Acting, n)
	}
	for _, e := range found.Examples {
		if e.Request != "GET /price" && e.Request != "GET /mark" {
			t.Errorf("%+v differs", e)
		}
	}
	for i, s := range sockets {
		s.Say("own %d", i)
		s.Expect(fmt.Sprintf("own %d", i)) // and nothing before it
	}
	l.Stop()
	if st := h.Status(); st.Pools[0].Generation != 1 || len(h.PIDs()) != 2 {
		t.Errorf("then there is %+v", st)
	}
	if kept, _ := h.Run("releases", "--json"); strings.Count(kept, `"act":"shadow"`) != 1 ||
		!strings.Contains(kept, `"differ":`) || strings.Contains(kept, `"examples"`) {
		t.Errorf("the journal: %s", kept)
	}
	if shown, _ := h.Run("releases"); !strings.Contains(shown, "shadow: differs") {
		t.Errorf("the journal: %s", shown)
	}
}

func TestAShadowOfTheSameCodeFindsNothing(t *testing.T) {
	t.Parallel()
	h, deploy := startShop(t, "")
	l := visits(h, "/same", "/price", "/file")
	deploy(fmt.Sprintf(shop, ""))
	found, code, out := look(t, h, "--for", "30s", "--requests", "200", "--ignore", `"at":[0-9.e+]+`)
	l.Stop()
	if code != 0 || found.Compared != 200 || found.Differ != 0 || len(found.Refused) > 0 {
		t.Errorf("exit status %d: %+v\n%s", code, found, out)
	}
	h.Reload()
}

func TestAShadowThatHangsOrDiesHarmsNoClient(t *testing.T) {
	t.Parallel()
	for how, c := range map[string]struct{ code, new string }{
		"hangs": {"sleep(1000);", "no answer: request timeout"},
		"dies":  {"posix_kill(getmypid(), SIGKILL); usleep(1000000);", "no answer: worker died"},
		"exits": {"exit(7);", "500"},
	} {
		t.Run(how, func(t *testing.T) {
			t.Parallel()
			h, deploy := startShop(t, "request_timeout = \"2s\"\n")
			l := visits(h, "/same", "/price")
			deploy(fmt.Sprintf(shop, c.code))
			began := time.Now()
			found, code, out := look(t, h, "--for", "4s")
			took := time.Since(began)
			served := l.Served.Load()
			l.Stop()
			if code != 3 || found.Compared == 0 || found.By["status"] != found.Compared ||
				found.Examples[0].New != c.new || took > 25*time.Second {
				t.Errorf("exit status %d after %v: %+v\n%s", code, took, found, out)
			}
			if served < 100 {
				t.Errorf("only %d clients were served", served)
			}
		})
	}
}

func TestWhatIsHeldIsLeftOutOfAShadow(t *testing.T) {
	t.Parallel()
	h, deploy := startShop(t, "")
	deploy(fmt.Sprintf(shop, ""))
	over := make(chan control.Shadow)
	go func() {
		found, _, _ := look(t, h, "--for", "30s", "--requests", "5")
		over <- found
	}()
	h.Logs.Await(t, "shadow: for 30s")
	for range 10 {
		c := h.Dial()
		c.Send("GET /held HTTP/1.1\r\nHost: here\r\n\r\n")
	}
	l := visits(h, "/same")
	found := <-over
	l.Stop()
	if found.Compared != 5 || found.LeftOut["held"] == 0 {
		t.Errorf("%+v", found)
	}
}

func TestAShadowIsAbortedAndRefusesOthersMeanwhile(t *testing.T) {
	t.Parallel()
	h, deploy := startShop(t, "")
	deploy(fmt.Sprintf(shop, ""))
	over := make(chan int)
	go func() {
		_, code, _ := look(t, h, "--for", "10m")
		over <- code
	}()
	h.Logs.Await(t, "shadow: for 10m")
	if out, code := h.Run("reload"); code != 1 || !strings.Contains(out, "a shadow is under way") {
		t.Errorf("exit status %d: %s", code, out)
	}
	if out, code := h.Run("reload", "--abort"); code != 0 {
		t.Errorf("exit status %d: %s", code, out)
	}
	if code := <-over; code != 8 {
		t.Errorf("exit status %d", code)
	}
	if _, code, out := look(t, h, "--for", "1s"); code != 1 || !strings.Contains(out, "nothing was compared") {
		t.Errorf("without a request: exit status %d: %s", code, out)
	}
	deploy("this is no PHP;")
	if _, code, out := look(t, h, "--for", "1s"); code != 1 || !strings.Contains(out, "the new code does not start") {
		t.Errorf("of broken code: exit status %d: %s", code, out)
	}
	h.Await("idle", 2)
}
