package peer

import (
	"net"
	"syscall"
	"testing"
	"time"

	"github.com/workerhost/workerhost/host/internal/peer/peertest"
)

func writeSock(c net.Conn, p []byte, timeout time.Duration) error {
	s := &attended{conn: c, raw: struct{ syscall.RawConn }{}}
	return s.write([][]byte{p}, timeout)
}

func TestASocketsWriteTimesOutWhenThePeerHasTakenNothingForThatLong(t *testing.T) {
	peertest.WriteTimesOut(t, writeSock)
}

func TestASocketsWriteTakesAsLongAsThePeerTakesSomething(t *testing.T) {
	peertest.WriteGoesOn(t, writeSock)
}
