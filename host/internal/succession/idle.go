// Idle connections of HTTP/1.x: no hub knows them, and each goes by itself, as soon as it waits for a request.

package succession

import (
	"errors"
	"os"
	"time"

	"github.com/workerhost/workerhost/host/internal/handover"
	"github.com/workerhost/workerhost/host/internal/listen"
)

// idleMessage comes with the socket of a connection that waits for a request.
type idleMessage struct {
	Listener string `msgpack:"listener"` // its address, as it is configured
	Who      string `msgpack:"who"`
	Read     []byte `msgpack:"read"`     // of the requests that come next
	Began    int64  `msgpack:"began"`    // when the first byte of that came: milliseconds since 1970
	Answered bool   `msgpack:"answered"` // a request has been
}

// Vacated gives the heir connections of the listener with this configured address: it is for [listen.Server.Vacate],
// and follows Hand.
func (g *Giver) Vacated(listener string) func(listen.Idle) error {
	return func(i listen.Idle) error {
		return g.link.Send(kindIdle,
			idleMessage{listener, i.Who, i.Read, i.Began.UnixMilli(), i.Answered}, i.Socket)
	}
}

// mostIdleRead is more than any listener reads before a request begins.
const mostIdleRead = 1 << 20

func (t *Taker) onIdle(m handover.Message) error {
	var v idleMessage
	err := m.Decode(&v)
	if err == nil && (len(m.Files) != 1 || len(v.Read) > mostIdleRead) {
		err = errors.New("a connection that waits for a request comes with one socket, and with little else")
	}
	if err != nil {
		m.Discard()
		return err
	}
	if to := t.listener(v.Listener); to == nil {
		err = os.ErrNotExist
		m.Discard()
	} else {
		i := listen.Idle{Socket: m.Files[0], Who: v.Who}
		i.Read, i.Began, i.Answered = v.Read, time.UnixMilli(v.Began), v.Answered
		err = to.AdoptIdle(i)
	}
	if err != nil {
		t.log.Debug("a connection that waits for a request is closed", "listener", v.Listener, "error", err)
	}
	return nil
}
