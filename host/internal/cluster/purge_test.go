package cluster

import (
	"testing"
	"time"

	"github.com/workerhost/workerhost/protocol"
)

func TestAPurgeIsHeardByAllOtherHostsOnce(t *testing.T) {
	all := hosts(t, 3)
	heard(t, all...)
	all[0].room.Purge("default", &protocol.Purge{Tags: []string{"a"}, URLs: []string{"/b"}, All: true})
	all[0].room.Purge("other", &protocol.Purge{All: true}) // no host has that realm
	all[0].room.Purge("default", &protocol.Purge{Tags: []string{"last"}})
	for _, h := range all[1:] {
		for _, want := range []string{"default[a] [/b] true", "default[last] [] false"} {
			select {
			case got := <-h.purges:
				if got != want {
					t.Errorf("a host heard %q, not %q", got, want)
				}
			case <-time.After(20 * time.Second):
				t.Fatalf("no host heard %q", want)
			}
		}
	}
	if len(all[0].purges) > 0 {
		t.Error("a host heard itself")
	}
}
