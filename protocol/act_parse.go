// Reading acts (SPEC.md §10.3).

package protocol

// openAct begins to read an act; want is the number of elements after the flags that have no default.
func openAct(payload []byte, t Type, want int) (f fields, flags Flags) {
	f = open(payload, t, want+1)
	if f.next("flags") {
		flags = f.flags(actFlags)
	}
	return f, flags
}

func (f *fields) audience() (to Audience, names []string) {
	if f.next("to") {
		to = Audience(f.number(int64(ToSelf), int64(ToAll)))
	}
	if f.next("names") {
		names = f.strings(nil)
	}
	return to, names
}

func (f *fields) optional(name string) []string {
	if f.next(name) {
		return f.strings(nil)
	}
	return nil
}

// Parse implements [Act].
func (m *Send) Parse(payload []byte) error {
	f, flags := openAct(payload, TypeSend, 3)
	*m = Send{Stream: f.stream, Flags: flags}
	m.To, m.Names = f.audience()
	if f.next("bytes") {
		m.Bytes = append([]byte(nil), f.bodyBytes()...)
	}
	m.Except = f.optional("except")
	return f.end()
}

// Parse implements [Act].
func (m *Hangup) Parse(payload []byte) error {
	f, flags := openAct(payload, TypeHangup, 2)
	*m = Hangup{Stream: f.stream, Flags: flags, Code: CloseNormal}
	m.To, m.Names = f.audience()
	if f.next("code") {
		m.Code = f.uint()
	}
	if f.next("reason") {
		m.Reason = f.str()
	}
	m.Except = f.optional("except")
	return f.end()
}

// Parse implements [Act].
func (m *Join) Parse(payload []byte) (err error) {
	m.Stream, m.Flags, m.Connection, m.Groups, err = parseMembership(payload, TypeJoin)
	return err
}

// Parse implements [Act].
func (m *Leave) Parse(payload []byte) (err error) {
	m.Stream, m.Flags, m.Connection, m.Groups, err = parseMembership(payload, TypeLeave)
	return err
}

func parseMembership(payload []byte, t Type) (stream uint32, flags Flags, connection string, groups []string, err error) {
	f, flags := openAct(payload, t, 2)
	if f.next("connection") {
		connection = f.str()
	}
	groups = f.optional("groups")
	return f.stream, flags, connection, groups, f.end()
}

// Parse implements [Act].
func (m *Bind) Parse(payload []byte) error {
	f, flags := openAct(payload, TypeBind, 2)
	*m = Bind{Stream: f.stream, Flags: flags}
	if f.next("connection") {
		m.Connection = f.str()
	}
	if f.next("uid") {
		m.UID = f.str()
	}
	return f.end()
}

// Parse implements [Act].
func (m *Set) Parse(payload []byte) error {
	f, flags := openAct(payload, TypeSet, 2)
	*m = Set{Stream: f.stream, Flags: flags}
	if f.next("connection") {
		m.Connection = f.str()
	}
	if f.next("set") {
		m.Set = f.entries()
	}
	m.Unset = f.optional("unset")
	return f.end()
}

// Parse implements [Act].
func (m *Accept) Parse(payload []byte) error {
	f, flags := openAct(payload, TypeAccept, 0)
	*m = Accept{Stream: f.stream, Flags: flags}
	if f.next("subprotocol") {
		m.Subprotocol = f.str()
	}
	if f.next("headers") {
		m.Headers = f.pairs(nil)
	}
	return f.end()
}
