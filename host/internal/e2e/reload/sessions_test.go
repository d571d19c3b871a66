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
