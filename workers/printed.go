// Entries of what a worker prints: a line, and the stack trace behind it if there is one.

package workers

import (
	"io"
	"log/slog"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/workerhost/workerhost/workers/internal/logline"
)

// entryTime is how long an entry waits for more lines. PHP and Go write a trace at once.
const entryTime = 100 * time.Millisecond

// printed makes entries of what a worker writes to its standard error, or of what a stream's LOGs of level "print"
// bring. An entry ends with its stream at the latest, while the stream has a name. The one who reads writes to it.
type printed struct {
	splitter
	worker *worker

	// guarded by mu
	stream uint32 // 0 for standard error: no entry of it has a name
	entry  logline.Entry
	level  hclog.Level
	line   cutText     // its first one; empty if there is no entry
	trace  cutText     // the others
	due    *time.Timer // passes the entry on; set with the first one
}

// cutText is text of at most maxText bytes, and by how much it was longer.
type cutText struct {
	text []byte
	over int
}

// start has the worker's entries pass to its log.
func (p *printed) start(w *worker) { p.worker, p.each = w, p.take }

// turn ends what another stream has said.
func (p *printed) turn(stream uint32) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.stream != stream {
		p.finish()
		p.stream = stream
	}
}

// done ends what the stream has said.
func (p *printed) done(stream uint32) {
	if p.stream == stream { // none but the caller, the reader, changes it
		p.end()
	}
}

// end ends what is at hand.
func (p *printed) end() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.finish()
}

// pass logs the lines that have come: what is logged in another way next came after them.
func (p *printed) pass() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.log()
}

// read takes what r has until r ends.
func (p *printed) read(r io.Reader) {
	buf := make([]byte, 16<<10)
	for {
		n, err := r.Read(buf)
		p.write(buf[:n])
		if err != nil {
			p.end()
			return
		}
	}
}

// finish ends the line and the entry at hand. Under mu.
func (p *printed) finish() {
	p.cut()
	p.log()
	if p.due != nil {
		p.due.Stop()
	}
}

// take takes a line. Under mu.
func (p *printed) take(line []byte, over int) {
	p.worker.tail.add(line)
	if len(p.line.text) > 0 && p.entry.Continues(line) {
		p.trace.add(line, over)
		return
	}
	p.log()
	p.level = hclogLevel(p.entry.Start(line))
	p.line.add(line, over)
	if p.due == nil {
		p.due = time.AfterFunc(entryTime, p.pass)
	} else {
		p.due.Reset(entryTime)
	}
}

// log logs the entry at hand. Under mu.
func (p *printed) log() {
	if len(p.line.text) == 0 {
		return
	}
	w := p.worker
	args := w.nameOf(p.stream)
	if len(p.trace.text) > 0 {
		args = append(args, "trace", printable(string(p.trace.text))+cutNote(p.trace.over))
	}
	w.voice.say(p.level, string(p.line.text), p.line.over, args...)
	p.line.empty()
	p.trace.empty()
}

// add adds a line, as far as there is room, which is for one of them at least.
func (h *cutText) add(line []byte, over int) {
	if len(h.text) > 0 && len(h.text) < maxText {
		h.text = append(h.text, '\n')
	}
	n := min(len(line), maxText-len(h.text))
	h.text = append(h.text, line[:n]...)
	h.over += over + len(line) - n
}

func (h *cutText) empty() {
	if h.text, h.over = h.text[:0], 0; cap(h.text) > tailSize {
		h.text = nil
	}
}

// hclogLevel is a level of slog's, where names are four apart, as one of hclog's, where they are neighbours.
func hclogLevel(level slog.Level) hclog.Level { return hclog.Info + hclog.Level(level/slog.LevelWarn) }
