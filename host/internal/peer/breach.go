// What a client does against the rules, with the code that its connection is closed with.

package peer

import (
	"github.com/workerhost/workerhost/host/internal/spool"
	"github.com/workerhost/workerhost/protocol"
)

// breach is a client's breach of the rules: the code and the reason that its connection is closed with.
type breach struct {
	code   int
	reason string
}

// Error implements error.
func (b *breach) Error() string { return b.reason }

func misuse(reason string) error { return &breach{protocol.CloseProtocol, reason} }

var (
	tooBig = &breach{protocol.CloseTooBig, "the message is too big"}
	// outOfMemory ends a connection whose message had no room.
	outOfMemory = &breach{protocol.CloseTryAgain, "no memory for a large message, try again later"}
)

// tellBreach logs that the client broke a limit: each if somebody debugs, and now and then if the limit is the host's
// own.
func (l *link) tellBreach(kind string, wrong *breach) {
	log := l.peers.log
	log.Debug("a "+kind+" is closed for what its client sent",
		"connection", l.ID(), "code", wrong.code, "reason", wrong.reason)
	if wrong == outOfMemory {
		l.peers.spool.NoMemory.Warn(log, "the memory for large messages is used up: a connection is closed; "+
			"lower max_message or max_connections_per_address, or look for who sends them",
			"connection", l.ID(), "remote", l.Card().Remote, "memory", spool.MemoryBudget)
	}
}
