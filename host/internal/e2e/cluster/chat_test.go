package cluster

import (
	"fmt"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/workerhost/workerhost/host/internal/e2e/harness"
)

// chat does what its messages say: "enter UID GROUP", "all TEXT", "group NAME TEXT", "user UID TEXT", "to ID TEXT",
// "count GROUP", "online UID", "session ID", "id", "put KEY".
const chat = `
use WorkerHost\Connection;

$worker = Worker::create();
$all = $worker->connections();
$worker
    ->onMessage(static function (Connection $c, string $data) use ($all): void {
        [$word, $a, $b] = explode(' ', $data, 3) + [1 => '', 2 => ''];
        match ($word) {
            'id' => $c->send($c->id),
            'enter' => [$c->bindUid($a), $c->join($b), $c->send('entered')],
            'put' => [$c->session['kept'] = $a, $c->send('put')],
            'all' => $all->sendToAll($a),
            'group' => $all->sendToGroup($a, $b),
            'user' => $all->sendToUid($a, $b),
            'to' => $all->send($a, $b),
            'join' => $all->join($a, $b),
            'count' => $c->send((string) ($a === '' ? $all->count() : $all->count($a))),
            'online' => $c->send($all->isOnline($a) ? 'yes' : 'no'),
            'session' => $c->send($all->session($a)['kept'] ?? 'none'),
            'change' => $c->send(json_encode($all->updateSession($a,
                static fn (array $s): array => ['kept' => $b] + $s))),
        };
    })
    ->onClose(static function (Connection $c, int $code): void {
        $what = [$c->uid, $code, $c->attempt, implode('+', $c->groups), $c->session['kept'] ?? ''];
        file_put_contents(__DIR__ . '/closed', implode(' ', $what) . "\n", FILE_APPEND | LOCK_EX);
    })
    ->onRequest(static fn (Request $r): Response => Response::text('VERSION'));
$worker->run();
`

// several are hosts of one cluster, which share the folder of their code.
func several(t *testing.T, n int) (all []*harness.Host, code string) { return severalWith(t, n, "") }

// severalWith has something at the end of each host.toml.
func severalWith(t *testing.T, n int, rest string) (all []*harness.Host, code string) {
	t.Helper()
	code = harness.PHPWorker(t, chat)
	var routes []string
	for range n {
		routes = append(routes, harness.FreeAddress(t))
	}
	for i, route := range routes {
		dir, addr := t.TempDir(), harness.FreeAddress(t)
		harness.Write(t, dir, "host.toml", fmt.Sprintf(`
[[listen]]
address = %q
[pool.chat]
worker = %q
workers = 2
[engine]
max_disk = "64MiB"
[cluster]
name = "chat"
host = "chat-%d"
listen = %q
routes = ["%s"]
secret = "a-secret-of-all-of-them"
rights = ["status", "connections", "reload", "upgrade"]
%s`, addr, filepath.Join(code, "worker.php"), i, route, strings.Join(routes, `", "`), rest))
		all = append(all, harness.Launch(t, addr, "-c", filepath.Join(dir, "host.toml")))
	}
	for i, h := range all {
		h.AwaitReady()
		for j := range all {
			if j != i {
				h.Logs.Await(t, fmt.Sprintf("another host is in the cluster: host=chat-%d", j))
			}
		}
	}
	return all, code
}

// ask has a client say something until it is told what is expected.
func ask(t *testing.T, h *harness.Host, s *harness.Socket, question, want string) {
	t.Helper()
	got := ""
	h.Eventually(fmt.Sprintf("%q is answered with %q", question, want), func() bool {
		s.Say("%s", question)
		got = s.Hear()
		return got == want
	})
}

func TestThreeHostsAreOneToTheirWorkers(t *testing.T) {
	all, _ := several(t, 3)
	var clients []*harness.Socket
	var ids []string
	for i, h := range all {
		s := h.Upgrade("/")
		s.Say("enter user-%d room", i%2)
		s.Expect("entered")
		s.Say("put of-%d", i)
		s.Expect("put")
		s.Say("id")
		ids = append(ids, s.Hear())
		clients = append(clients, s)
	}
	for i, s := range clients {
		ask(t, all[i], s, "count", "3")
		ask(t, all[i], s, "count room", "3")
		ask(t, all[i], s, "online user-1", "yes")
		ask(t, all[i], s, "online user-2", "no")
		for j, id := range ids {
			ask(t, all[i], s, "session "+id, fmt.Sprintf("of-%d", j))
		}
	}
	expect := func(text string, of ...int) {
		t.Helper()
		for _, i := range of {
			clients[i].Expect(text)
		}
	}
	for i, s := range clients {
		s.Say("all hello-%d", i)
		expect(fmt.Sprintf("hello-%d", i), 0, 1, 2)
		s.Say("group room 1st-%d", i)
		s.Say("group room 2nd-%d", i)
		expect(fmt.Sprintf("1st-%d", i), 0, 1, 2)
		expect(fmt.Sprintf("2nd-%d", i), 0, 1, 2)
		s.Say("user user-0 you-%d", i)
		expect(fmt.Sprintf("you-%d", i), 0, 2)
		s.Say("to %s only-%d", ids[1], i)
		expect(fmt.Sprintf("only-%d", i), 1)
	}
	clients[0].Say("join %s side", ids[2])
	ask(t, all[0], clients[0], "count side", "1")
	clients[1].Say("change %s new", ids[2])
	clients[1].Expect(`{"kept":"new"}`)
	ask(t, all[2], clients[2], "session "+ids[2], "new")
	if out, code := all[1].Run("send", "--all", "from the command"); code != 0 {
		t.Fatal(out)
	}
	expect("from the command", 0, 1, 2)

	all[0].Reload()
	clients[2].Say("all after-a-reload")
	expect("after-a-reload", 0, 1, 2)

	all[2].Kill(syscall.SIGKILL)
	<-all[2].Exited
	clients[0].Say("all without-the-third")
	expect("without-the-third", 0, 1)
	all[0].Logs.Await(t, "another host of the cluster is lost: it says nothing any more: host=chat-2")
	all[1].Logs.Await(t, "another host of the cluster is lost: it says nothing any more: host=chat-2")
	ask(t, all[0], clients[0], "count", "2")
	ask(t, all[1], clients[1], "online user-0", "yes")
}
