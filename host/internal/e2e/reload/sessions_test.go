// Sessions of open connections that older code has written, in the hands of new code.

package reload

import (
	"strings"
	"testing"
	"time"

	"github.com/workerhost/workerhost/host/internal/e2e/harness"
)

// session answers with what it finds, and notes names. %s is an upgrade.
const session = `
use WorkerHost\Connection;
Worker::create()%s->onMessage(function (Connection $c, string $data): void {
    if (str_starts_with($data, 'name ')) {
        $c->session['name'] = substr($data, 5);
    }
    $c->send(json_encode($c->session));
})->run();
`

func TestOpenConnectionsBringOldSessionsIntoNewCode(t *testing.T) {
	t.Parallel()
	h, deploy := startShop(t, "")
	deploy(strings.Replace(session, "%s", "", 1))
	h.Reload()
	good, bad, empty := h.Upgrade("/"), h.Upgrade("/"), h.Upgrade("/")
	good.Say("name Ada")
	good.Expect(`{"name":"Ada"}`)
	bad.Say("name nobody")
	bad.Expect(`{"name":"nobody"}`)

	deploy(strings.Replace(session, "%s", `->onUpgrade(1, fn (array $s, int $from) => $s['name'] === 'nobody'
    ? throw new RuntimeException('no such user') : ['user' => $s['name'], 'from' => $from])`, 1))
	h.Reload()
	for range 2 { // it is upgraded once
		good.Say("look")
		good.Expect(`{"user":"Ada","from":0}`)
	}
	empty.Say("look")
	empty.Expect(`[]`)
	bad.Say("dropped")
	h.Eventually("the upgrade fails", func() bool { return strings.Contains(h.Logs.String(), "no such user") })
	empty.Say("name Eve")
	empty.Expect(`{"name":"Eve"}`)

	deploy(strings.Replace(session, "%s", `->onUpgrade(2, fn (array $s, int $from) => ['from' => $from] + $s)`, 1))
	h.Reload()
	for s, want := range map[*harness.Socket]string{good: `{"from":1,"user":"Ada"}`, bad: `{"from":0,"name":"nobody"}`,
		empty: `{"from":1,"name":"Eve"}`} {
		s.SetReadDeadline(time.Now().Add(20 * time.Second))
		s.Say("look")
		s.Expect(want)
	}
}

func TestADryRunTriesTheUpgradeOnLiveSessions(t *testing.T) {
	t.Parallel()
	h, deploy := startShop(t, "")
	deploy(strings.Replace(session, "%s", "", 1))
	h.Reload()
	for _, name := range []string{"Ada", "Eve", "password=hunter2"} {
		s := h.Upgrade("/")
		s.Say("name %s", name)
		s.Hear()
	}
	h.Upgrade("/")

	deploy(strings.Replace(session, "%s", `->onFork(fn () => null)->onUpgrade(1, fn (array $s, int $from) =>
    str_starts_with($s['name'], 'p') ? throw new RuntimeException("no user {$s['name']}") : $s)`, 1))
	out, code := h.Run("reload", "--dry-run")
	for _, text := range []string{
		"of 3 live sessions that hold something, 3 were looked at, 3 of them of older code: 2 can be upgraded",
		"of version 0, can't be: RuntimeException: no user password=REDACTED", "a new worker is ready"} {
		if code != 1 || !strings.Contains(out, text) || strings.Contains(out, "hunter2") {
			t.Errorf("exit status %d, without %q:\n%s", code, text, out)
		}
	}
	if out, _ := h.Run("reload", "--dry-run", "--json"); !strings.Contains(out, `"sessions":{"live":3,"sample":3,`+
		`"upgraded":2,"failed":[{"id":"`) {
		t.Errorf("as JSON:\n%s", out)
	}

	deploy(strings.Replace(session, "%s", `->onUpgrade(1, fn (array $s) => $s)`, 1))
	if out, code := h.Run("reload", "--dry-run"); code != 0 || !strings.Contains(out, "3 can be upgraded") {
		t.Errorf("exit status %d:\n%s", code, out)
	}
	h.Reload()
	if out, code := h.Run("reload", "--dry-run"); code != 0 || !strings.Contains(out, "3 of them of older code") {
		t.Errorf("they were not looked at by their next event yet: exit status %d:\n%s", code, out)
	}

	deploy(strings.Replace(session, "%s", `->onUpgrade(2, function (array $s) { exit(3); })`, 1))
	if out, code := h.Run("reload", "--dry-run"); code != 1 || !strings.Contains(out, "the worker has ended") {
		t.Errorf("exit status %d:\n%s", code, out)
	}
	deploy(strings.Replace(session, "%s", ``, 1))
	if out, code := h.Run("reload", "--dry-run"); code != 0 || strings.Contains(out, "session") {
		t.Errorf("exit status %d:\n%s", code, out)
	}
}

func TestADryRunRefusesAndCountsWhatCodeAsksFor(t *testing.T) {
	t.Parallel()
	h, deploy := startShop(t, "warmup = [\"/\"]\n")
	s := h.Upgrade("/")
	deploy(strings.Replace(shop, "%s", "$worker->connections()->sendToAll('ghost', now: true); "+
		"$worker->connections()->sendToAll('ghost');", 1))
	out, code := h.Run("reload", "--dry-run")
	if code != 0 || !strings.Contains(out, "refused to the new code: SEND 2") {
		t.Errorf("exit status %d:\n%s", code, out)
	}
	s.Say("own")
	s.Expect("own")
}
