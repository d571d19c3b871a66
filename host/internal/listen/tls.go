// TLS: certificates that can be read anew, and handshakes that keep nobody waiting.

package listen

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"strings"
	"sync"
	"time"

	"github.com/workerhost/workerhost/host/internal/cert"
)

// ReloadTLS reads the certificate files again. If that fails the old certificate stays, and the error says why.
// Without TLS it does nothing.
func (s *Server) ReloadTLS() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	files := s.terms.Load().TLS
	if files == nil {
		return nil
	}
	pair, err := readCertificate(files)
	if err != nil {
		return err
	}
	s.certificate.Store(pair)
	return nil
}

// CertificateEnd is when the certificate, or one of its chain, expires; zero without TLS.
func (s *Server) CertificateEnd() time.Time {
	pair := s.certificate.Load()
	if pair == nil {
		return time.Time{}
	}
	_, until := cert.Validity(pair)
	return until
}

// tlsConfig has handshakes use the certificate of the moment, and agree on one of these protocols.
func (s *Server) tlsConfig(protocols ...string) *tls.Config {
	return &tls.Config{
		NextProtos:     protocols,
		MinVersion:     tls.VersionTLS12,
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return s.certificate.Load(), nil },
	}
}

// listenTLS completes handshakes before net/http sees a connection. What comes out of it is read strictly; to
// net/http HTTP/2 looks like that of prior knowledge, since it takes that of ALPN from the TLS connection itself,
// where nobody could read along.
func (s *Server) listenTLS(in net.Listener) *tlsAcceptor {
	ctx, cancel := context.WithCancel(context.Background())
	l := &tlsAcceptor{
		Listener: in,
		server:   s,
		config:   s.tlsConfig("h2", "http/1.1"),
		ready:    make(chan accepted),
		ctx:      ctx, cancel: cancel,
	}
	l.running.Add(1)
	go l.accept() // ends with the listener; Close waits for it
	return l
}

type tlsAcceptor struct {
	net.Listener
	server  *Server
	config  *tls.Config
	ready   chan accepted
	ctx     context.Context
	cancel  context.CancelFunc
	running sync.WaitGroup
}

type accepted struct {
	conn net.Conn
	err  error
}

// acceptUntil implements acceptor.
func (l *tlsAcceptor) acceptUntil(retired <-chan struct{}) (net.Conn, error) {
	select {
	case a := <-l.ready:
		return a.conn, a.err
	case <-retired:
		return nil, net.ErrClosed
	case <-l.ctx.Done():
		return nil, net.ErrClosed
	}
}

// Close implements net.Listener: handshakes under way are cut.
func (l *tlsAcceptor) Close() error {
	l.cancel()
	err := l.Listener.Close()
	l.running.Wait()
	return err
}

func (l *tlsAcceptor) accept() {
	defer l.running.Done()
	for {
		raw, err := l.Listener.Accept()
		if err != nil {
			if !l.pass(accepted{err: err}) || errors.Is(err, net.ErrClosed) {
				return
			}
			continue // net/http has waited before it came for this one
		}
		l.running.Add(1)
		go l.shake(raw) // ends with the handshake or its time-out; Close waits for it
	}
}

// pass says whether somebody took it.
func (l *tlsAcceptor) pass(a accepted) bool {
	select {
	case l.ready <- a:
		return true
	case <-l.ctx.Done():
		return false
	}
}

const handshakeTimeout = 10 * time.Second

func (l *tlsAcceptor) shake(raw net.Conn) {
	defer l.running.Done()
	ctx, cancel := context.WithTimeout(l.ctx, handshakeTimeout)
	defer cancel()
	c := tls.Server(raw, l.config)
	if err := c.HandshakeContext(ctx); err != nil {
		l.server.log.Debug("TLS handshake failed", "remote", raw.RemoteAddr().String(), "error", err)
		var other tls.RecordHeaderError
		if errors.As(err, &other) && other.Conn != nil {
			raw.SetWriteDeadline(time.Now().Add(time.Second))
			io.WriteString(raw, "HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain\r\nConnection: "+
				"close\r\n\r\nThis port speaks HTTPS.\n")
		}
		raw.Close()
		return
	}
	strict, state := newStrictConn(c, l.server), c.ConnectionState()
	strict.scan.agreed = "http/1.1"
	var conn net.Conn = &secureConn{strict}
	if state.NegotiatedProtocol == "h2" {
		if name := tls.CipherSuiteName(state.CipherSuite); strings.Contains(name, "_CBC_") { // RFC 9113 §9.2.2
			l.server.log.Debug("HTTP/2 does not go with a cipher of TLS", "remote", raw.RemoteAddr().String(),
				"cipher", name)
			c.Close()
			return
		}
		conn, strict.tls, strict.scan.agreed = strict, &state, "h2"
	}
	if !l.pass(accepted{conn: conn}) {
		c.Close()
	}
}

// secureConn is HTTP/1.1 over TLS; net/http asks it for the facts of the connection.
type secureConn struct{ *strictConn }

// ConnectionState tells net/http what the handshake agreed on.
func (c *secureConn) ConnectionState() tls.ConnectionState {
	return c.Conn.(*tls.Conn).ConnectionState()
}
