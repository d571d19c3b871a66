// upgrade_keeper.go: the process that was started first, after it was replaced. Whoever has started it waits for its
// pid: a shell, a supervisor, a container. So it stays, waits for the host that serves, and ends as that does. It does
// not execute itself anew for that: a signal that came meanwhile would end it.

package serve

import "github.com/workerhost/workerhost/host/internal/cli"

// passed ends this program with another one's exit status.
func passed(status int, err error) error {
	if err == nil && status != cli.ExitOK {
		return cli.PassedExit(status)
	}
	return err
}
