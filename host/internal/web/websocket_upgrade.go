// How a request becomes a WebSocket: the check of its handshake (RFC 6455 §4.2), the workers' word, and the answer.

package web

import (
	"context"
	"crypto/sha1"
	"encoding/base64"
	"errors"
	"net/http"
	"strings"

	"github.com/workerhost/workerhost/host/internal/guard"
	"github.com/workerhost/workerhost/host/internal/hub"
	"github.com/workerhost/workerhost/host/internal/peer"
	"github.com/workerhost/workerhost/protocol"
)

// upgrades says whether r asks to become a WebSocket.
func upgrades(r *http.Request) bool {
	asked := r.Header["Upgrade"]
	return len(asked) > 0 && r.ProtoMajor == 1 && r.ProtoMinor == 1 && hasToken(asked, "websocket") &&
		hasToken(r.Header["Connection"], "upgrade")
}

// checkHandshake says what is wrong with the handshake, and the status for it; 0 if nothing is.
func checkHandshake(r *http.Request) (status int, wrong string) {
	switch version := r.Header["Sec-Websocket-Version"]; {
	case r.Method != http.MethodGet:
		return http.StatusBadRequest, "a WebSocket begins with GET"
	case r.ContentLength != 0:
		return http.StatusBadRequest, "a handshake has no body"
	case len(version) != 1 || version[0] != "13":
		return http.StatusUpgradeRequired, "Sec-WebSocket-Version has to be 13"
	}
	key := r.Header["Sec-Websocket-Key"]
	if len(key) != 1 || len(key[0]) != 24 {
		return http.StatusBadRequest, "Sec-WebSocket-Key has to be 16 bytes in base64"
	}
	if b, err := base64.StdEncoding.DecodeString(key[0]); err != nil || len(b) != 16 {
		return http.StatusBadRequest, "Sec-WebSocket-Key has to be 16 bytes in base64"
	}
	return 0, ""
}

// upgrade answers a request that asks to become a WebSocket. It says false, and does nothing, if the workers handle no
// connections.
func (v *visit) upgrade() bool {
	peers := v.handler.peers
	ctx, cancel := peers.Handshake(v.r.Context())
	defer cancel()
	now := func() *peer.Terms {
		if heir := v.handler.terms.Load().heir(v.terms); heir != nil {
			return &heir.peers
		}
		return &v.terms.peers
	}
	handles, known := peers.Acquainted(ctx, now)
	switch {
	case v.r.Context().Err() != nil:
		panic(http.ErrAbortHandler)
	case !known:
		v.answerFailure(&protocol.Failure{Kind: protocol.FailedNoWorker, Detail: "no worker has been ready yet"})
	case handles:
		v.openWebSocket(ctx)
	}
	return handles || !known
}

// openWebSocket has the workers decide, and makes the request's connection a WebSocket if they take it. The access
// log's line is that of the handshake.
func (v *visit) openWebSocket(ctx context.Context) {
	r, peers, log := v.r, v.handler.peers, v.handler.log
	if status, wrong := checkHandshake(r); status != 0 {
		if status == http.StatusUpgradeRequired {
			v.w.Header()["Sec-Websocket-Version"] = []string{"13"}
			v.w.Header()["Upgrade"] = []string{"websocket"}
		}
		log.Debug("refused a WebSocket handshake", "remote", r.RemoteAddr, "reason", wrong)
		v.refuse(nil, verdict{status: status}, wrong)
		return
	}
	v.renew() // it may have waited
	limits := v.terms.Sockets
	if wrong := guard.OriginProblem(r, limits.AllowedOrigins); wrong != "" {
		v.handler.foreign.Warn(log, "refused a WebSocket: add its page's origin to allowed_origins of the listener "+
			"if it should connect", "remote", r.RemoteAddr, "reason", wrong)
		v.refuse(nil, verdict{status: http.StatusForbidden}, wrong)
		return
	}
	who, ok := peers.Count.Enter(r.RemoteAddr, limits.MaxPerAddress)
	if !ok {
		log.Debug("refused a WebSocket: its address has as many as it may", "remote", r.RemoteAddr,
			"max_connections_per_address", limits.MaxPerAddress)
		v.tooMany()
		return
	}
	open := false
	defer func() {
		if !open {
			peers.Count.Leave(who)
		}
	}()
	x := newExchange(v, false)
	defer x.leave()
	x.describe(v)
	offer := ""
	if limits.Compression {
		offer = peer.AgreeOnDeflate(r.Header["Sec-Websocket-Extensions"])
	}
	c := peers.NewWebSocket(who, remote(r), offer != "", &v.terms.peers)
	c.Under(&v.span)
	admission := x.ask(ctx, c.Connection)
	switch {
	case admission == nil && r.Context().Err() != nil:
		c.Closed(protocol.CloseBroken, "", false)
		panic(http.ErrAbortHandler)
	case admission == nil:
		c.Closed(protocol.CloseBroken, "the handshake took too long", false)
		v.answerFailure(&protocol.Failure{Kind: protocol.FailedTimeout, Detail: "handshake_timeout"})
	case admission.Failure != nil:
		v.answerFailure(admission.Failure)
	case !admission.Accepted:
		x.response = *admission.Response
		x.deliver(v)
	default:
		open = v.connect(c, admission, offer)
	}
}

