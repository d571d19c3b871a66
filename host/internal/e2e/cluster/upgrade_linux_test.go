package cluster

import (
	"fmt"
	"testing"

	"github.com/workerhost/workerhost/host/internal/e2e/harness"
)

func TestAHostIsUpgradedInTheClusterAndItsClientsStay(t *testing.T) {
	all, _ := several(t, 3)
	var clients []*harness.Socket
	for i, h := range all {
		clients = append(clients, h.Upgrade("/"))
		clients[i].Say("enter user-%d room", i)
		clients[i].Expect("entered")
	}
	if out, code := all[0].Run("upgrade"); code != 0 {
		t.Fatal(out)
	}
	for _, s := range clients {
		all[0].Eventually("all are there again", func() bool {
			s.Say("count room")
			got, err := s.Listen()
			return err == nil && got == "3"
		})
	}
	for i, s := range clients {
		s.Say("group room from-%d", i)
		for _, each := range clients {
			each.Expect(fmt.Sprintf("from-%d", i))
		}
	}
}
