// stream.go: a stream of the engine that has one message for each key.

package store

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/workerhost/workerhost/host/internal/engine"
	"github.com/workerhost/workerhost/protocol"
)

// stream is made in the engine when it is first used, and again if it is gone: what is in memory ends with the
// engine's process.
type stream struct {
	engine  *engine.Engine
	want    jetstream.StreamConfig
	subject string // what stands before a key's token
	made    *atomic.Bool
	get     string // the subject by which a key is read, without its own
}

func newStream(e *engine.Engine, name, subject string, c jetstream.StreamConfig) *stream {
	if c.Replicas = e.Replicas(); c.Replicas > 1 {
		c.PersistMode = jetstream.DefaultPersistMode // the engine has the other one for a single copy alone
	}
	c.Name, c.MaxMsgsPerSubject, c.AllowMsgTTL, c.AllowDirect = name, 1, true, true
	c.MaxMsgs, c.MaxConsumers = -1, -1
	return &stream{engine: e, want: c, subject: subject, made: new(atomic.Bool), get: "$JS.API.DIRECT.GET." + name}
}

// within is the part of the stream whose subjects go on like this.
func (s *stream) within(more string) *stream {
	part := *s
	part.subject += more
	return &part
}

// ensure makes the stream unless it is there.
func (s *stream) ensure(ctx context.Context, js jetstream.JetStream) error {
	if s.made.Load() {
		return nil
	}
	want := s.want
	if want.Storage == jetstream.MemoryStorage {
		// So that versions and tokens grow though what was there before is forgotten.
		want.FirstSeq = uint64(time.Now().UnixMicro())
	}
	_, err := js.CreateStream(ctx, want)
	if errors.Is(err, jetstream.ErrStreamNameAlreadyInUse) {
		var there jetstream.Stream
		if there, err = js.Stream(ctx, s.want.Name); err == nil {
			want.FirstSeq = there.CachedInfo().Config.FirstSeq
			_, err = js.UpdateStream(ctx, want)
		}
	}
	if err == nil {
		s.made.Store(true)
	}
	return err
}

// again does what may be done twice, with a stream that is there, while the engine is away.
func (s *stream) again(ctx context.Context, do func(ctx context.Context, c *nats.Conn) error) error {
	asked := false
	err := s.engine.Again(ctx, func(ctx context.Context, js jetstream.JetStream) error {
		err := s.ensure(ctx, js)
		if err == nil {
			asked = true
			err = do(ctx, js.Conn())
		}
		if engine.Away(err) || gone(err) {
			s.made.Store(false)
			if !engine.Away(err) {
				err = fmt.Errorf("%w: %w", engine.ErrUnavailable, err)
			}
		}
		return err
	})
	if engine.Away(err) && !asked {
		return refuse(protocol.CallUnavailable, "%v", err) // nothing was done
	}
	return err
}

// gone says whether an error means that the stream is not there, or is about to be closed.
func gone(err error) bool {
	var api *jetstream.APIError
	return errors.Is(err, jetstream.ErrStreamNotFound) || errors.As(err, &api) &&
		(api.ErrorCode == jetstream.JSErrCodeStreamNotFound || strings.Contains(api.Description, "closed"))
}

// Headers of the engine's.
const (
	headerTTL      = "Nats-TTL"
	headerExpected = "Nats-Expected-Last-Subject-Sequence"
	headerSeq      = "Nats-Sequence"
	headerTime     = "Nats-Time-Stamp"
)

// message is one that puts data under the key's token.
func (s *stream) message(token string, data []byte, ttl time.Duration) *nats.Msg {
	m := &nats.Msg{Subject: s.subject + token, Data: data}
	if ttl > 0 {
		m.Header = nats.Header{headerTTL: []string{seconds(ttl)}}
	}
	return m
}

// expect has a message be refused unless the key's last one is seq; 0: it has none.
func expect(m *nats.Msg, seq uint64) {
	if m.Header == nil {
		m.Header = nats.Header{}
	}
	m.Header[headerExpected] = []string{strconv.FormatUint(seq, 10)}
}

// errMoved says that the key's last message is another one than was expected.
var errMoved = errors.New("the key has been changed by others")

// publish puts a message into the stream once, and says where.
func (s *stream) publish(ctx context.Context, c *nats.Conn, m *nats.Msg) (seq uint64, err error) {
	answer, err := c.RequestMsgWithContext(ctx, m)
	if err != nil {
		return 0, err
	}
	return confirmed(answer)
}

// confirmed reads the engine's answer to a message that was published.
func confirmed(answer *nats.Msg) (seq uint64, err error) {
	var said struct {
		Error *jetstream.APIError `json:"error"`
		Seq   uint64              `json:"seq"`
	}
	if err := json.Unmarshal(answer.Data, &said); err != nil {
		return 0, fmt.Errorf("the engine's answer can't be read: %w", err)
	}
	switch {
	case said.Error == nil:
		return said.Seq, nil
	case said.Error.ErrorCode == jetstream.JSErrCodeStreamWrongLastSequence,
		said.Error.ErrorCode == jetstream.JSErrCodeStreamWrongLastSequenceConstant:
		return 0, errMoved
	}
	return 0, said.Error
}

