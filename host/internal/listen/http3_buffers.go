// How much a UDP socket may hold. QUIC comes in bursts, and what finds no room is lost and has to be sent again.

package listen

// WantedBuffer is how large each buffer of a UDP socket for HTTP/3 should be, in bytes.
const WantedBuffer = 7 << 20

// MoreBuffer has a system allow buffers that large, and not only to who may administer the network.
const MoreBuffer = "sysctl -w net.core.rmem_max=7500000 net.core.wmem_max=7500000"

// tellBuffers says if the buffers are smaller than quic-go has asked for.
func (p *quicPort) tellBuffers() {
	receive, send, ok := socketBuffers(p.socket)
	if ok && min(receive, send) < WantedBuffer {
		p.server.log.Warn("the buffers of HTTP/3's socket are small, and bursts may be lost: allow larger ones ("+
			MoreBuffer+")", "receive", receive, "send", send, "wanted", WantedBuffer)
	}
}
