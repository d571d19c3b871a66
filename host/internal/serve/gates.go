// gates.go: the commands that a pass has to pass, before its pools take their new code and after.

package serve

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/workerhost/workerhost/host/internal/cli"
	"github.com/workerhost/workerhost/host/internal/config"
	"github.com/workerhost/workerhost/host/internal/control"
	"github.com/workerhost/workerhost/host/internal/gate"
	"github.com/workerhost/workerhost/host/internal/redact"
	"github.com/workerhost/workerhost/workers"
)

// The gates that have commands.
const (
	gateBefore = "before"
	gateAfter  = "after"
)

// passBefore runs what has to succeed before any of the pools changes. It says whether all of it did.
func (p *pass) passBefore(pools []plannedPool) bool {
	if p.again() {
		return true
	}
	for _, next := range pools {
		if next.config.Reload == "never" {
			continue
		}
		if err := p.passGate(next, gateBefore, next.config.Gates.Before); err != nil {
			p.blameGate(err, control.NotDone)
			return false
		}
	}
	return true
}

// passAfter runs what has to succeed once all pools have their new code, and turns back if it does not and a pool
// wants that. It says whether the new code stays.
func (p *pass) passAfter(moves []*move) bool {
	for i, m := range moves {
		gates := &m.next.config.Gates
		err := p.passGate(m.next, gateAfter, gates.After)
		if err == nil || gates.OnFailure == "keep" && p.wanted.Err() == nil {
			p.verdict.gate = "" // which only warned
			continue
		}
		p.blameGate(err, control.TurnedBack)
		if p.verdict.outcome == control.HostStopped {
			return false
		}
		back := moves
		if p.ask.Each { // those before it stay, and those behind it were not asked
			back = moves[i : i+1]
		}
		for _, m := range slices.Backward(back) {
			p.putBack(m)
		}
		return false
	}
	return true
}

// blameGate notes why the pass ends.
func (p *pass) blameGate(err error, otherwise control.Outcome) {
	v := &p.verdict
	switch {
	case p.aborted.Load():
		v.outcome, v.gate = control.WasAborted, ""
		p.account.Add(control.Event{Kind: control.Aborted})
	case errors.Is(err, workers.ErrStopping):
		v.outcome = control.HostStopped
	default:
		v.outcome = otherwise
	}
}

// passGate runs the commands of a pool, until one fails.
func (p *pass) passGate(next plannedPool, name string, commands config.Commands) error {
	for _, command := range commands {
		began := time.Now()
		e := control.Event{Kind: control.GateBegun, Pool: next.config.Name, Gate: name,
			What: redact.Text(strings.Join(command, " "))}
		log := p.host.log.With("pool", e.Pool, "gate", name)
		log.Info("reload: a command begins", "command", e.What)
		p.account.Add(e)
		err := p.runCommand(next, command, func(line string) {
			line = redact.Text(line)
			log.Info("reload: said: " + line)
			p.account.Add(control.Event{Kind: control.GateOutput, Pool: e.Pool, Gate: name, Output: line})
		})
		took := time.Since(began)
		e.Took = control.Millis(took)
		if err == nil {
			log.Info("reload: the command succeeded", "command", e.What, "took", cli.HumanDuration(took))
			e.Kind = control.GatePassed
			p.account.Add(e)
			continue
		}
		log.Error("reload: the command failed", "command", e.What, "error", err, "took", cli.HumanDuration(took))
		e.Kind, e.Error = control.GateFailed, redact.Text(err.Error())
		p.account.Add(e)
		p.verdict.gate = fmt.Sprintf("%q of pool %s", e.What, e.Pool)
		return err
	}
	return nil
}

// runCommand runs one as a worker of the release that comes in would be run.
func (p *pass) runCommand(next plannedPool, command []string, said func(string)) error {
	made, c := next.old, next.config
	if made == nil {
		made = byName(p.started, c.Name)
	}
	dir, err := c.Resolved()
	if err != nil {
		return err
	}
	launch, err := p.host.launchIn(made, c, p.plan.config, dir, command)
	if err != nil {
		return err
	}
	err = gate.Command{Launch: launch, Timeout: c.Gates.Timeout, StopTimeout: c.StopTimeout, Said: said}.Run(p.wanted)
	if err != nil && p.host.stopping.Err() != nil {
		err = workers.ErrStopping
	}
	return err
}