// last reads the key's last message; nil if there is none. local: from the copy at hand, which may be behind.
func (s *stream) last(ctx context.Context, c *nats.Conn, token string, local bool) (m *nats.Msg, seq uint64,
	err error) {
	m, err = c.RequestMsgWithContext(ctx, s.question(token, local))
	if err != nil {
		return nil, 0, err
	}
	return found(m)
}

// longSubject is from when on a subject does not go into that of a question, whose length the engine bounds.
const longSubject = 1024

// question asks for the key's last message: any copy if there is but one, or local; else the one by which all changes
// go, which has them before whoever made one knows that it was made.
func (s *stream) question(token string, local bool) *nats.Msg {
	switch {
	case s.want.Replicas > 1 && !local:
		return &nats.Msg{Subject: "$JS.API.STREAM.MSG.GET." + s.want.Name,
			Data: []byte(`{"last_by_subj":"` + s.subject + token + `"}`)}
	case len(token) < longSubject:
		return &nats.Msg{Subject: s.get + "." + s.subject + token}
	}
	return &nats.Msg{Subject: s.get, Data: []byte(`{"last_by_subj":"` + s.subject + token + `"}`)}
}

// found reads the engine's answer to a question for a message.
func found(m *nats.Msg) (*nats.Msg, uint64, error) {
	if m.Header == nil {
		return foundByFirst(m.Data)
	}
	if at := m.Header[headerSeq]; len(at) == 1 {
		seq, err := strconv.ParseUint(at[0], 10, 64)
		return m, seq, err
	}
	switch status := m.Header.Get("Status"); status {
	case "404":
		return nil, 0, nil
	default:
		return nil, 0, fmt.Errorf("%w: it answers %s %s", engine.ErrUnavailable, status, m.Header.Get("Description"))
	}
}

// foundByFirst reads the answer of the copy by which changes go.
func foundByFirst(data []byte) (*nats.Msg, uint64, error) {
	var said struct {
		Error   *jetstream.APIError `json:"error"`
		Message struct {
			Seq  uint64 `json:"seq"`
			Data []byte `json:"data"`
			Time string `json:"time"`
		} `json:"message"`
	}
	if err := json.Unmarshal(data, &said); err != nil {
		return nil, 0, fmt.Errorf("the engine's answer can't be read: %w", err)
	}
	const notAvailable = 10008 // nobody knows at the moment by which copy changes go
	switch {
	case said.Error == nil:
		m := said.Message
		return &nats.Msg{Data: m.Data, Header: nats.Header{headerTime: []string{m.Time}}}, m.Seq, nil
	case said.Error.ErrorCode == jetstream.JSErrCodeMessageNotFound:
		return nil, 0, nil
	case said.Error.ErrorCode == notAvailable:
		return nil, 0, fmt.Errorf("%w: %w", engine.ErrUnavailable, said.Error)
	}
	return nil, 0, said.Error
}

// batch is how many messages are under way together: values of a MiB, and room for what is told of each.
const batch = 16

// many sends several questions and gives their answers in the same order.
func (s *stream) many(ctx context.Context, c *nats.Conn, questions []*nats.Msg) ([]*nats.Msg, error) {
	inbox := c.NewInbox() + "."
	sub, err := c.SubscribeSync(inbox + "*")
	if err != nil {
		return nil, err
	}
	defer sub.Unsubscribe()
	answers := make([]*nats.Msg, len(questions))
	for from := 0; from < len(questions); from += batch {
		to := min(from+batch, len(questions))
		for i := from; i < to; i++ {
			questions[i].Reply = inbox + strconv.Itoa(i)
			if err := c.PublishMsg(questions[i]); err != nil {
				return nil, err
			}
		}
		for range to - from {
			m, err := sub.NextMsgWithContext(ctx)
			if err != nil {
				return nil, err
			}
			i, err := strconv.Atoi(m.Subject[len(inbox):])
			if err != nil || i < from || i >= to {
				return nil, fmt.Errorf("the engine answered what was not asked: %q", m.Subject)
			}
			if len(m.Data) == 0 && m.Header.Get("Status") == "503" {
				return nil, nats.ErrNoResponders
			}
			answers[i] = m
		}
	}
	return answers, nil
}

// purge removes what matches the subject, what comes before a place in the stream unless that is 0, and says how many
// that were.
func (s *stream) purge(ctx context.Context, c *nats.Conn, subject string, before uint64) (n uint64, err error) {
	body, err := json.Marshal(struct {
		Filter string `json:"filter"`
		Seq    uint64 `json:"seq,omitempty"`
	}{subject, before})
	if err != nil {
		return 0, err
	}
	answer, err := c.RequestWithContext(ctx, "$JS.API.STREAM.PURGE."+s.want.Name, body)
	if err != nil {
		return 0, err
	}
	var said struct {
		Error  *jetstream.APIError `json:"error"`
		Purged uint64              `json:"purged"`
	}
	if err := json.Unmarshal(answer.Data, &said); err != nil {
		return 0, fmt.Errorf("the engine's answer can't be read: %w", err)
	}
	if said.Error != nil {
		return 0, said.Error
	}
	return said.Purged, nil
}

// jitter is a short pause before somebody tries again that another one was faster than.
func jitter() time.Duration { return time.Duration(rand.IntN(2000)) * time.Microsecond }
