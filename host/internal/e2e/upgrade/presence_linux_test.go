package upgrade

import (
	"slices"
	"testing"

	"github.com/workerhost/workerhost/host/internal/e2e/harness"
)

const present = `
Worker::create()->onMessage(function (WorkerHost\Connection $c, string $user): void {
    $c->bindUid($user);
    $c->subscribe('room');
})->run();
`

// A connection that goes along is told who is there, and nobody that it has come.
func TestNobodyHasLeftARoomForAnUpgrade(t *testing.T) {
	t.Parallel()
	h := harness.StartPHP(t, harness.PHPWorker(t, present), "", "workers = 2", "[channel.room]\npresence = \"50ms\"\n")
	enter := func(user string) *harness.Socket {
		s := h.Upgrade("/")
		s.Say("%s", user)
		return s
	}
	hears := func(s *harness.Socket, all ...string) {
		t.Helper()
		var got []string
		for range all {
			got = append(got, s.Hear())
		}
		slices.Sort(got) // of what has just come, the order is not known
		slices.Sort(all)
		if !slices.Equal(got, all) {
			t.Fatalf("%q, not %q", got, all)
		}
	}
	const joined = `{"joined":["room"]}`
	of := func(what, users string) string { return `{"channel":"room","` + what + `":[` + users + `]}` }
	ada := enter("ada")
	hears(ada, joined, of("entered", `"ada"`), of("members", `"ada"`))
	ben := enter("ben")
	hears(ada, of("entered", `"ben"`))
	upgraded(t, h)
	hears(ada, of("members", `"ada","ben"`))
	enter("cleo")
	hears(ada, of("entered", `"cleo"`))
	ben.Close()
	hears(ada, of("left", `"ben"`))
}
