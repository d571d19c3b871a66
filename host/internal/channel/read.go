// read.go: messages as the stream has them, read many at a time.

package channel

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/workerhost/workerhost/host/internal/engine"
)

// maxRead is how many bytes of messages a client gets at most that it missed.
const maxRead = 8 << 20

// maxInMemory is how many bytes are read for that at most: what went to several groups is there several times.
const maxInMemory = 2 * maxRead

// stored is a message of a history.
type stored struct {
	group  string
	seq    uint64
	at     time.Time
	before *uint64 // the one before it in its group; nil if that is not known
	floor  uint64  // then it is at most this
	id     string  // of what was sent to several groups
	data   []byte
	binary bool
}

// directGet asks a stream for messages, past its leader's queue (NATS' ADR-31).
type directGet struct {
	Seq      uint64 `json:"seq"`
	Next     string `json:"next_by_subj,omitempty"`
	Batch    int    `json:"batch,omitempty"`
	MaxBytes int    `json:"max_bytes,omitempty"`
}

// readFirst reads what a client may have missed before its turn comes, as far as that can be read now. For any
// goroutine.
func (h *history) readFirst(ctx context.Context, j *joining) {
	for _, g := range j.groups {
		if j.size > maxInMemory {
			return
		}
		if list, err := h.read(ctx, g, j.since.seq+1); err == nil {
			j.read[g] = list
			j.size += sizeOf(list)
		}
	}
}

func sizeOf(list []stored) (n int) {
	for _, m := range list {
		n += len(m.data)
	}
	return n
}

// maxHistory is more than any history has.
const maxHistory = 10_000

// read gives what there is of a group from a message on. For any goroutine.
func (h *history) read(ctx context.Context, group string, from uint64) ([]stored, error) {
	return h.get(ctx, directGet{Seq: from, Next: h.subject(group), Batch: maxHistory, MaxBytes: maxRead})
}

func (h *history) subject(group string) string { return h.prefix + engine.Token(group) }

func (h *history) group(subject string) (string, bool) {
	token, ours := strings.CutPrefix(subject, h.prefix)
	name, ok := engine.Name(token)
	return name, ours && ok
}

func (h *history) get(ctx context.Context, q directGet) (list []stored, err error) {
	conn, err := h.engine.Conn(ctx)
	if err != nil {
		return nil, err
	}
	inbox := conn.NewInbox()
	sub, err := conn.SubscribeSync(inbox)
	if err != nil {
		return nil, err
	}
	defer sub.Unsubscribe()
	sub.SetPendingLimits(-1, -1) // the question has a limit
	body, _ := json.Marshal(q)
	if err := conn.PublishRequest("$JS.API.DIRECT.GET."+h.stream, inbox, body); err != nil {
		return nil, err
	}
	for {
		msg, err := sub.NextMsgWithContext(ctx)
		if err != nil {
			return nil, err
		}
		switch status := msg.Header.Get("Status"); status {
		case "":
		case "404": // none
			return list, nil
		case "204": // the end
			if pending := msg.Header.Get("Nats-Num-Pending"); pending != "" && pending != "0" {
				return nil, errTooMuch
			}
			return list, nil
		case "503":
			return nil, nats.ErrNoResponders
		default:
			return nil, fmt.Errorf("the engine says %s %s", status, msg.Header.Get("Description"))
		}
		m, err := h.stored(msg)
		if err != nil {
			return nil, err
		}
		if list = append(list, m); q.Batch == 0 {
			return list, nil
		}
	}
}

var errOdd = errors.New("the engine's stream has something that no channel has written")

func (h *history) stored(msg *nats.Msg) (m stored, err error) {
	if m.seq, err = strconv.ParseUint(msg.Header.Get(jetstream.SequenceHeader), 10, 64); err != nil {
		return m, errOdd
	}
	if m.at, err = time.Parse(time.RFC3339Nano, msg.Header.Get(jetstream.TimeStampHeaer)); err != nil {
		return m, errOdd
	}
	group, ok := h.group(msg.Header.Get(jetstream.SubjectHeader))
	if !ok {
		return m, errOdd
	}
	if before, err := strconv.ParseUint(msg.Header.Get(beforeHeader), 10, 64); err == nil {
		m.before = &before
	}
	if m.floor, err = strconv.ParseUint(msg.Header.Get(floorHeader), 10, 64); err != nil {
		m.floor = m.seq // there is none
	}
	m.group, m.id, m.binary, m.data = group, msg.Header.Get(idHeader), msg.Header.Get(binaryHeader) != "", msg.Data
	return m, nil
}
