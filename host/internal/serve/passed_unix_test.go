//go:build unix

package serve

import (
	"testing"

	"github.com/hashicorp/go-hclog"
	"github.com/workerhost/workerhost/host/internal/activation"
	"github.com/workerhost/workerhost/host/internal/config"
	"github.com/workerhost/workerhost/host/internal/listen"
)

func TestASocketThatCanNotBeDuplicatedStaysKept(t *testing.T) {
	const address = "127.0.0.1:0"
	for name, c := range map[string]struct {
		listens, stops bool
		stays          bool
	}{
		"its listener can't be asked": {listens: true, stays: true},
		"the host stops":              {stops: true, stays: true},
		"there is no listener":        {},
	} {
		h := newHost(&config.Config{}, hclog.NewNullLogger())
		h.notify.socket, h.notify.room = "nobody", 4
		kept := activation.StoreName(address, false)
		h.notify.kept([]string{kept})
		if c.listens {
			server, err := listen.New(listen.Options{Address: address}) // and not bound
			if err != nil {
				t.Fatal(err)
			}
			defer server.Close()
			l := &listener{socket: &socket{server: server}, config: config.Listen{Address: address}}
			h.setup.Load().listeners = append(h.setup.Load().listeners, l)
		}
		if c.stops {
			h.end(errStopped)
		}
		if h.keepSockets(); h.notify.isKept(kept) != c.stays {
			t.Errorf("%s: kept are %q", name, h.notify.keeps())
		}
	}
}
