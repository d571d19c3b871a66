package engine

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/workerhost/workerhost/host/internal/cert"
)

// addresses are free ones of loopback.
func addresses(t *testing.T, n int) (all []string) {
	t.Helper()
	for range n {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		all = append(all, l.Addr().String())
	}
	return all
}

func oneOf(t *testing.T, folder string, c Cluster) *Engine {
	t.Helper()
	c.Hosts = len(c.Routes)
	e := New(Settings{Folder: func() (string, error) { return folder, nil }, Name: t.Name(), Cluster: &c,
		MaxMemory: 16 << 20, MaxDisk: 64 << 20, Log: hclog.NewNullLogger()})
	t.Cleanup(e.Close)
	return e
}

func TestThreeHostsFormAClusterThatOneMayLeave(t *testing.T) {
	folder := t.TempDir()
	if err := cert.MakeLocal(folder, time.Now()); err != nil {
		t.Fatal(err)
	}
	certificate, key := cert.LocalFiles(folder)
	pair, err := tls.LoadX509KeyPair(certificate, key)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(pair.Leaf)
	c := Cluster{Name: "shop", Routes: addresses(t, 3), Secret: "a secret of all three", TLS: &tls.Config{
		Certificates: []tls.Certificate{pair}, RootCAs: roots, ClientCAs: roots,
		ClientAuth: tls.RequireAnyClientCert}}
	var all []*Engine
	var folders []string
	for _, address := range c.Routes {
		one := c
		one.Listen = address
		folders = append(folders, t.TempDir())
		all = append(all, oneOf(t, folders[len(all)], one))
		go all[len(all)-1].Conn(t.Context()) // the first has nobody to agree with
	}
	if all[0].Replicas() != 3 {
		t.Fatal(all[0].Replicas())
	}
	put := func(e *Engine, value string) {
		t.Helper()
		eventually(t, e, func(ctx context.Context, js jetstream.JetStream) error {
			kv, err := js.CreateOrUpdateKeyValue(ctx, jetstream.KeyValueConfig{Bucket: "b", Replicas: e.Replicas()})
			if err == nil {
				_, err = kv.PutString(ctx, "k", value)
			}
			return err
		})
	}
	get := func(e *Engine, want string) {
		t.Helper()
		eventually(t, e, func(ctx context.Context, js jetstream.JetStream) error {
			kv, err := js.KeyValue(ctx, "b")
			if err != nil {
				return err
			}
			got, err := kv.Get(ctx, "k")
			if err == nil && string(got.Value()) != want {
				err = fmt.Errorf("%q, not %q", got.Value(), want)
			}
			return err
		})
	}
	put(all[0], "of the first")
	get(all[2], "of the first")
	all[0].Close()
	put(all[1], "without the first")
	get(all[2], "without the first")

	one := c
	one.Listen = c.Routes[0]
	before, _ := Station(folders[0])
	back := oneOf(t, folders[0], one)
	get(back, "without the first")
	if after, err := Station(folders[0]); after != before || err != nil || before == "" {
		t.Fatal(before, after, err)
	}
}

// eventually tries for as long as an election takes.
func eventually(t *testing.T, e *Engine, do func(context.Context, jetstream.JetStream) error) {
	t.Helper()
	late := time.Now().Add(30 * time.Second)
	for {
		err := e.Again(t.Context(), do)
		if err == nil {
			return
		}
		if time.Now().After(late) {
			t.Fatal(err)
		}
		time.Sleep(50 * time.Millisecond)
	}
}

func TestWhoDoesNotKnowTheSecretIsNotOfTheCluster(t *testing.T) {
	c := Cluster{Name: "shop", Routes: addresses(t, 2), Secret: "the right one, of course"}
	c.Listen = c.Routes[0]
	first := oneOf(t, t.TempDir(), c)
	c.Listen, c.Secret = c.Routes[1], "another one, of nobody"
	second := oneOf(t, t.TempDir(), c)
	for _, e := range []*Engine{first, second} {
		if _, err := e.Conn(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	time.Sleep(300 * time.Millisecond) // there is no event of what never happens
	for _, e := range []*Engine{first, second} {
		if n := e.dialer.server.NumRoutes(); n != 0 {
			t.Errorf("%d routes", n)
		}
	}
}

func TestTheNextHostTakesTheFolderAndTheAddressInTheCluster(t *testing.T) {
	c := Cluster{Name: "shop", Routes: addresses(t, 1)}
	c.Listen = c.Routes[0]
	c.Routes = append(c.Routes, addresses(t, 1)...)
	folder := t.TempDir()
	old, next := oneOf(t, folder, c), oneOf(t, folder, c)
	for _, e := range []*Engine{old, next} {
		if _, err := e.Conn(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	old.Yield()
	late := time.Now().Add(10 * time.Second)
	for !next.Status().Serves && time.Now().Before(late) {
		next.Conn(t.Context())
		time.Sleep(10 * time.Millisecond)
	}
	port := next.dialer.server.Addr().String()
	if c, err := nats.Connect("nats://" + port); err == nil {
		c.Close()
		t.Errorf("anybody gets in at %s", port)
	}
	if !next.Status().Serves {
		t.Fatalf("%+v", next.Status())
	}
}

func TestAStationIsMadeOnce(t *testing.T) {
	folder := t.TempDir()
	names := make(chan string)
	for range 8 {
		go func() {
			name, err := Station(folder)
			if err != nil {
				t.Error(err)
			}
			names <- name
		}()
	}
	var all []string
	for range 8 {
		all = append(all, <-names)
	}
	if len(slices.Compact(all)) != 1 || all[0] == "" {
		t.Fatal(all)
	}
	os.WriteFile(filepath.Join(folder, stationName), []byte("a b\n"), 0o600)
	if _, err := Station(folder); err == nil {
		t.Fatal("a name that is none")
	}
}
