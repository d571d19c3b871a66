// names.go: what is called how in the engine.

package tasks

import (
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"hash/fnv"
	"strings"

	"github.com/workerhost/workerhost/host/internal/engine"
	"github.com/workerhost/workerhost/protocol"
)

// partitions are how many places the keys of a queue share.
const partitions = 16

// Names of headers of a task's message.
const (
	headerPushed   = "Task-Pushed"   // milliseconds since 1970
	headerKey      = "Task-Key"      // as engine.Token writes it
	headerReply    = "Task-Reply"    // where its end is told
	headerReason   = "Task-Reason"   // of one that failed, quoted as in Go
	headerTrace    = "Task-Trace"    // likewise
	headerAttempts = "Task-Attempts" // that it had
	headerFailed   = "Task-Failed"   // when, in milliseconds since 1970
	headerPlace    = "Task-Place"    // where it was
)

// names are those of a realm.
type names struct{ realm, stream, prefix string }

func namesOf(realm string) names {
	token := engine.Token(realm)
	return names{realm: realm, stream: "tasks_" + token, prefix: "tasks." + token + "."}
}

// live is the subject of a task; of any where a part is "*".
func (n names) live(queue, id, state, place string) string {
	return n.prefix + "live." + engine.Token(queue) + "." + id + "." + state + "." + place
}

func (n names) failed(queue, id string) string {
	return n.prefix + "failed." + engine.Token(queue) + "." + id
}
func (n names) paused(queue string) string { return n.prefix + "paused." + engine.Token(queue) }
func (n names) bell(queue string) string   { return n.prefix + "bell." + engine.Token(queue) }

// consumer is that of a place.
func consumer(queue, place string) string { return engine.Token(queue) + "_" + place }

// isPlace says whether a consumer's name goes on with a place: there are others, which count.
func isPlace(at string) bool { return at != "" && (at[0] == 'p' || at[0] == 'k') }

// placeOf is where a task waits.
func placeOf(m *protocol.Push) string {
	if m.Key == "" {
		return fmt.Sprintf("p%d", m.Priority)
	}
	h := fnv.New32a()
	h.Write([]byte(m.Key))
	return fmt.Sprintf("k%d", h.Sum32()%partitions)
}

// priority is that of a place. Those of keys go with the lowest.
func priority(place string) (n int) {
	if digits, is := strings.CutPrefix(place, "p"); is {
		fmt.Sscanf(digits, "%d", &n)
	}
	return n
}

// newID is one that no other task has.
func newID() string {
	b := make([]byte, 12)
	rand.Read(b)
	return hex.EncodeToString(b)
}
