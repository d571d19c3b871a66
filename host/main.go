// The host owns the listeners and the client connections, and passes requests to pools of workers written in PHP, in Go or in anything that speaks
// protocol/SPEC.md. `host reload` puts their new code live while clients notice nothing.
//
// main.go is the table of subcommands. Each has a file of its own name: serve.go runs the host itself, and reload.go, status.go and stop.go are
// clients of its control socket. command.go parses and reports for all of them.
package main

import "os"

func main() { os.Exit(commands().run(asFirst(os.Args[1:]), systemTerminal())) }

// commands are the subcommands, in the order of the help.
func commands() commandSet {
	return commandSet{
		serveCommand(),
		reloadCommand(),
		statusCommand(),
		workersCommand(),
		connectionsCommand(),
		sendCommand(),
		closeCommand(),
		stopCommand(),
		checkCommand(),
		initCommand(),
		doctorCommand(),
		sdkCommand(),
		versionCommand(),
		helpCommand(commands),
		reaperCommand(),
		launchCommand(),
		firstCommand(),
	}
}
