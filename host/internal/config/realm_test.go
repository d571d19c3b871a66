package config

import (
	"fmt"
	"testing"

	"github.com/workerhost/workerhost/host/internal/privilege"
)

func TestAPoolsRealmIsItsUserUnlessItSaysOtherwise(t *testing.T) {
	if !privilege.Supported {
		t.Skip("there are no users here")
	}
	site(t)
	c := parse(t, "[[listen]]\naddress = ':1'\npool = 'a'\n"+
		"[pool.a]\nworker = 'worker.php'\n"+
		"[pool.b]\nworker = 'worker.php'\nuser = 'root'\n"+
		"[pool.c]\nworker = 'worker.php'\nuser = '0'\n"+
		"[pool.d]\nworker = 'worker.php'\nuser = '0'\nrealm = 'chat'\n"+
		"[pool.e]\nworker = 'worker.php'\nrealm = 'chat'\n"+
		"[pool.f]\nworker = 'worker.php'\ngroup = '0'\n")
	got := ""
	for _, p := range c.Pools {
		got += p.InRealm() + " "
	}
	if got != "default root root chat chat default " || fmt.Sprint(c.Realms()) != "[chat default root]" {
		t.Errorf("%s, in all %v", got, c.Realms())
	}
	checkMistakes(t, []mistake{
		{good + "realm = ''", `host.toml:3: [pool.web] realm: expected a name of at most 64 letters, digits, dots, hyphens and underscores, found ""`},
		{good + "realm = 'a b'", `host.toml:3: [pool.web] realm: expected a name of at most 64 letters, digits, dots, hyphens and underscores, found "a b"`},
	})
}

func TestAUserCalledDefaultIsNotPutWithThoseWhoHaveNone(t *testing.T) {
	p := &Pool{at: "pool.web", Identity: &privilege.Identity{User: DefaultRealm}}
	said := ""
	p.checkRealm(&Config{}, func(at, format string, args ...any) { said = at + ": " + fmt.Sprintf(format, args...) })
	if said != `pool.web.user: pools that name no user are in the realm "default", and would know the connections of `+
		`this one: write realm = "NAME" as well` {
		t.Error(said)
	}
}
