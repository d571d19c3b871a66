// The backlog: what a worker has sent of a response and the client has not taken yet. It lies in memory, then on disk,
// and never grows beyond what the limits and the worker's window allow.
//
// Where responses are taken at the worker's speed (Traits.Spool), bytes are given back to the worker's window as they
// come while memory lasts. Once memory is full, they are given back as the client takes them; only if the client
// proves slow do they go to disk instead, so that a download at full speed never touches it. Without that trait, and
// past the quota, the client's speed is the worker's.

package web

import "github.com/workerhost/workerhost/host/internal/spool"

// backlog is guarded by its exchange's mu, except where it says otherwise.
type backlog struct {
	eager bool // take the response at the worker's speed
	limit int  // bytes of memory; 0 if its connection's own is another's, and none was lent
	most  int  // the limit once memory was lent

	lender *spool.Spool // nil before it has lent any
	lent   int64

	memory byteQueue   // the oldest bytes
	file   *spool.File // then these, from read to its size
	read   int64       // belongs to the writer alone
	queued int64       // bytes in file that the writer has not read
	tail   byteQueue   // then these, when no more fits on disk

	writing int   // bytes that the writer has, still unwritten; they are memory as well
	owed    int   // bytes that came and were not given back to the worker
	taken   int64 // bytes that the client has taken, ever

	slow   bool // the client was found to be slow
	armed  bool // the watch runs
	before int64
}

// full says whether n more bytes are too many for memory.
func (b *backlog) full(n int) bool { return b.memory.size+b.writing+n > b.limit }

// add stores p, and returns how many bytes to give back to the worker now. watch asks for a look at the client's speed
// in a while.
func (b *backlog) add(p []byte, disk *spool.Spool) (give int, watch bool) {
	n := len(p)
	if b.eager && b.full(n) {
		b.borrow(disk)
	}
	if b.queued > 0 || b.tail.size > 0 || b.full(n) && (b.slow || b.eager && b.limit == 0) {
		if b.tail.size == 0 && b.toDisk(p, disk) {
			return n, false
		}
		b.tail.add(p)
		b.owed += n
		return 0, false
	}
	full := b.full(n)
	b.memory.add(p)
	if b.eager && !full {
		return n, false
	}
	b.owed += n
	if b.eager && !b.armed {
		b.armed, b.before = true, b.taken
		return 0, true
	}
	return 0, false
}

// borrow raises the limit, if the spool has memory to lend: to what is otherwise a connection's own, and then to the
// most.
func (b *backlog) borrow(disk *spool.Spool) {
	next := min(b.most, spool.OwnMemory)
	if b.limit >= next {
		next = b.most
	}
	if b.limit < next && disk.Lend(int64(next)) {
		b.lent += int64(next)
		b.limit, b.lender = next, disk
	}
}

// fits says whether the first n bytes, which go straight to the writer, fit into memory.
func (b *backlog) fits(n int, disk *spool.Spool) bool {
	if b.eager && b.limit == 0 && n > smallBody {
		if b.borrow(disk); b.limit == 0 {
			return false
		}
	}
	b.writing = n
	return true
}

// smallBody is what nobody has to lend: a stream costs as much by itself.
const smallBody = 4 << 10

// spill moves to disk what is in memory beyond the limit, since the worker could send as much as its window while
// nobody knew that the client is slow.
func (b *backlog) spill(disk *spool.Spool) {
	keep := max(0, b.limit-b.writing)
	if keep >= b.memory.size || b.queued > 0 || b.tail.size > 0 {
		return
	}
	rest := b.memory.cut(keep)
	for p := rest.take(); p != nil; p = rest.take() {
		if b.tail.size > 0 || !b.toDisk(p, disk) {
			b.tail.add(p)
		}
	}
}

// toDisk says whether p fits there; if it does not, the client's speed becomes the worker's.
func (b *backlog) toDisk(p []byte, disk *spool.Spool) bool {
	if b.file == nil {
		f, err := disk.Create()
		if err != nil {
			disk.CantStore("a slow client's response", err)
			return false
		}
		b.file = f
	}
	if _, err := b.file.Write(p); err != nil {
		if err != spool.ErrQuota {
			disk.CantStore("a slow client's response", err)
		}
		return false
	}
	b.queued += int64(len(p))
	return true
}

// pace is what a client has to take in the time of a watch, in bytes, for its speed to be good enough for a worker.
const pace = 1 << 20

// watched decides whether the client is slow. give is then the worker's. again asks for another look.
func (b *backlog) watched(disk *spool.Spool) (give int, again bool) {
	switch {
	case b.owed == 0:
		b.armed = false
		return 0, false
	case b.taken-b.before >= pace:
		b.before = b.taken
		return 0, true
	}
	b.slow, b.armed = true, false
	b.spill(disk)
	if b.tail.size == 0 {
		give, b.owed = b.owed, 0
	}
	return give, false
}

// next is what to write to the client: a piece of memory, to be given back with wrote, or of the file, for which it
// reports true. What the writer has can't go to disk any more.
func (b *backlog) next() (p []byte, fromDisk bool) {
	if b.memory.size == 0 && b.queued == 0 {
		b.memory, b.tail = b.tail, b.memory
	}
	if p = b.memory.take(); p != nil {
		b.writing = len(p)
		return p, false
	}
	return nil, b.queued > 0
}

// readDisk reads the next piece into p. It needs no lock: only the writer calls it.
func (b *backlog) readDisk(p []byte) (int, error) {
	n, err := b.file.ReadAt(p, b.read)
	b.read += int64(n)
	if n > 0 {
		err = nil
	}
	return n, err
}

// tookDisk accounts for n bytes that readDisk gave and that are in the writer's hands.
func (b *backlog) tookDisk(n int) {
	b.queued -= int64(n)
	b.writing = n
	if b.queued == 0 {
		b.read = 0
		b.file.Rewind() // a file that can't be truncated is overwritten
	}
}

// wrote says that the client took p, and returns how many bytes to give back to the worker.
func (b *backlog) wrote(p []byte, fromDisk bool) (give int) {
	n := len(p)
	b.writing -= n
	b.taken += int64(n)
	give = min(n, b.owed)
	b.owed -= give
	if !fromDisk {
		b.memory.reuse(p)
	}
	return give
}

// drop forgets everything, and returns what the worker is owed.
func (b *backlog) drop() (give int) {
	give = b.owed
	if b.file != nil {
		b.file.Close()
	}
	if b.lender != nil {
		b.lender.Repay(b.lent)
	}
	b.memory.empty()
	b.tail.empty()
	*b = backlog{memory: b.memory}
	return give
}
