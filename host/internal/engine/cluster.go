// cluster.go: embedded servers of several hosts that form one cluster.

package engine

import (
	"crypto/rand"
	"crypto/tls"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats-server/v2/server"
)

// Cluster says how the embedded servers of several hosts find each other. They keep what is kept in streams with
// [Engine.Replicas] copies, and need more than half of them to be there.
type Cluster struct {
	Name   string   // of the cluster; all hosts of it have the same
	Listen string   // host:port where the others reach this one
	Routes []string // host:port of all hosts; this one's may be among them
	Hosts  int      // how many there are
	Secret string   // that all of them know; "" for none
	TLS    *tls.Config
}

// maxReplicas is how many copies there are at most: with three, any one host may be lost.
const maxReplicas = 3

// Replicas is how many copies of a stream or of a bucket there are to be.
func (e *Engine) Replicas() int {
	if e.settings.Cluster == nil {
		return max(1, e.settings.Replicas)
	}
	return max(1, min(maxReplicas, e.settings.Cluster.Hosts))
}

// Station is the name of this host's place in a cluster: it stays with the folder, through restarts and upgrades, and
// is no other host's. Station makes it, if there is none in the folder yet.
func Station(folder string) (string, error) {
	path := filepath.Join(folder, stationName)
	for range 2 {
		switch data, err := os.ReadFile(path); {
		case err == nil:
			name := strings.TrimSpace(string(data))
			if name == "" || Token(name) != name {
				return "", fmt.Errorf("%s holds no name: remove it, and this host comes to the cluster as a new "+
					"one", path)
			}
			return name, nil
		case !errors.Is(err, fs.ErrNotExist):
			return "", err
		}
		if err := makeStation(path); err != nil && !errors.Is(err, fs.ErrExist) {
			return "", err
		}
	}
	return "", fmt.Errorf("%s comes and goes", path)
}

const stationName = "station"

// makeStation has the file be there whole or not at all.
func makeStation(path string) error {
	f, err := os.CreateTemp(filepath.Dir(path), stationName)
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	_, err = f.WriteString(strings.ToLower(rand.Text()[:10]) + "\n")
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	return os.Link(f.Name(), path) // unless somebody was quicker
}

// inside lets in who comes from within the process: this host, and guests whom it has let in by the socket.
type inside struct{}

// Check implements [server.Authentication].
func (inside) Check(c server.ClientAuthentication) bool {
	from := c.RemoteAddress()
	return from != nil && from.Network() == "pipe"
}

// routeUser is who the hosts say that they are to each other.
const routeUser = "host"

// portTime is how long the host before may take to let go of the address.
const portTime = 10 * time.Second

// join has the server that is about to start be one of the cluster. It waits until the address is free.
func (c *Cluster) join(o *server.Options, folder string) error {
	station, err := Station(folder)
	if err != nil {
		return err
	}
	host, port, err := net.SplitHostPort(c.Listen)
	if err != nil {
		return err
	}
	o.ServerName = station
	o.StoreDir = filepath.Join(folder, "cluster-"+Token(c.Name)) // what it had alone is not the cluster's
	o.Cluster.Name, o.Cluster.Host = c.Name, host
	if o.Cluster.Port, err = strconv.Atoi(port); err != nil {
		return err
	}
	o.Cluster.NoAdvertise = true // all hosts have the list
	// A server without a port for clients never gets to its routes. It is one where nobody is let in.
	o.DontListen, o.Host, o.Port, o.CustomClientAuthentication = false, "127.0.0.1", server.RANDOM_PORT, inside{}
	if c.Secret != "" {
		o.Cluster.Username, o.Cluster.Password = routeUser, c.Secret
	}
	if c.TLS != nil {
		o.Cluster.TLSConfig, o.Cluster.TLSTimeout = c.TLS, 5
	}
	for _, each := range c.Routes {
		to := &url.URL{Scheme: "nats-route", Host: each}
		if c.Secret != "" {
			to.User = url.UserPassword(routeUser, c.Secret)
		}
		o.Routes = append(o.Routes, to)
	}
	if host == "" {
		o.Cluster.Host = "0.0.0.0"
	}
	late := time.Now().Add(portTime)
	for try := 0; ; try++ {
		free, err := net.Listen("tcp", c.Listen)
		if err == nil {
			return free.Close()
		}
		if time.Now().After(late) {
			return fmt.Errorf("the other hosts of the cluster can't reach this one: %w", err)
		}
		time.Sleep(pause(try))
	}
}
