// Restoring: a client's end of a connection as the host before has recorded it. What a record says is checked, for it
// may come from another version.

package peer

import (
	"errors"
	"net/netip"
	"slices"

	"github.com/gobwas/ws"
	"github.com/workerhost/workerhost/protocol"
)

func (p *Peers) adopt(kind string, who netip.Addr, r *Record) (Mover, error) {
	switch kind {
	case protocol.ProtoWebSocket:
		c := &WebSocket{link: link{peers: p, who: who}, frames: frames{loan: loan{spool: p.spool}, deflate: r.Deflate},
			encoding: wsEncoding{deflate: r.Deflate}}
		c.restored(r)
		c.heard.Store(int64(c.idle.began))
		c.allowance.owes(r.Paid)
		return c, c.frames.restore(r.Frames)
	case protocol.ProtoTCP:
		c := &tcpConn{link: link{peers: p, who: who}, framer: framer{loan: loan{spool: p.spool}}}
		c.restored(r)
		c.allowance.owes(r.Paid)
		return c, c.framer.restore(r)
	case protocol.ProtoSSE, protocol.ProtoPoll:
		c := &Held{link: link{peers: p, who: who}, encoding: heldEncoding{events: r.Events, chunked: r.Chunked},
			ignored: int(max(0, min(r.Ignored, mostIgnored)))}
		c.restored(r)
		c.wrote.Store(int64(c.idle.began))
		return c, nil
	}
	return nil, errKind
}

var errFrames = errors.New("what a WebSocket's reader had in hand makes no sense")

// restore has the reader go on within a frame.
func (f *frames) restore(r *FramesRecord) error {
	if r == nil {
		return nil
	}
	op := ws.OpCode(r.Op)
	data := op == ws.OpContinuation || op == ws.OpText || op == ws.OpBinary
	switch {
	case len(r.Head) >= ws.MaxHeaderSize, len(r.Head) >= ws.MinHeaderSize && headSize(r.Head) <= len(r.Head),
		r.Inside && len(r.Head) > 0:
		return errFrames
	case r.Inside && (len(r.Mask) != len(f.mask) || r.Left <= 0 || r.Passed < 0 || r.Passed > 1<<62 || r.Left > 1<<62):
		return errFrames
	case r.Inside && data && !r.Fragmented, r.Inside && !data && !op.IsControl():
		return errFrames
	case r.Inside && op.IsControl() && (r.Left+int64(len(r.Control)) > ws.MaxControlFramePayloadSize || !r.Fin):
		return errFrames
	case r.Checked < 0, r.Checked > int64(len(r.Data)), r.Compressed && !f.deflate:
		return errFrames
	case !r.Fragmented && len(r.Data) > 0, !r.Inside && len(r.Control) > 0:
		return errFrames
	}
	f.have = copy(f.head[:], r.Head)
	f.inside, f.op, f.fin, f.passed, f.left = r.Inside, op, r.Fin, r.Passed, r.Left
	copy(f.mask[:], r.Mask)
	f.fragmented, f.binary, f.compressed = r.Fragmented, r.Binary, r.Compressed
	f.data, f.checked, f.partial = r.Data, int(r.Checked), r.Control
	return nil
}

var framingNames = map[FramingKind]string{
	FrameRaw: "raw", FrameLine: "line", FrameLength16: "length16", FrameLength32: "length32",
	FrameDelimiter: "delimiter",
}

var errFramer = errors.New("what a TCP connection's reader had in hand makes no sense")

// restore has the reader go on within a message.
func (f *framer) restore(r *Record) error {
	known := false
	for kind, name := range framingNames {
		if name == r.Framing {
			f.framing, known = Framing{Kind: kind}, true
		}
	}
	width := f.framing.width()
	switch {
	case !known, (f.framing.Kind == FrameDelimiter) != (r.Delimiter != ""), len(r.Delimiter) > 64:
		return errFramer
	case width == 0 && (r.Begun || r.Want != 0), width > 0 && !r.Begun && len(r.Partial) >= width,
		r.Begun && (r.Want < 0 || r.Want > 1<<32 || int64(len(r.Partial)) > r.Want),
		f.framing.Kind == FrameRaw && len(r.Partial) > 0:
		return errFramer
	}
	f.framing.Delimiter = r.Delimiter
	if width > 0 && !r.Begun {
		f.headed = uint8(copy(f.head[:], r.Partial))
		return nil
	}
	f.partial, f.begun, f.want = slices.Clip(r.Partial), r.Begun, int(r.Want)
	return nil
}
