// The metrics of long-lived connections: WebSockets, TCP, held responses, datagrams.

package metrics

import (
	"strconv"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/workerhost/workerhost/host/internal/hub"
	"github.com/workerhost/workerhost/protocol"
)

// Their names are promised, too.
var (
	longLived  = describe("long_lived_connections", "Long-lived connections that are open.", "listener", "protocol")
	longOpened = describe("long_lived_connections_opened_total", "Long-lived connections that were opened.",
		"listener", "protocol")
	longClosed = describe("long_lived_connections_closed_total",
		"Long-lived connections that were closed, by the code that their CLOSE told.", "listener", "protocol", "code")
	messagesIn  = describe("messages_received_total", "Messages from clients.", "listener", "protocol")
	messagesOut = describe("messages_sent_total", "Messages to clients; those that wait are among them.", "listener",
		"protocol")
	inBytes  = describe("message_bytes_received_total", "Bytes of messages from clients.", "listener", "protocol")
	outBytes = describe("message_bytes_sent_total", "Bytes of messages to clients, with their framing.", "listener",
		"protocol")
	sendQueue = describe("send_queue_bytes", "Bytes that wait to be taken by clients.", "listener", "protocol")
	slowDrops = describe("messages_dropped_total", "Messages for clients that were too slow, by slow_client.",
		"listener", "protocol", "policy")
	lost = describe("datagrams_lost_total",
		"Datagrams that no worker has handled: the queue was full, or the worker died.", "listener", "protocol")
)

var policies = [...]string{hub.CloseSlow: "close", hub.DropOldest: "drop-oldest", hub.DropNewest: "drop-newest"}

func collectLongLived(to chan<- prometheus.Metric, t *hub.Tally) {
	labels := []string{t.Listener, t.Protocol}
	counter(to, messagesIn, uint64(t.MessagesIn), labels...)
	counter(to, messagesOut, uint64(t.MessagesOut), labels...)
	counter(to, inBytes, uint64(t.BytesIn), labels...)
	counter(to, outBytes, uint64(t.BytesOut), labels...)
	if t.Protocol == protocol.ProtoUDP { // it has no connections
		counter(to, lost, uint64(t.Lost), labels...)
		return
	}
	gauge(to, longLived, t.Open, labels...)
	counter(to, longOpened, uint64(t.Opened), labels...)
	gauge(to, sendQueue, t.Queued, labels...)
	for code, n := range t.Closed {
		counter(to, longClosed, uint64(n), append(labels, strconv.Itoa(code))...)
	}
	for policy, n := range t.Dropped {
		counter(to, slowDrops, uint64(n), append(labels, policies[policy])...)
	}
}
