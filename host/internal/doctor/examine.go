// examine.go: what host doctor says of the machine: its limits, memory and disk, beside what the workers may take.

package doctor

import (
	"context"
	"fmt"

	"github.com/workerhost/workerhost/host/internal/cli"
	"github.com/workerhost/workerhost/host/internal/config"
	"github.com/workerhost/workerhost/host/internal/machine"
	"github.com/workerhost/workerhost/host/internal/serve"
)

// examineLimits looks at what the user may open and start.
func (d *diagnosis) examineLimits(workers, connections int) {
	if files, ok := machine.FileLimit(); ok {
		const remedy = "raise it: " + machine.MoreFiles
		switch room, _ := machine.ClientRoom(workers); {
		case files < uint64(machine.FilesFor(workers)):
			d.wrong(aboutMachine, remedy, "%d open files are allowed, and %s need %d before the first client comes",
				files, cli.Counted(workers, "worker"), machine.FilesFor(workers))
		case room < connections:
			d.advise(aboutMachine, remedy+"; or lower max_connections",
				"%d open files are allowed, which leaves room for %d clients, and max_connections is %d", files, room,
				connections)
		default:
			d.good(aboutMachine, "%d open files are allowed", files)
		}
	}
	if err := machine.CheckAddressSpace(); err != nil {
		d.wrong(aboutMachine, "", "%v", err)
	}
	processes, source, ok := machine.ProcessLimit()
	if !ok {
		return
	}
	if least := uint64(2*workers + machine.ProcessesForMany); processes < least {
		d.advise(aboutMachine, "raise it: TasksMax= or LimitNPROC= in a unit of systemd, --pids-limit of a "+
			"container, `ulimit -u` in a shell",
			"%d processes and threads are allowed (%s); %s, their replacements and the host itself may need %d",
			processes, source, cli.Counted(workers, "worker"), least)
	} else {
		d.good(aboutMachine, "%d processes are allowed", processes)
	}
}

// examineMemory compares what the workers may take with what there is. limit is the sum of their memory_limit; 0 is
// not known.
func (d *diagnosis) examineMemory(workers int, limit int64) {
	total, available, ok := machine.Memory()
	if !ok || workers == 0 {
		return
	}
	const remedy = "lower workers, or memory_limit in php_ini, or give the machine more memory"
	switch least := int64(workers) * machine.MemoryOfOne; {
	case available < least:
		d.wrong(aboutMachine, "lower workers, or give the machine more memory",
			"%s is available, and %s need at least %s", cli.HumanBytes(available), cli.Counted(workers, "worker"),
			cli.HumanBytes(least))
	case limit > total:
		d.advise(aboutMachine, remedy,
			"the workers may take %s together before PHP stops them, and there is %s of memory", cli.HumanBytes(limit),
			cli.HumanBytes(total))
	default:
		d.good(aboutMachine, "%s of %s of memory is available for %s", cli.HumanBytes(available),
			cli.HumanBytes(total), cli.Counted(workers, "worker"))
	}
}

func (d *diagnosis) examineSpool(folder string, quota int64) {
	free, inMemory, ok := machine.DiskSpace(folder)
	switch {
	case !ok:
		d.good(aboutFolders, "large bodies wait in %s", folder)
	case inMemory:
		d.advise(aboutFolders, "name a folder on disk with [http] spool_directory",
			"%s is in memory: large bodies that wait there, up to %s, take memory, not disk", folder,
			cli.HumanBytes(quota))
	case free < quota:
		d.advise(aboutFolders, "lower [http] spool_quota, or name another folder with spool_directory",
			"%s has %s left, and large bodies may take %s there", folder, cli.HumanBytes(free), cli.HumanBytes(quota))
	default:
		d.good(aboutFolders, "large bodies wait in %s, which has %s left", folder, cli.HumanBytes(free))
	}
}

// examinePrivileges tries to become a worker of the pool.
func (d *diagnosis) examinePrivileges(ctx context.Context, c *config.Config, p *config.Pool) {
	if len(serve.AsRoot([]*config.Pool{p})) > 0 {
		d.advise(aboutPrivileges, fmt.Sprintf(
			"write user = \"www-data\", or another that owns nothing else, in [pool.%s]", p.Name),
			"this user is root, and so would its workers be")
	}
	if p.Confine != nil {
		lacks, err := serve.CanConfine(p.Confine.Ports())
		if err != nil && !p.Confine.Optional {
			d.wrong(aboutPrivileges, fmt.Sprintf(
				"write optional = true in [pool.%s.confine] to serve without that, or use a newer kernel", p.Name),
				"its workers can't be confined: %v", err)
			return
		} else if err != nil {
			d.advise(aboutPrivileges, "use a newer kernel", "its workers will not be confined: %v", err)
		} else if lacks != "" {
			d.advise(aboutPrivileges, "use a newer kernel", "its confined workers can still %s", lacks)
		}
	}
	if p.Identity == nil && p.Confine == nil && p.Umask == "" && p.Rlimits == (config.Rlimits{}) {
		return
	}
	who := "this user"
	if p.Identity != nil {
		who = p.Identity.String()
	}
	if err := serve.TryLaunch(ctx, c, p); err != nil {
		d.wrong(aboutPrivileges, "", "its workers can't be started as %s: %v", who, err) // it has its remedy
		return
	}
	d.good(aboutPrivileges, "its workers can run as %s, and reach their code", who)
}