// ask submits OPEN and waits for what comes of it; nil is that the handshake ended before.
func (x *exchange) ask(handshake context.Context, conn *hub.Connection) *hub.Admission {
	request := x.request // the hub's for as long as it likes, unlike x
	request.Headers = append([]string(nil), request.Headers...)
	if request.TLS != nil {
		facts := x.tls
		request.TLS = &facts
	}
	answers := make(chan hub.Admission, 1)
	conn.Open(&request, func(a hub.Admission) { answers <- a })
	select {
	case a := <-answers:
		return &a
	case <-handshake.Done():
		return nil
	}
}

var errEarly = errors.New("its client did not wait for the answer to its handshake")

// connect tells the client that it is connected, and has it served. It says false if that is not to be.
func (v *visit) connect(c *peer.WebSocket, admission *hub.Admission, extension string) bool {
	own := []string{"Sec-WebSocket-Accept", acceptOf(v.r.Header["Sec-Websocket-Key"][0])}
	if admission.Subprotocol != "" {
		own = append(own, "Sec-WebSocket-Protocol", admission.Subprotocol)
	}
	if extension != "" {
		own = append(own, "Sec-WebSocket-Extensions", extension)
	}
	head := v.switchingProtocols(own, admission.Headers)
	hijacked, buffered, err := http.NewResponseController(v.w).Hijack()
	if err == nil && buffered.Reader.Buffered() > 0 { // what came this early was read as if it were HTTP
		hijacked.Close()
		err = errEarly
	}
	if err != nil {
		v.handler.log.Debug("a WebSocket ended before it began", "remote", v.r.RemoteAddr, "error", err)
		c.Closed(protocol.CloseBroken, "", false)
		return false
	}
	below, socket := v.conn.LetGo()
	if !c.Upgrade(head, below, socket) {
		return false
	}
	if v.entry != nil {
		v.entry.Status, v.entry.Out = http.StatusSwitchingProtocols, int64(len(head))
	}
	return c.Serve()
}

// keyGUID is RFC 6455's (§1.3).
const keyGUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"

// acceptOf is what Sec-WebSocket-Accept has to be for a key (RFC 6455 §4.2.2).
func acceptOf(key string) string {
	sum := sha1.Sum([]byte(key + keyGUID))
	return base64.StdEncoding.EncodeToString(sum[:])
}

// switchingProtocols is the answer that makes a WebSocket. own are its fields of the handshake; none: they are among
// those of the worker.
func (v *visit) switchingProtocols(own, workers []string) []byte {
	b := []byte("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n")
	add := func(name, value string) { b = append(append(append(append(b, name...), ": "...), value...), "\r\n"...) }
	for i := 0; i+1 < len(own); i += 2 {
		add(own[i], own[i+1])
	}
	for name, values := range v.w.Header() { // the request's id
		for _, value := range values {
			add(name, value)
		}
	}
	for i := 0; i+1 < len(workers); i += 2 {
		switch name := http.CanonicalHeaderKey(workers[i]); {
		case framing(name), v.terms.sets(name), own != nil && strings.HasPrefix(name, "Sec-Websocket-"):
		default:
			add(workers[i], workers[i+1])
		}
	}
	return append(b, "\r\n"...)
}
