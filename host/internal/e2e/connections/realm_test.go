// Two sites on one port that don't trust each other: what one's workers know, or guess, of the other's connections.

package connections

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/workerhost/workerhost/host/internal/e2e/harness"
)

// intruder does all that the SDK has to connections by the id, the user and the group that a message names, from an
// event and, for /intrude, from a request. What it was told it answers.
const intruder = `
use WorkerHost\Connection;

$worker = Worker::create();
$all = $worker->connections();
$intrude = static function (string $id, string $own) use ($all): string {
    foreach ([true, false] as $now) {
        $all->send($id, 'intruder', now: $now);
        $all->sendToUid('ada', 'intruder', now: $now);
        $all->sendToGroup('lobby', 'intruder', now: $now);
        $all->sendToAll('intruder', except: $own, now: $now);
        $all->close($id, 4001, 'intruder', now: $now);
        $all->closeUid('ada', 4001, 'intruder', now: $now);
        $all->closeGroup('lobby', 4001, 'intruder', now: $now);
    }
    $all->join($id, 'taken');
    $all->leave($id, 'lobby');
    $all->bindUid($id, 'taken');

    return json_encode([$all->count(), $all->count('lobby'), count($all->ids()), $all->ids('lobby'), $all->uids(),
        $all->uids('lobby'), $all->isOnline('ada'), $all->connection($id), count($all->all()), $all->all('lobby'),
        $all->session($id), $all->updateSession($id, static fn (array $s): array => ['taken' => true] + $s)]);
};
$worker
    ->onMessage(static function (Connection $c, string $data) use ($intrude, $all): void {
        [$word, $id] = explode(' ', $data, 2) + [1 => ''];
        match ($word) {
            'id' => $c->send($c->id),
            'enter' => [$c->join('lobby'), $c->bindUid('ada'), $c->session['secret'] = 'kept', $c->send($c->id)],
            'state' => $c->send(json_encode([$c->uid, $c->groups, $c->session])),
            'count' => $c->send((string) $all->count()),
            'intrude' => $c->send($intrude($id, $c->id)),
        };
    })
    ->onClose(static function (Connection $c, int $code): void {
        file_put_contents(__DIR__ . '/closed', getmypid() . " $code " . ($c->session['secret'] ?? '') . "\n", FILE_APPEND);
    })
    ->onRequest(static fn (Request $r): Response => Response::text($intrude($r->query['id'], $r->query['own'])));
$worker->run();
`

// sites are two pools on one port, by their settings.
type sites struct {
	*harness.Host
	t          *testing.T
	addr, dir  string
	shop, blog string // the folders of their code
}

func startSites(t *testing.T, shop, blog string) *sites {
	t.Helper()
	s := &sites{t: t, addr: harness.FreeAddress(t), dir: t.TempDir()}
	s.shop, s.blog = harness.PHPWorker(t, intruder), harness.PHPWorker(t, intruder)
	s.configure(shop, blog)
	s.Host = harness.StartWith(t, s.addr, "-c", filepath.Join(s.dir, "host.toml"))
	return s
}

func (s *sites) configure(shop, blog string) {
	s.t.Helper()
	harness.Write(s.t, s.dir, "host.toml", fmt.Sprintf(`
[[listen]]
address = %q
[[route]]
path = "/shop/*"
pool = "shop"
[[route]]
path = "/blog/*"
pool = "blog"
[pool.shop]
worker = %q
workers = 2
%s
[pool.blog]
worker = %q
workers = 2
%s
`, s.addr, s.shop+"/worker.php", shop, s.blog+"/worker.php", blog))
}

// TestASiteCanDoNothingToAnothersConnections from events and from requests, whatever it knows of them.
func TestASiteCanDoNothingToAnothersConnections(t *testing.T) {
	t.Parallel()
	s := startSites(t, `realm = "shop"`, `realm = "blog"`)
	theirs, own := s.Upgrade("/shop/"), s.Upgrade("/blog/")
	theirs.Say("enter")
	id := theirs.Hear()
	asks := idOf(own)
	const nobody = `[1,0,1,[],[],[],false,null,1,[],null,null]` // but the one who asks
	for range 4 {                                               // each worker
		own.Say("intrude %s", id)
		own.Expect(nobody)
		if code, got := s.Get("/blog/intrude?id=" + id + "&own=" + asks); code != 200 || got != nobody {
			t.Errorf("a request is told %d %s", code, got)
		}
	}
	theirs.Say("state") // and nothing came before
	theirs.Expect(`["ada",["lobby"],{"secret":"kept"}]`)
}

