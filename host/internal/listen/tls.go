// TLS: handshakes that keep nobody waiting, by the keys of the moment.

package listen

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"slices"
	"strings"
	"time"

	"github.com/workerhost/workerhost/host/internal/cert"
)

// ReloadTLS reads the files again. If that fails all stays as it was, and the error says why.
// Without TLS it does nothing.
func (s *Server) ReloadTLS() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	by := s.terms.Load().TLS
	if by == nil {
		return nil
	}
	read, err := readKeys(by)
	if err != nil {
		return err
	}
	s.keys.Store(read)
	return nil
}

// CertificateEnd is when the first of the certificates in files, or one of a chain, expires; zero without any.
func (s *Server) CertificateEnd() (first time.Time) {
	if k := s.keys.Load(); k != nil {
		for _, pair := range k.pairs {
			if _, until := cert.Validity(pair); first.IsZero() || until.Before(first) {
				first = until
			}
		}
	}
	return first
}

// tlsConfig has handshakes use the keys of the moment, and agree on one of these protocols.
func (s *Server) tlsConfig(protocols ...string) *tls.Config {
	c := &tls.Config{
		NextProtos: protocols,
		MinVersion: tls.VersionTLS12,
		GetCertificate: func(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
			return s.keys.Load().choose(hello)
		},
	}
	c.GetConfigForClient = func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
		k := s.keys.Load()
		if k.source != nil && len(protocols) > 0 && slices.Equal(hello.SupportedProtos, []string{challengeProtocol}) {
			return &tls.Config{NextProtos: hello.SupportedProtos, GetCertificate: k.source.GetCertificate}, nil
		}
		if k.clients == nil {
			return nil, nil
		}
		own := c.Clone()
		own.ClientCAs, own.ClientAuth = k.clients, tls.VerifyClientCertIfGiven
		if k.require {
			own.ClientAuth = tls.RequireAndVerifyClientCert
		}
		return own, nil
	}
	return c
}

// listenTLS completes handshakes before net/http sees a connection. What comes out of it is read strictly; to
// net/http HTTP/2 looks like that of prior knowledge, since it takes that of ALPN from the TLS connection itself,
// where nobody could read along.
func (s *Server) listenTLS(in net.Listener) *tlsAcceptor {
	l := &tlsAcceptor{newDeliveries(in), s, s.tlsConfig("h2", "http/1.1")}
	l.acceptEach(l.shake)
	return l
}

type tlsAcceptor struct {
	*deliveries
	server *Server
	config *tls.Config
}

const handshakeTimeout = 10 * time.Second

func (l *tlsAcceptor) shake(raw net.Conn) {
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
	state := c.ConnectionState()
	if state.NegotiatedProtocol == challengeProtocol { // the handshake was all
		c.Close()
		return
	}
	strict := newStrictConn(c, l.server)
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
	if !l.deliver(accepted{conn: conn}) {
		c.Close()
	}
}

// secureConn is HTTP/1.1 over TLS; net/http asks it for the facts of the connection.
type secureConn struct{ *strictConn }

// ConnectionState tells net/http what the handshake agreed on.
func (c *secureConn) ConnectionState() tls.ConnectionState {
	return c.Conn.(*tls.Conn).ConnectionState()
}
