// Reading acts (SPEC.md §10.3).

package protocol

// openAct begins to read an act.
func openAct(payload []byte, t Type) (f fields, flags Flags) {
	f = open(payload, t)
	flags = f.at("flags").flags(actFlags)
	return f, flags
}

func (f *fields) audience() (to Audience, names []string) {
	to = Audience(f.at("to").number(int64(ToSelf), int64(ToAll)))
	names = f.at("names").strings(nil)
	return to, names
}

// Parse implements [Act].
func (m *Send) Parse(payload []byte) error {
	f, flags := openAct(payload, TypeSend)
	*m = Send{Stream: f.stream, Flags: flags}
	m.To, m.Names = f.audience()
	m.Bytes = append([]byte(nil), f.at("bytes").bodyBytes()...)
	m.Except = f.at("except").strings(nil)
	return f.end()
}

// Parse implements [Act].
func (m *Hangup) Parse(payload []byte) error {
	f, flags := openAct(payload, TypeHangup)
	*m = Hangup{Stream: f.stream, Flags: flags}
	m.To, m.Names = f.audience()
	m.Code = f.at("code").uint()
	m.Reason = f.at("reason").str()
	m.Except = f.at("except").strings(nil)
	return f.end()
}

// Parse implements [Act].
func (m *Join) Parse(payload []byte) error {
	f, flags := openAct(payload, TypeJoin)
	*m = Join{Stream: f.stream, Flags: flags}
	m.Connection = f.at("connection").str()
	m.Groups = f.at("groups").strings(nil)
	if f.at("since"); !f.null() {
		since := f.str()
		m.Since = &since
	}
	return f.end()
}

// Parse implements [Act].
func (m *Leave) Parse(payload []byte) error {
	f, flags := openAct(payload, TypeLeave)
	*m = Leave{Stream: f.stream, Flags: flags}
	m.Connection = f.at("connection").str()
	m.Groups = f.at("groups").strings(nil)
	return f.end()
}

// Parse implements [Act].
func (m *Bind) Parse(payload []byte) error {
	f, flags := openAct(payload, TypeBind)
	*m = Bind{Stream: f.stream, Flags: flags}
	m.Connection = f.at("connection").str()
	m.UID = f.at("uid").str()
	return f.end()
}

// Parse implements [Act].
func (m *Set) Parse(payload []byte) error {
	f, flags := openAct(payload, TypeSet)
	*m = Set{Stream: f.stream, Flags: flags}
	m.Connection = f.at("connection").str()
	m.Set = f.at("set").entries()
	m.Unset = f.at("unset").strings(nil)
	return f.end()
}

// Parse implements [Act].
func (m *Accept) Parse(payload []byte) error {
	f, flags := openAct(payload, TypeAccept)
	*m = Accept{Stream: f.stream, Flags: flags}
	m.Subprotocol = f.at("subprotocol").str()
	m.Headers = f.at("headers").pairs(nil)
	return f.end()
}
