// What a pool has to know of a message that opens a stream, be it a request or an event.

package protocol

// Opening is a message that opens a stream: a [Request], or an event of a connection. A pool sets stream and attempt,
// reads the rest, and sends it.
type Opening interface {
	Message
	// SetStream gives the message its stream.
	SetStream(id uint32)
	// SetAttempt says how often workers have been given it, from 1.
	SetAttempt(n int)
	// Attempts is what SetAttempt set, or 0.
	Attempts() int
	// Whole says that no DATA follows.
	Whole() bool
	// Size is how many bytes of body it carries.
	Size() int
	// Name is for logs: "GET /path", "MESSAGE of websocket c1". id is the request's id, or the connection's.
	Name() (name, id string)
}

// SetStream implements [Opening].
func (m *Request) SetStream(id uint32) { m.Stream = id }

// SetAttempt implements [Opening].
func (m *Request) SetAttempt(n int) { m.Attempt = n }

// Attempts implements [Opening].
func (m *Request) Attempts() int { return m.Attempt }

// Whole implements [Opening].
func (m *Request) Whole() bool { return m.Flags&FlagEnd != 0 }

// Size implements [Opening].
func (m *Request) Size() int { return len(m.Body) }

// Name implements [Opening].
func (m *Request) Name() (name, id string) { return m.Method + " " + m.Target, m.ID }

// SetStream implements [Opening].
func (m *Open) SetStream(id uint32) { m.Stream = id }

// SetAttempt implements [Opening].
func (m *Open) SetAttempt(n int) { m.Attempt = n }

// Attempts implements [Opening].
func (m *Open) Attempts() int { return m.Attempt }

// Whole implements [Opening].
func (m *Open) Whole() bool { return true }

// Size implements [Opening].
func (m *Open) Size() int { return 0 }

// Name implements [Opening].
func (m *Open) Name() (name, id string) { return m.Connection.event(TypeOpen) }

// SetStream implements [Opening].
func (m *Incoming) SetStream(id uint32) { m.Stream = id }

// SetAttempt implements [Opening].
func (m *Incoming) SetAttempt(n int) { m.Attempt = n }

// Attempts implements [Opening].
func (m *Incoming) Attempts() int { return m.Attempt }

// Whole implements [Opening].
func (m *Incoming) Whole() bool { return m.Flags&FlagEnd != 0 }

// Size implements [Opening].
func (m *Incoming) Size() int {
	n := len(m.Bytes)
	for i := range m.More {
		n += len(m.More[i].Bytes)
	}
	return n
}

// Name implements [Opening].
func (m *Incoming) Name() (name, id string) { return m.Connection.event(TypeMessage) }

// SetStream implements [Opening].
func (m *Close) SetStream(id uint32) { m.Stream = id }

// SetAttempt implements [Opening].
func (m *Close) SetAttempt(n int) { m.Attempt = n }

// Attempts implements [Opening].
func (m *Close) Attempts() int { return m.Attempt }

// Whole implements [Opening].
func (m *Close) Whole() bool { return true }

// Size implements [Opening].
func (m *Close) Size() int { return 0 }

// Name implements [Opening].
func (m *Close) Name() (name, id string) { return m.Connection.event(TypeClose) }

// SetStream implements [Opening].
func (m *Buffer) SetStream(id uint32) { m.Stream = id }

// SetAttempt implements [Opening].
func (m *Buffer) SetAttempt(n int) { m.Attempt = n }

// Attempts implements [Opening].
func (m *Buffer) Attempts() int { return m.Attempt }

// Whole implements [Opening].
func (m *Buffer) Whole() bool { return true }

// Size implements [Opening].
func (m *Buffer) Size() int { return 0 }

// Name implements [Opening].
func (m *Buffer) Name() (name, id string) { return m.Connection.event(TypeBuffer) }

// SetStream implements [Opening].
func (m *Fetched) SetStream(id uint32) { m.Stream = id }

// SetAttempt implements [Opening].
func (m *Fetched) SetAttempt(n int) { m.Attempt = n }

// Attempts implements [Opening].
func (m *Fetched) Attempts() int { return m.Attempt }

// Whole implements [Opening].
func (m *Fetched) Whole() bool { return m.Flags&FlagEnd != 0 }

// Size implements [Opening].
func (m *Fetched) Size() int { return len(m.Bytes) }

// Name implements [Opening].
func (m *Fetched) Name() (name, id string) { return "FETCHED " + m.ID, m.ID }

func (c *Connection) event(t Type) (name, id string) {
	if c.ID == "" {
		return t.String() + " of " + c.Protocol + " from " + c.Remote, ""
	}
	return t.String() + " of " + c.Protocol + " " + c.ID, c.ID
}
