package control

import (
	"errors"
	"net/http"
	"strings"
	"testing"
)

// A deploy names what is to run, so no token is good for it, and nobody of a group.
func TestOnlyTheOwnersDeployAndOnlyByTheSocket(t *testing.T) {
	host := newFakeHost()
	path := socketPath(t)
	s := NewServer(claimed(t, path), host)
	const token = "0123456789abcdef-token"
	remote := NewRemoteClient(open(t, s, Token{Name: "all", Secret: token}), token)
	served := make(chan error, 1)
	go func() { served <- s.Serve() }()
	ask := Reload{Deploy: &DeployAsk{Link: "/srv/current", Folder: "/srv/releases/2"}}
	var refused *Refusal
	if err := remote.Reload(t.Context(), ask, nil); !errors.As(err, &refused) ||
		refused.Status != http.StatusForbidden || !strings.Contains(refused.Text, "only by the socket") {
		t.Errorf("over TCP: %v", err)
	}
	if len(host.asked) > 0 {
		t.Error("the host was asked")
	}
	go func() { // ends with the reload
		<-host.begun
		host.mu.Lock()
		defer host.mu.Unlock()
		host.accounts[0].End()
	}()
	if err := NewClient(path).Reload(t.Context(), ask, func(Event, []byte) error { return nil }); err != nil {
		t.Errorf("by the socket: %v", err)
	}
	s.Close()
	if err := <-served; err != nil {
		t.Error(err)
	}
}
