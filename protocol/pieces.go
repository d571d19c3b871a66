// Results larger than a frame: how a value is cut into pieces, and put together again (SPEC.md §10.4).

package protocol

// MaxResult is how many bytes of values may be on their way to a worker in pieces (SPEC.md §10.4).
const MaxResult = 256 << 20

// Pieces is a value that is cut into several of its kind.
type Pieces struct {
	rest Value // without its head; aliases the value
	left int   // elements of a list
	kind joint
}

// joint is what a piece is one of.
type joint byte

const (
	notJoinable joint = iota
	aList
	aStr
	aBin
)

// opened reads a value's head: what it is one of, the elements of a list, and where its content begins. v has been
// walked.
func opened(v Value) (k joint, elements, content int) {
	if len(v) == 0 {
		return notJoinable, 0, 0
	}
	d := decoder{b: v}
	switch c := v[0]; {
	case c >= 0x90 && c <= 0x9f, c == 0xdc, c == 0xdd:
		elements = d.array()
		return aList, elements, d.pos
	case c >= 0xa0 && c <= 0xbf, c >= 0xd9 && c <= 0xdb:
		return aStr, 0, len(v) - len(d.bytes())
	case c >= 0xc4 && c <= 0xc6:
		return aBin, 0, len(v) - len(d.bytes())
	}
	return notJoinable, 0, 0
}

func joinable(v Value) bool {
	k, _, _ := opened(v)
	return k != notJoinable
}

// Cut begins to cut v, which must not change until the last piece has been taken. It says false of what is no
// list, str or bin.
func Cut(v Value) (*Pieces, bool) {
	k, elements, content := opened(v)
	return &Pieces{rest: v[content:], left: elements, kind: k}, k != notJoinable
}

// Next gives the next piece, a value of its own with at most size bytes of content, or one element of a list,
// however long that is. more says that others follow.
func (p *Pieces) Next(size int) (piece Value, more bool) {
	if p.kind != aList {
		n := min(len(p.rest), size)
		head := bytesHead(p.kind, n)
		piece, p.rest = append(head, p.rest[:n]...), p.rest[n:]
		return piece, len(p.rest) > 0
	}
	d := decoder{b: p.rest}
	elements, end := 0, 0
	for ; elements < p.left; elements++ {
		if d.skip(1); d.err != nil || elements > 0 && d.pos > size {
			break
		}
		end = d.pos
	}
	p.left -= elements
	piece, p.rest = append(appendArray(nil, elements), p.rest[:end]...), p.rest[end:]
	return piece, p.left > 0 && d.err == nil
}

// bytesHead is the head of n bytes, with room for them.
func bytesHead(k joint, n int) []byte {
	const longest = 5
	b := make([]byte, 0, n+longest)
	if k == aBin {
		return appendBinHead(b, n)
	}
	return appendStrHead(b, n)
}

// Joined puts pieces together. Its zero value has none.
type Joined struct {
	kind    joint
	left    int // elements of a list
	content []byte
}

// Add puts a piece, which it copies, behind those before it. It fails on a piece that is not of their kind; str
// and bin are one. grown is by how many bytes the value has grown, so that a caller can bound what it keeps.
func (j *Joined) Add(piece Value) (grown int, err error) {
	k, elements, at := opened(piece)
	if j.kind == notJoinable {
		j.kind = k
	}
	if k == notJoinable || (k == aList) != (j.kind == aList) {
		const expected = "pieces of a RESULT that are all lists, or all bytes"
		return 0, &LinkError{Expected: expected, Got: "one that is not", Bytes: clip(piece)}
	}
	j.left += elements
	j.content = append(j.content, piece[at:]...)
	return len(piece) - at, nil
}

// Size is how many bytes there are to the value by now.
func (j *Joined) Size() int { return len(j.content) }

// Value is all pieces as one.
func (j *Joined) Value() Value {
	var head []byte
	if j.kind == aList {
		head = appendArray(nil, j.left)
	} else {
		head = bytesHead(j.kind, len(j.content))
	}
	return append(head, j.content...)
}
