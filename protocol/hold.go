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
	n := 0
	switch {
	case m.Timeout != 0:
		n = 5
	case m.Once:
		n = 4
	case len(m.Session) > 0:
		n = 3
	case m.UID != "":
		n = 2
	case len(m.Groups) > 0:
		n = 1
	}
	b = appendArray(b, n)
	if n > 0 {
		b = appendPairs(b, m.Groups)
	}
	if n > 1 {
		b = appendStr(b, m.UID)
	}
	if n > 2 {
		b = AppendEntries(b, m.Session)
	}
	if n > 3 {
		b = appendBool(b, m.Once)
	}
	if n > 4 {
		b = appendInt(b, m.Timeout)
	}
	return b
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
