package control

import (
	"context"
	"errors"
	"net"
	"net/http"
	"strings"
	"testing"
)

func TestATCPListenerAnswersWhoeverHasTheTokenAndNobodyElse(t *testing.T) {
	host := newFakeHost()
	s := NewServer(claimed(t, socketPath(t)), host)
	const token = "0123456789abcdef-token"
	address := open(t, s, Token{Name: "token", Secret: token})
	served := make(chan error, 1)
	go func() { served <- s.Serve() }()

	if st, err := NewRemoteClient(address, token).Status(context.Background()); err != nil || st.PID != 4711 {
		t.Errorf("with the token: %+v, %v", st, err)
	}
	for _, wrong := range []string{"", "0123456789abcdef-toke", token + "x", "another-token-altogether"} {
		_, err := NewRemoteClient(address, wrong).Status(context.Background())
		var refused *Refusal
		if !errors.As(err, &refused) || refused.Status != http.StatusUnauthorized ||
			!strings.Contains(refused.Text, "--token-file FILE") {
			t.Errorf("with the token %q: %v", wrong, err)
		}
	}
	if err := NewRemoteClient(address, "wrong").Stop(context.Background(), true, func(Event, []byte) error {
		return nil
	}); err == nil || len(host.stops) != 0 {
		t.Errorf("a stop without the token: %v, %v", err, host.stops)
	}
	s.Close()
	if err := <-served; err != nil {
		t.Errorf("Serve: %v", err)
	}
	var none *NoHost
	if _, err := NewRemoteClient(address, token).Status(context.Background()); !errors.As(err, &none) ||
		!strings.Contains(err.Error(), "no host answers at tcp://"+address) {
		t.Errorf("after the close: %v", err)
	}
}

func TestWithoutASocketAHostIsSteeredOverTCP(t *testing.T) {
	s := NewServer(nil, newFakeHost())
	const token = "0123456789abcdef-token"
	client := NewRemoteClient(open(t, s, Token{Name: "token", Secret: token}), token)
	served := make(chan error, 1)
	go func() { served <- s.Serve() }()
	if st, err := client.Status(context.Background()); err != nil || st.PID != 4711 {
		t.Errorf("%+v, %v", st, err)
	}
	s.Close()
	if err := <-served; err != nil {
		t.Errorf("Serve: %v", err)
	}
}

// open has the server answer over TCP as well.
func open(t *testing.T, s *Server, tokens ...Token) (address string) {
	t.Helper()
	socket, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Open(socket, tokens); err != nil {
		t.Fatal(err)
	}
	return socket.Addr().String()
}

func TestATCPListenerWithoutATokenIsRefused(t *testing.T) {
	s := NewServer(claimed(t, socketPath(t)), newFakeHost())
	defer s.Close()
	socket, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer socket.Close()
	for _, tokens := range [][]Token{nil, {{Name: "token"}},
		{{Name: "a", Secret: "0123456789abcdef"}, {Name: "token"}}} {
		if err := s.Open(socket, tokens); err == nil {
			t.Errorf("it listens with %+v", tokens)
		}
	}
}
