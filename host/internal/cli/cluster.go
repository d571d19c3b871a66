// cluster.go: commands that mean all hosts of a cluster.

package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/workerhost/workerhost/host/internal/control"
)

// hostStatus is a host of the cluster, with its status, or why there is none.
type hostStatus struct {
	control.ClusterHost
	Status *control.Status `json:"status,omitempty"`
	Error  string          `json:"error,omitempty"`
}

// stateLost is the state of a host that says nothing any more.
const stateLost = "lost"

// showCluster is host status --cluster.
func showCluster(t *Terminal, client *control.Client, asJSON bool) error {
	ctx, cancel := context.WithTimeout(context.Background(), AskTimeout)
	defer cancel()
	hosts, err := client.Hosts(ctx)
	if err != nil {
		return withRemedy(err)
	}
	all := make([]hostStatus, len(hosts))
	for i, h := range hosts {
		all[i].ClusterHost = h
		if h.State == stateLost {
			continue
		}
		if st, err := client.At(h).Status(ctx); err != nil {
			all[i].Error = err.Error()
		} else {
			all[i].Status = &st
		}
	}
	if asJSON {
		encoder := json.NewEncoder(t.Out)
		encoder.SetEscapeHTML(false)
		encoder.SetIndent("", "  ")
		return encoder.Encode(all)
	}
	list := table{right: map[int]bool{3: true, 4: true, 5: true, 6: true}}
	var header []cell
	for _, title := range []string{"HOST", "VERSION", "STATE", "UP", "WORKERS", "CONNECTIONS", "GENERATIONS"} {
		header = append(header, cell{title, t.Faint})
	}
	list.add(header...)
	for _, h := range all {
		list.add(clusterRow(t, &h)...)
	}
	list.write(t.Out)
	return nil
}

func clusterRow(t *Terminal, h *hostStatus) []cell {
	state := cell{text: h.State}
	if h.State != "serving" {
		state.paint = t.Yellow
	}
	name := h.Host
	if h.Here {
		name += " (here)"
	}
	row := []cell{{text: Shortened(name, 40)}, {text: h.Version}, state}
	switch {
	case h.State == stateLost && h.Seen != nil:
		row[2] = cell{fmt.Sprintf("lost for %s", HumanDuration(time.Since(*h.Seen))), t.Red}
	case h.Status == nil:
		return append(row, cell{Shortened(h.Error, 100), t.Red})
	default:
		workers, connections := 0, 0
		var generations []string
		for _, p := range h.Status.Pools {
			workers += len(p.Workers)
			generations = append(generations, fmt.Sprintf("%s %d", p.Name, p.Generation))
		}
		for _, n := range h.Status.Connections {
			connections += n
		}
		row = append(row, cell{text: HumanDuration(FromSeconds(h.Status.Uptime))}, cell{text: strconv.Itoa(workers)},
			cell{text: strconv.Itoa(connections)}, cell{text: strings.Join(generations, ", ")})
	}
	return row
}

// eachHost does something with one host of the cluster after the other, and stops at the first that fails, or if one
// is lost. what is that in words, for whoever wants to know where it stands.
func eachHost(t *Terminal, client *control.Client, what string, asJSON bool, do func(*control.Client) error) error {
	ctx, cancel := context.WithTimeout(context.Background(), AskTimeout)
	defer cancel()
	hosts, err := client.Hosts(ctx)
	if err != nil {
		return withRemedy(err)
	}
	for _, h := range hosts {
		if h.State == stateLost {
			return fmt.Errorf("%s is lost, so nothing was %s: bring it back, or wait until it is forgotten, ten "+
				"minutes "+
				"after it was last heard of", h.Host, what)
		}
	}
	for i, h := range hosts {
		if !asJSON {
			fmt.Fprintf(t.Out, "%s\n", t.Bold(h.Host))
		}
		if i > 0 { // the one before may have a new process, which is to hear of the others first
			if err := awaitHosts(client, hosts); err != nil {
				return fmt.Errorf("%w; nothing was %s from %s on", err, what, h.Host)
			}
		}
		err := do(client.At(h))
		if err == nil {
			continue
		}
		var left []string
		for _, after := range hosts[i+1:] {
			left = append(left, after.Host)
		}
		text := fmt.Sprintf("it ended at %s", h.Host)
		if len(left) > 0 {
			text += fmt.Sprintf("; %s not %s", strings.Join(left, ", "), what)
		}
		var ended *Ended
		if errors.As(err, &ended) {
			return &Ended{Outcome: ended.Outcome, Text: ended.Text + "\n" + text}
		}
		return fmt.Errorf("%w\n%s", err, text)
	}
	return nil
}

// clusterTime is how long hosts may take until they are all there again.
const clusterTime = time.Minute

// awaitHosts waits until all of the hosts serve.
func awaitHosts(client *control.Client, hosts []control.ClusterHost) error {
	ctx, cancel := context.WithTimeout(context.Background(), clusterTime)
	defer cancel()
	for {
		there := map[string]string{}
		now, err := client.Hosts(ctx)
		for _, h := range now {
			there[h.Station] = h.State
		}
		missing := ""
		for _, h := range hosts {
			if there[h.Station] != "serving" {
				missing = h.Host
			}
		}
		if err == nil && missing == "" {
			return nil
		}
		select {
		case <-time.After(100 * time.Millisecond):
		case <-ctx.Done():
			if err != nil {
				return withRemedy(err)
			}
			return fmt.Errorf("%s does not serve", missing)
		}
	}
}

// connectionsOfAll is host connections --cluster.
func connectionsOfAll(t *Terminal, client *control.Client, filter control.Filter, asJSON bool) error {
	ctx, cancel := context.WithTimeout(context.Background(), AskTimeout)
	defer cancel()
	hosts, err := client.Hosts(ctx)
	if err != nil {
		return withRemedy(err)
	}
	var failed []error
	for _, h := range hosts {
		if h.State == stateLost {
			continue
		}
		name, _ := json.Marshal(h.Host)
		var all []control.Connection
		err := client.At(h).Connections(ctx, filter, func(c control.Connection, line []byte) error {
			if asJSON {
				_, err := fmt.Fprintf(t.Out, "{\"host\":%s,%s\n", name, line[1:])
				return err
			}
			all = append(all, c)
			return nil
		})
		if err != nil {
			failed = append(failed, fmt.Errorf("%s: %w", h.Host, err))
			continue
		}
		if !asJSON {
			fmt.Fprintf(t.Out, "%s\n", t.Bold(h.Host))
			showConnections(t, all, time.Now())
		}
	}
	return errors.Join(failed...)
}
