// Presence: clients are told who is in a group, who comes, and who leaves.

package connections

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/workerhost/workerhost/host/internal/e2e/harness"
)

// presenceWorker has streams of events and WebSockets in room.a, each of the user that it names.
const presenceWorker = `
$worker = Worker::create();
$worker->onRequest(function (Request $r) use ($worker) {
    if ($r->path === '/events') {
        return Response::hold(groups: ['room.a', 'hall'], uid: $r->query['user'] ?? '');
    }
    try {
        return Response::text(json_encode($worker->connections()->members($r->query['group'])));
    } catch (WorkerHost\CallFailed $e) {
        return Response::text($e->getMessage());
    }
});
$worker->onMessage(function (WorkerHost\Connection $c, string $user): void {
    $c->bindUid($user);
    $c->subscribe('room.a');
});
$worker->run();
`

func TestClientsAreToldWhoIsInTheirRoom(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	harness.WritePHP(t, dir, presenceWorker)
	addr := harness.FreeAddress(t)
	const toml = "[[listen]]\naddress = \"ADDR\"\n[pool.web]\nworker = \"worker.php\"\nworkers = 2\n"
	settings := func(linger string) {
		harness.Write(t, dir, "host.toml", strings.Replace(toml, "ADDR", addr, 1)+
			"[channel.\"room.*\"]\npresence = \""+linger+"\"\n")
	}
	settings("1h")
	h := harness.StartWith(t, addr, "-c", filepath.Join(dir, "host.toml"))
	enter := func(user string) *harness.Socket {
		s := h.Upgrade("/")
		s.Say("%s", user)
		return s
	}
	hears := func(s *harness.Socket, all ...string) {
		t.Helper()
		for _, want := range all {
			if got := s.Hear(); got != want {
				t.Fatalf("%s, not %s", got, want)
			}
		}
	}
	const joined = `{"joined":["room.a"]}`
	of := func(what, users string) string { return `{"channel":"room.a","` + what + `":[` + users + `]}` }
	ada := enter("ada")
	if got := []string{ada.Hear(), ada.Hear(), ada.Hear()}; !slices.Contains(got, joined) ||
		!slices.Contains(got, of("members", `"ada"`)) {
		t.Fatalf("%q", got)
	}
	stream, leave := events(t, h, "")
	if e := hear(t, stream); e != [3]string{"", "members", of("members", `"ada"`)} {
		t.Fatalf("%q", e)
	}
	ben := enter("ben")
	hears(ada, of("entered", `"ben"`))
	if e := hear(t, stream); e != [3]string{"", "entered", of("entered", `"ben"`)} {
		t.Fatalf("%q", e)
	}
	if _, got := h.Get("/?group=room.a"); got != `["ada","ben"]` {
		t.Fatal(got)
	}
	if _, got := h.Get("/?group=hall"); !strings.Contains(got, "host.toml needs a [channel] that names it") {
		t.Fatal(got)
	}
	if out, code := h.Run("status"); code != 0 || !strings.Contains(out, "\n  2 members in 1 room\n") {
		t.Fatal(out)
	}
	ben.Close() // and comes back
	again := enter("ben")
	enter("cleo")
	hears(ada, of("entered", `"cleo"`))
	again.Close()
	settings("50ms")
	h.Reload()
	hears(ada, of("left", `"ben"`))
	dora := enter("dora")
	hears(ada, of("entered", `"dora"`))
	dora.Close()
	hears(ada, of("left", `"dora"`))
	leave()
}
