// What makes a response a connection (SPEC.md §10.6).

package protocol

// Hold makes a response a connection (SPEC.md §10.6).
type Hold struct {
	Groups  []string
	UID     string
	Session []Entry
	Once    bool  // it ends after the first message
	Timeout int64 // milliseconds after which the host ends it; 0 is never
}

func (m *Hold) append(b []byte) []byte {
	start := len(b)
	b = appendArray(b, 5)
	t := tail{&holdShape, 0}
	if len(m.Groups) > 0 {
		b = appendPairs(t.upTo(b, 0), m.Groups)
	}
	if m.UID != "" {
		b = appendStr(t.upTo(b, 1), m.UID)
	}
	if len(m.Session) > 0 {
		b = AppendEntries(t.upTo(b, 2), m.Session)
	}
	if m.Once {
		b = appendBool(t.upTo(b, 3), m.Once)
	}
	if m.Timeout != 0 {
		b = appendInt(t.upTo(b, 4), m.Timeout)
	}
	return t.count(b, start)
}

func (f *fields) hold() *Hold {
	m := new(Hold)
	left := f.array()
	more := func() bool { left--; return left >= 0 && f.err == nil }
	if more() {
		m.Groups = f.strings(nil)
	}
	if more() {
		m.UID = f.str()
	}
	if more() {
		m.Session = f.entries()
	}
	if more() {
		m.Once = f.bool()
	}
	if more() {
		m.Timeout = f.long()
	}
	f.skipExtra(left)
	return m
}
