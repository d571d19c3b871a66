// The elements that a sender may leave out (SPEC.md §2.3): one table of their defaults, for what is read and what is
// written. Which of them an encoder leaves out is in vectors/README.md. Its twin is DEFAULTS in
// sdk-php/src/Internal/Message.php.

package protocol

// shape is what SPEC.md says of a list of elements. They are counted as its tables do, a message's from its type,
// which is 0.
type shape struct {
	name     string
	section  string
	first    int    // the first element that may be left out
	defaults values // from that one to the last
}

// values are encoded one behind the other.
type values struct {
	encoded []byte
	at      []int // where each begins, and where the last one ends
}

// headElements are the type and the stream.
const headElements = 2

// none is the default of a list.
var none = []any{}

var shapes = [maxType + 1]shape{
	TypeHello:    {"HELLO", "3.2", 6, defaults(MaxFrame, DefaultWindow, "", false, none, none)},
	TypeReady:    {"READY", "3.3", 5, defaults(1, none, DefaultWindow, none)},
	TypeFailed:   {"FAILED", "3.4", 3, defaults("")},
	TypePing:     {"PING", "8.1", 3, defaults()},
	TypePong:     {"PONG", "8.1", 3, defaults()},
	TypeLog:      {"LOG", "8.2", 4, defaults(nil)},
	TypeDrain:    {"DRAIN", "8.3", 2, defaults(0)},
	TypeEnding:   {"ENDING", "8.5", 2, defaults(0)},
	TypeRequest:  {"REQUEST", "5.1", 10, defaults(nil, -1, nil, nil, 1, "", "", 0, "")},
	TypeResponse: {"RESPONSE", "5.3", 5, defaults(nil, nil, nil, nil)},
	TypeInform:   {"INFORM", "5.4", 4, defaults()},
	TypeData:     {"DATA", "5.5", 4, defaults(nil)},
	TypeWindow:   {"WINDOW", "6.2", 3, defaults()},
	TypeReset:    {"RESET", "7.1", 3, defaults("")},
	TypeDone:     {"DONE", "7.3", 2, defaults()},
	TypeOpen:     {"OPEN", "9.4", 3, defaults(1, nil)},
	TypeMessage:  {"MESSAGE", "9.5", 4, defaults(1, "", none, none)},
	TypeClose:    {"CLOSE", "9.6", 5, defaults("", false)},
	TypeBuffer:   {"BUFFER", "9.7", 6, defaults()},
	TypeSend:     {"SEND", "10.3", 6, defaults(none)},
	TypeHangup:   {"HANGUP", "10.3", 5, defaults(CloseNormal, "", none)},
	TypeJoin:     {"JOIN", "10.3", 5, defaults(nil)},
	TypeLeave:    {"LEAVE", "10.3", 5, defaults()},
	TypeBind:     {"BIND", "10.3", 5, defaults()},
	TypeSet:      {"SET", "10.3", 5, defaults(none)},
	TypeAccept:   {"ACCEPT", "10.3", 3, defaults("", none)},
	TypeFetched:  {"FETCHED", "15.3", 11, defaults("", "", nil, "")},
	TypeTask:     {"TASK", "18.3", 7, defaults("", 0, 0)},
	TypePush:     {"PUSH", "18.2", 5, defaults("", 0, "", 0)},
	TypeSettle:   {"SETTLE", "18.3", 4, defaults(nil, 0, "", "")},
	TypeProgress: {"PROGRESS", "18.3", 4, defaults()},
	TypeCall:     {"CALL", "10.4", 3, defaults(none, 0)},
	TypeResult:   {"RESULT", "10.4", 3, defaults(nil, 0, false)},
	TypeSwap:     {"SWAP", "10.4", 5, defaults(none)},
	TypePurge:    {"PURGE", "20.2", 3, defaults(none, none, false)},
}

// The lists within messages whose elements may be left out.
var (
	connectionShape = shape{"connection", "9.3", 3, defaults("", none, none, "", none, nil)}
	dialedShape     = shape{"dial", "9.3", 1, defaults(0, "")}
	holdShape       = shape{"hold", "10.6", 0, defaults(none, "", none, false, 0)}
	fetchShape      = shape{"fetch", "15.1", 1, defaults("GET", none, none, nil, 0, 0)}
)

// known says whether SPEC.md has the type.
func (t Type) known() bool { return t <= maxType && shapes[t].name != "" }

// defaults are given as PHP and SPEC.md have them; panics on what can't be encoded.
func defaults(all ...any) (v values) {
	for _, one := range all {
		encoded, err := NewValue(one)
		if err != nil {
			panic(err)
		}
		v.at = append(v.at, len(v.encoded))
		v.encoded = append(v.encoded, encoded...)
	}
	v.at = append(v.at, len(v.encoded))
	return v
}

// tail writes the elements of an array that may be left out: each that is not its default goes behind upTo, and what
// was passed over is written then. So those that nothing follows are left out.
type tail struct {
	of *shape
	n  int // elements so far: those before it are always written
}

// upTo appends the defaults of the elements before the one at position, which the caller appends.
func (t *tail) upTo(b []byte, position int) []byte {
	if position > t.n {
		d := &t.of.defaults
		b = append(b, d.encoded[d.at[t.n-t.of.first]:d.at[position-t.of.first]]...)
	}
	t.n = position + 1
	return b
}

// count sets the count of the array that begins at start, for which [appendArray] left room for all of its elements.
func (t *tail) count(b []byte, start int) []byte {
	const wide = 0xdc // has its count in two bytes more
	if b[start] == wide {
		if t.n > 15 {
			b[start+2] = byte(t.n)
			return b
		}
		b = append(b[:start+1], b[start+3:]...) // as with a REQUEST that has no id; hosts give each one
	}
	b[start] = 0x90 | byte(t.n)
	return b
}

// endFrame is [endFrame] for a message with a tail.
func (t *tail) endFrame(b []byte, start int) []byte {
	return endFrame(t.count(b, start+lengthSize), start)
}
