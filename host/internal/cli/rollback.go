// host rollback: asks the host to lead its pools back to what they ran before.

package cli

import (
	"context"
	"strconv"
	"strings"

	"github.com/spf13/pflag"
	"github.com/workerhost/workerhost/host/internal/control"
)

// RollbackCommand is host rollback; launcher is that of [DeployCommand].
func RollbackCommand(launcher func() ([]string, error)) *Command {
	return &Command{
		Name:      "rollback",
		Arguments: "[GENERATION]",
		Summary:   "Put the code from before the last reload live again",
		Detail: `Leads the pools that the last reload changed back to what each of them ran before: that release,
and the settings of then. Once more, and the reload before that is undone, too. With --pool only those pools go
back, each to the generation before its own, and with GENERATION, of one pool, to that one. It knows the five
generations before the latest, as long as the host runs.

Where workers are parked (park = "10m" in [pool.NAME]) they serve again within milliseconds, and host status
shows until when. Else it is as a reload: new workers of the old release start, one at a time. Several pools go
back all together or not at all. It takes a release that still stands in a folder of its own, reached by a
symlink; code that is edited in place is refused.

What the new code has done to databases, queues and files stays done. host.toml stays as it is, with listeners,
routes and limits. The symlink stays, too: the next host reload, a restart of the host, or a changed file with
--watch goes forward again to what it leads to, and says so. With [deploy] it goes back along with the code.
host reload --abort ends a roll back under way.

With --release N the release of that number goes live that host deploy has kept, also after a restart of the
host, and the symlink leads to it: as a reload, without before and after.`,
		Example: `host rollback
host rollback --message 'checkout fails'
host rollback 7 --pool web
host rollback --release 41`,
		Define: func(f *pflag.FlagSet) func(*Terminal, []string) error {
			find := actFlags(f)
			asJSON := f.Bool("json", false, "print a JSON object per line")
			pools := f.StringArray("pool", nil, "roll pool `NAME` back alone; can be repeated")
			release := f.Int("release", 0, "put the release `N` of host deploy live again; --pool says of which site")
			return func(t *Terminal, args []string) error {
				if f.Changed("release") {
					if len(args) > 0 || len(*pools) > 1 {
						return Misused("--release N takes no GENERATION, and one --pool at most")
					}
					return rollbackTo(t, f, find, strings.Join(*pools, ""), launcher, *release, *asJSON)
				}
				what := control.Rollback{Pools: *pools}
				if len(args) > 1 {
					return Misused("rollback takes one GENERATION at most")
				}
				if len(args) == 1 {
					n, err := strconv.ParseUint(args[0], 10, 64)
					if err != nil || n == 0 {
						return Misused("GENERATION is a number of host status, and %q is none; for one pool: host "+
							"rollback --pool NAME", args[0])
					}
					what.Generation = n
				}
				client, err := find()
				if err != nil {
					return err
				}
				ask := func(ctx context.Context, _ control.Reload, each func(control.Event, []byte) error) error {
					return client.Rollback(ctx, what, each)
				}
				story := newReloadStory(t)
				story.done = "rolled back"
				return reload(t, story, ask, client.Status, control.Reload{}, false, *asJSON)
			}
		},
	}
}
