// Package handover is the way between two hosts on one machine while one takes over from the other: messages with
// descriptors, in order, both ways, over a pair of unix sockets. What the messages say it does not know: that is
// agreed by the rooms that send and handle them.
//
// The two may be of different versions, so what a message says is a document: fields that one side does not know are
// skipped, and those that the other did not send keep the value that they had before [Message.Decode]. A field never
// changes its meaning; one that has to, gets a new name.
//
// On the wire a message is a head of ten bytes (big-endian: length of the kind 16 bits, length of the body 32, number
// of descriptors 32), the kind, the body, and one more byte for each [batch] descriptors, which carries them as
// SCM_RIGHTS. The first one each way is the greeting, which [Link] sends and takes by itself.
package handover

import (
	"errors"
	"fmt"
	"os"

	"github.com/vmihailenco/msgpack/v5"
)

const (
	// Version is that of the documents this host sends. It grows when the previous one would misread them.
	Version = 1
	// Oldest is the version whose documents this host understands still.
	Oldest = 1

	// MaxBody is the most bytes that a message's body has.
	MaxBody = 1 << 30
	// MaxFiles is the most descriptors that go with one message.
	MaxFiles = 1 << 16

	maxKind = 255
	batch   = 253 // descriptors that the kernel takes at once (SCM_MAX_FD)
)

// Variable is the environment's variable that has the number of the descriptor for [Inherit].
const Variable = "WORKERHOST_HANDOVER"

// ErrClosed says that the link has been closed, by [Link.Close] or by an error before.
var ErrClosed = errors.New("the link between the two hosts is closed")

// Message is what [Link.Receive] returns, and a handler gets.
type Message struct {
	Kind  string
	Body  []byte     // a MessagePack document, see [Message.Decode]
	Files []*os.File // close-on-exec; whoever gets the message closes them
}

// Decode reads the body to what v points to, by the names in the `msgpack` tags of a struct. It skips fields that v
// lacks, and leaves those alone that the body lacks. There must be no `any` in v: it would
// take the other side's word for how much memory it needs.
func (m Message) Decode(v any) error {
	if err := msgpack.Unmarshal(m.Body, v); err != nil {
		return fmt.Errorf("what the other host says of %q can't be read: %w", m.Kind, err)
	}
	return nil
}

// Handlers say what is done with a message, by its kind. A handler closes the message's files; its error ends the
// link.
type Handlers map[string]func(Message) error

// Discard closes the descriptors that came with the message.
func (m Message) Discard() { closeAll(m.Files) }

func closeAll(files []*os.File) {
	for _, f := range files {
		f.Close()
	}
}

// greetingKind is that of the first message each way.
const greetingKind = "greeting"

// greeting is frozen: whatever version a host is of, it can read this of any other one.
type greeting struct {
	Version int `msgpack:"version"`
	Oldest  int `msgpack:"oldest"`
}

// accept says why the other host's documents, or ours, would not be understood.
func (g greeting) accept() error {
	switch {
	case g.Version < Oldest:
		return fmt.Errorf("the other host speaks version %d of the hand-over, and this one understands %d to %d: "+
			"upgrade to a version between the two first", g.Version, Oldest, Version)
	case g.Oldest > Version:
		return fmt.Errorf("the other host understands the hand-over from version %d on, and this one speaks %d: "+
			"upgrade to a version between the two first", g.Oldest, Version)
	}
	return nil
}
