package control

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
)

// TestOneHostOfAClusterObeysAnotherAsFarAsItsRightsGo: two servers, of which one passes on what the other is to do.
func TestOneHostOfAClusterObeysAnotherAsFarAsItsRightsGo(t *testing.T) {
	far := newFakeHost()
	other := NewServer(claimed(t, socketPath(t)), far)
	near := newFakeHost()
	near.hosts = []ClusterHost{{Station: "a", Host: "one", Here: true}, {Station: "b", Host: "two"}}
	near.elsewhere = func(ctx context.Context, station string, o Order, part func(Part) error) error {
		if station != "b" {
			return errors.New("no such host")
		}
		other.Obey(ctx, "one", []Right{MayStatus, MayConnections}, o, func(p Part) { part(p) })
		return nil
	}
	const secret = "0123456789abcdef-token"
	s := NewServer(claimed(t, socketPath(t)), near)
	address := open(t, s, Token{Name: "all", Secret: secret},
		Token{Name: "some", Secret: secret + "2", Rights: []Right{MayStatus}})
	go s.Serve()
	defer s.Close()
	go other.Serve()
	defer other.Close()
	ctx := t.Context()
	client := NewRemoteClient(address, secret)
	hosts, err := client.Hosts(ctx)
	if err != nil || len(hosts) != 2 {
		t.Fatal(hosts, err)
	}
	at := client.At(hosts[1])
	if st, err := at.Status(ctx); err != nil || st.PID != 4711 {
		t.Error(st, err)
	}
	far.connections = []Connection{{ID: "x-1"}}
	n := 0
	err = at.Connections(ctx, Filter{}, func(Connection, []byte) error { n++; return nil })
	if err != nil || n != 1 {
		t.Error(n, err)
	}
	refused := func(what string, err error, status int, text string) {
		t.Helper()
		var r *Refusal
		if !errors.As(err, &r) || r.Status != status || !strings.Contains(r.Text, text) {
			t.Errorf("%s: %v", what, err)
		}
	}
	nobody := func(Event, []byte) error { return nil }
	refused("a reload", at.Reload(ctx, Reload{}, nobody), http.StatusForbidden, "add it to [cluster] rights")
	_, err = client.At(ClusterHost{Station: "c"}).Status(ctx)
	refused("nobody", err, http.StatusBadGateway, "no such host")
	some := NewRemoteClient(address, secret+"2")
	_, err = some.At(hosts[1]).Send(ctx, Message{})
	refused("without the right here", err, http.StatusForbidden, "has not the right")
}
