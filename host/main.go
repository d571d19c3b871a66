// The host owns the listeners and the client connections, and passes requests to pools of workers written in PHP, in
// Go or in anything that speaks protocol/SPEC.md. `host reload` puts their new code live while clients notice nothing.
//
// main.go is the table of subcommands. Package serve runs the host itself; those of package cli talk to one that runs,
// or to a person.
package main

import (
	"os"

	"github.com/workerhost/workerhost/host/internal/cli"
	"github.com/workerhost/workerhost/host/internal/doctor"
	"github.com/workerhost/workerhost/host/internal/project"
	"github.com/workerhost/workerhost/host/internal/serve"
)

func main() { os.Exit(commands().Run(serve.AsFirst(os.Args[1:]), cli.SystemTerminal())) }

// commands are the subcommands, in the order of the help.
func commands() cli.Commands {
	return cli.Commands{
		serve.Command(),
		cli.ReloadCommand(),
		cli.RollbackCommand(serve.Launcher),
		cli.DeployCommand(serve.Launcher),
		cli.UpgradeCommand(),
		cli.StatusCommand(),
		cli.ReleasesCommand(),
		cli.WorkersCommand(),
		cli.ProfileCommand(),
		cli.CronCommand(),
		cli.ServiceCommand(),
		cli.TasksCommand(),
		cli.MaintenanceCommand(),
		cli.CacheCommand(),
		cli.FaultsCommand(),
		cli.ReplayCommand(),
		cli.RehearseCommand(serve.StartRehearsed),
		cli.ConnectionsCommand(),
		cli.SendCommand(),
		cli.CloseCommand(),
		cli.StopCommand(),
		cli.CheckCommand(serve.CheckLeaks),
		project.InitCommand(),
		doctor.Command(),
		project.SDKCommand(),
		cli.CompletionCommand(commands),
		cli.ManCommand(commands),
		cli.VersionCommand(),
		cli.HelpCommand(commands),
		serve.ReaperCommand(),
		serve.LaunchCommand(),
		serve.FirstCommand(),
	}
}
