// Bytes that wait in memory for a client, in pieces: what is added is copied once, and what is taken not at all.

package web

import (
	"sync"

	"github.com/workerhost/workerhost/host/internal/peer"
)

// byteQueue keeps bytes in order, in pieces of at most [peer.WriteStep]. Whoever takes a piece owns it, and gives it
// back with reuse.
type byteQueue struct {
	pieces [][]byte // none is empty
	size   int
	spare  []byte // the buffer of the next piece, if it has any
}

// wholePieces are buffers of that size: a long response needs several, and again and again.
var wholePieces = sync.Pool{New: func() any { return new([peer.WriteStep]byte) }}

// add puts a copy of p at the end.
func (q *byteQueue) add(p []byte) {
	q.size += len(p)
	for len(p) > 0 {
		last := len(q.pieces) - 1
		if last < 0 || len(q.pieces[last]) == peer.WriteStep {
			q.pieces = append(q.pieces, q.buffer(len(p)))
			last++
		}
		n := min(len(p), peer.WriteStep-len(q.pieces[last]))
		q.pieces[last] = append(q.pieces[last], p[:n]...)
		p = p[n:]
	}
}

// buffer is an empty one, of the pool if n bytes are to come at once that it is worth while for.
func (q *byteQueue) buffer(n int) (empty []byte) {
	switch {
	case q.spare != nil:
		empty, q.spare = q.spare, nil
	case n > peer.WriteStep/2:
		empty = wholePieces.Get().(*[peer.WriteStep]byte)[:0]
	}
	return empty
}

// take removes the first piece; nil is that there is none.
func (q *byteQueue) take() (p []byte) {
	if len(q.pieces) == 0 {
		return nil
	}
	p = q.pieces[0]
	n := copy(q.pieces, q.pieces[1:])
	q.pieces[n] = nil
	q.pieces = q.pieces[:n]
	q.size -= len(p)
	return p
}

// cut removes what is behind the first n bytes. It copies all.
func (q *byteQueue) cut(n int) (rest byteQueue) {
	var first byteQueue
	for p := q.take(); p != nil; p = q.take() {
		here := min(len(p), n)
		first.add(p[:here])
		rest.add(p[here:])
		n -= here
		q.reuse(p)
	}
	q.pieces, q.size = first.pieces, first.size
	return rest
}

// reuse takes the buffer of a piece that nobody needs any more.
func (q *byteQueue) reuse(p []byte) {
	switch {
	case cap(p) == peer.WriteStep && q.spare != nil:
		wholePieces.Put((*[peer.WriteStep]byte)(p[:peer.WriteStep]))
	case cap(p) <= peer.WriteStep && cap(p) > cap(q.spare):
		q.spare = p[:0]
	}
}

// slim keeps no buffer of more than n bytes for what may never come.
func (q *byteQueue) slim(n int) {
	if p := q.spare; cap(p) > n {
		if q.spare = nil; cap(p) == peer.WriteStep {
			wholePieces.Put((*[peer.WriteStep]byte)(p[:peer.WriteStep]))
		}
	}
}

// empty drops all, and keeps one buffer.
func (q *byteQueue) empty() {
	for p := q.take(); p != nil; p = q.take() {
		q.reuse(p)
	}
}
