// Clients of long-lived connections, and the site that they talk to: testdata/talk.php.

package harness

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// Talk is a host with the worker talk.php.
type Talk struct {
	*Host
	Dir  string
	TCP  string // the address of its TCP listener, if it was asked for
	Toml string
}

// StartTalk serves talk.php on a listener with the settings, in a pool with those.
func StartTalk(t *testing.T, listen, pool string) *Talk {
	t.Helper()
	addr := FreeAddress(t)
	return StartTalkOn(t, addr, fmt.Sprintf("[[listen]]\naddress = %q\n%s\n[pool.web]\nworker = \"worker.php\"\n%s\n",
		addr, listen, pool))
}

// StartTalkTCP has a TCP listener beside the one for HTTP.
func StartTalkTCP(t *testing.T, tcp, pool string) *Talk {
	t.Helper()
	addr, second := FreeAddress(t), FreeAddress(t)
	k := StartTalkOn(t, addr, fmt.Sprintf("[[listen]]\naddress = %q\n[[listen]]\naddress = %q\nprotocol = "+
		"\"tcp\"\n%s\n[pool.web]\nworker = \"worker.php\"\n%s\n", addr, second, tcp, pool))
	k.TCP = second
	return k
}

// StartTalkOn serves talk.php by a host.toml that listens on addr.
func StartTalkOn(t *testing.T, addr, toml string) *Talk {
	t.Helper()
	k := &Talk{Dir: t.TempDir(), Toml: toml}
	k.Deploy(t, "1")
	Write(t, k.Dir, "host.toml", toml)
	k.Host = StartWith(t, addr, "-c", filepath.Join(k.Dir, "host.toml"))
	return k
}

// Deploy puts a version of talk.php in place.
func (k *Talk) Deploy(t *testing.T, version string) {
	t.Helper()
	WritePHP(t, k.Dir, TalkSource(t, version))
}

// TalkSource is a version of talk.php after the opening tag, for WritePHP.
func TalkSource(t *testing.T, version string) string {
	t.Helper()
	code, err := os.ReadFile(filepath.Join(Repository, "host/internal/e2e/testdata/talk.php"))
	if err != nil {
		t.Fatal(err)
	}
	return strings.Replace(strings.TrimPrefix(string(code), "<?php\n"), "@VERSION@", version, 1)
}

// Farewells are the lines that onClose wrote.
func (k *Talk) Farewells() []string {
	b, _ := os.ReadFile(filepath.Join(k.Dir, "closed"))
	return strings.FieldsFunc(string(b), func(r rune) bool { return r == '\n' })
}

// AwaitFarewell waits until onClose wrote a line that begins so.
func (k *Talk) AwaitFarewell(line string) {
	k.T.Helper()
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		for _, l := range k.Farewells() {
			if strings.HasPrefix(l, line) {
				return
			}
		}
	}
	k.T.Fatalf("onClose never said %q, but %q", line, k.Farewells())
}

// shown is a line of `host connections --json`.
type shown struct {
	ID, Protocol, Remote, UID string
	Groups                    []string
	Listener, Pool            string
	MessagesIn                int64 `json:"messages_in"`
	MessagesOut               int64 `json:"messages_out"`
	BytesIn                   int64 `json:"bytes_in"`
	BytesOut                  int64 `json:"bytes_out"`
	Queued                    int64
}

// Connections is what `host connections --json args…` lists.
func (k *Talk) Connections(args ...string) (all []shown) {
	k.T.Helper()
	out, code := k.Run("connections", append([]string{"--json"}, args...)...)
	if code != 0 {
		k.T.Fatalf("host connections: exit %d\n%s", code, out)
	}
	for text := range strings.Lines(out) {
		var c shown
		if err := json.Unmarshal([]byte(text), &c); err != nil {
			k.T.Fatalf("%s: %v", text, err)
		}
		all = append(all, c)
	}
	return all
}
