// stream.go: where it is noted. All copies are in memory, and who changes something says what it was before.

package ledger

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/workerhost/workerhost/host/internal/engine"
)

// stream is made in the engine when it is first used, and again if it is gone.
type stream struct {
	engine *engine.Engine
	name   string
	prefix string // of all subjects

	// the keeper's
	stands bool             // as far as is known
	there  jetstream.Stream // nil: it has not stood yet
	born   time.Time        // when it was made
}

// size bounds what is noted of all hosts together, in bytes. It counts for max_memory of the engine.
const size = 64 << 20

func newStream(e *engine.Engine, cluster string) *stream {
	token := engine.Token(cluster)
	return &stream{engine: e, name: "ledger_" + token, prefix: "workerhost." + token + ".ledger."}
}

// entry is the subject of a connection, which it keeps when another process of the same host has it.
func (s *stream) entry(station, id string) string {
	return s.prefix + "entry." + engine.Token(station) + "." + engine.Token(id)
}

// entries are those of a host.
func (s *stream) entries(station string) string {
	return s.prefix + "entry." + engine.Token(station) + ".*"
}

// sign is the subject of a process, and "*" of all.
func (s *stream) sign(life string) string { return s.prefix + "life." + life }

// patience is how long each question to the engine may take.
const patience = 2 * time.Second

// ensure makes the stream unless it is there. fresh says that it is another one than before.
func (s *stream) ensure(ctx context.Context) (fresh bool, err error) {
	if s.stands {
		return false, nil
	}
	js, err := s.engine.JetStream(ctx)
	if err != nil {
		return false, err
	}
	c := jetstream.StreamConfig{Name: s.name, Subjects: []string{s.prefix + ">"}, MaxMsgsPerSubject: 1,
		MaxBytes: size, Discard: jetstream.DiscardNew, Storage: jetstream.MemoryStorage,
		Replicas: s.engine.Replicas(), MaxMsgs: -1, MaxConsumers: -1,
		Description: "connections, for the host that has their CLOSE handled when theirs has died",
		// So that no place is another note's, though what was there before is forgotten.
		FirstSeq: uint64(time.Now().UnixMicro())}
	there, err := js.CreateStream(ctx, c)
	if errors.Is(err, jetstream.ErrStreamNameAlreadyInUse) {
		if there, err = js.Stream(ctx, s.name); err == nil && there.CachedInfo().Config.Replicas != c.Replicas {
			c.FirstSeq = there.CachedInfo().Config.FirstSeq
			there, err = js.UpdateStream(ctx, c)
		}
	}
	if err != nil {
		return false, err
	}
	fresh = !s.born.IsZero() && !s.born.Equal(there.CachedInfo().Created)
	s.stands, s.there, s.born = true, there, there.CachedInfo().Created
	return fresh, nil
}

// errMoved is that what was there is not, or is another one by now.
var errMoved = errors.New("it has been changed by others")

// anyVersion is for what takes the place of whatever is there.
const anyVersion = ^uint64(0)

// put writes a subject's message, if the one before is that of a place, and says where it is; 0: there is none before.
func (s *stream) put(ctx context.Context, subject string, data []byte, before uint64) (at uint64, err error) {
	js, err := s.engine.JetStream(ctx)
	if err != nil {
		return 0, err
	}
	options := []jetstream.PublishOpt{jetstream.WithRetryAttempts(0)}
	if before != anyVersion {
		options = append(options, jetstream.WithExpectLastSequencePerSubject(before))
	}
	ack, err := js.Publish(ctx, subject, data, options...)
	if err != nil {
		var api *jetstream.APIError
		const constant = 10164 // the same, of a stream with copies
		if errors.As(err, &api) &&
			(api.ErrorCode == jetstream.JSErrCodeStreamWrongLastSequence || api.ErrorCode == constant) {
			return 0, errMoved
		}
		return 0, err
	}
	return ack.Sequence, nil
}

// remove removes the message of a place, once: whoever comes second has errMoved, and so has who comes after it has
// got another place.
func (s *stream) remove(ctx context.Context, at uint64) error {
	js, err := s.engine.JetStream(ctx)
	if err != nil {
		return err
	}
	body := fmt.Appendf(nil, `{"seq":%d,"no_erase":true}`, at)
	answer, err := js.Conn().RequestWithContext(ctx, "$JS.API.STREAM.MSG.DELETE."+s.name, body)
	if err != nil {
		return err
	}
	var said struct {
		Error *jetstream.APIError `json:"error"`
	}
	if err := json.Unmarshal(answer.Data, &said); err != nil {
		return fmt.Errorf("%w: its answer can't be read: %w", engine.ErrUnavailable, err)
	}
	const notFound = 10043
	switch {
	case said.Error == nil:
		return nil
	case said.Error.ErrorCode == notFound, strings.Contains(said.Error.Description, "not found"):
		return errMoved
	}
	return fmt.Errorf("%w: %w", engine.ErrUnavailable, said.Error)
}

// last is a subject's message.
func (s *stream) last(ctx context.Context, subject string) (*jetstream.RawStreamMsg, error) {
	return s.there.GetLastMsgForSubject(ctx, subject)
}

// next is the first message of a subject, which may have a wildcard, from a place on. jetstream.ErrMsgNotFound: there
// is none.
func next(ctx context.Context, in jetstream.Stream, subject string, from uint64) (*jetstream.RawStreamMsg, error) {
	return in.GetMsg(ctx, from, jetstream.WithGetMsgSubject(subject))
}

// forgot says whether the stream, or what was in it, is gone, of which the last place that is known is at.
func (s *stream) forgot(ctx context.Context, at uint64) (bool, error) {
	s.stands = false
	fresh, err := s.ensure(ctx)
	if err != nil || fresh {
		return fresh, err
	}
	return s.there.CachedInfo().State.LastSeq < at, nil
}