// TestARealmIsShownToOperatorsAndNamedByThem, where there are several.
func TestARealmIsShownToOperatorsAndNamedByThem(t *testing.T) {
	t.Parallel()
	s := startSites(t, `realm = "shop"`, `realm = "blog"`)
	for _, site := range []string{"shop", "blog"} {
		k := s.Upgrade("/" + site + "/")
		k.Say("enter")
		k.Hear()
		defer k.Close()
	}
	for _, c := range []struct {
		command, want string
		code          int
	}{
		{"connections", "REALM", 0},
		{"connections --realm shop", "ada  lobby", 0},
		{"status", "realm blog", 0},
		{"send --all hello", "sent to 2 connections (blog 1, shop 1)", 0},
		{"send --uid ada hello", `user "ada" is known in the realms blog, shop`, 2},
		{"send --group lobby --realm shop hello", "sent to 1 connection\n", 0},
		{"close --uid ada --realm nowhere", `there is no realm "nowhere": there are blog, shop`, 2},
	} {
		words := strings.Fields(c.command)
		if out, code := s.Run(words[0], words[1:]...); code != c.code || !strings.Contains(out, c.want) {
			t.Errorf("host %s: exit %d\n%s", c.command, code, out)
		}
	}
}

// TestAPoolThatMovesToAnotherRealmStartsAnewWithoutItsConnections, and the new one's keep theirs.
func TestAPoolThatMovesToAnotherRealmStartsAnewWithoutItsConnections(t *testing.T) {
	t.Parallel()
	s := startSites(t, `realm = "shop"`, `realm = "blog"`)
	moved, stays := s.Upgrade("/shop/"), s.Upgrade("/blog/")
	for _, k := range []*harness.Socket{moved, stays} {
		k.Say("enter")
		k.Hear()
	}
	s.configure(`realm = "blog"`, `realm = "blog"`)
	if out, code := s.Run("reload", "shop"); code != 0 || !strings.Contains(out, "pool shop in another realm") {
		t.Errorf("a reload of the pool alone: exit %d\n%s", code, out)
	}
	moved.Say("count")
	moved.Expect("1")
	old := s.PIDs()
	out, code := s.Run("reload", "--dry-run")
	if code != 0 || !strings.Contains(out, "pool shop would start anew in the realm blog") {
		t.Errorf("a try: exit %d\n%s", code, out)
	}
	out = s.Reload()
	for _, want := range []string{"pool shop started in the realm blog: 2 workers", "1 connection closed",
		"pool shop as it was in the realm shop stopped"} {
		if !strings.Contains(out, want) {
			t.Errorf("the reload does not say %q:\n%s", want, out)
		}
	}
	if code, reason := moved.Ends(); code != 1001 || reason == "" {
		t.Errorf("the one that moved was closed with %d %q", code, reason)
	}
	text, _ := os.ReadFile(filepath.Join(s.shop, "closed"))
	if pid := 0; strings.Count(string(text), "\n") != 1 {
		t.Errorf("its CLOSE: %q", text)
	} else if _, err := fmt.Sscanf(string(text), "%d 1001 kept", &pid); err != nil || !slices.Contains(old, pid) {
		t.Errorf("its CLOSE was handled so: %q; the workers of its realm were %v", text, old)
	}
	both := s.Upgrade("/shop/")
	both.Say("count")
	both.Expect("2")
	stays.Say("state")
	stays.Expect(`["ada",["lobby"],{"secret":"kept"}]`)
}

// TestASiteThatGetsARealmOfItsOwnKeepsItsConnections, as a pool does that gets another user.
func TestASiteThatGetsARealmOfItsOwnKeepsItsConnections(t *testing.T) {
	t.Parallel()
	s := startSites(t, "", `realm = "blog"`)
	k := s.Upgrade("/shop/")
	k.Say("enter")
	k.Hear()
	s.configure(`realm = "shop"`, `realm = "blog"`)
	s.Reload()
	k.Say("state")
	k.Expect(`["ada",["lobby"],{"secret":"kept"}]`)
	var shown struct{ Realm string }
	out, _ := s.Run("connections", "--json", "--realm", "shop")
	if err := json.Unmarshal([]byte(out), &shown); err != nil || shown.Realm != "shop" {
		t.Errorf("%v: %s", err, out)
	}
}

// TestAStopTakesLeaveOfEveryRealm.
func TestAStopTakesLeaveOfEveryRealm(t *testing.T) {
	t.Parallel()
	s := startSites(t, `realm = "shop"`, `realm = "blog"`)
	all := []*harness.Socket{s.Upgrade("/shop/"), s.Upgrade("/blog/")}
	for _, k := range all {
		k.Say("enter")
		k.Hear()
	}
	s.Stop()
	for i, dir := range []string{s.shop, s.blog} {
		if code, _ := all[i].Ends(); code != 1001 {
			t.Errorf("closed with %d", code)
		}
		if text, _ := os.ReadFile(filepath.Join(dir, "closed")); !strings.Contains(string(text), " 1001 kept") {
			t.Errorf("its CLOSE: %q", text)
		}
	}
}
