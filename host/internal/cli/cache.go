// host cache: what is stored of the answers of routes, and what is to be forgotten.

package cli

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/pflag"
	"github.com/workerhost/workerhost/host/internal/control"
)

// cacheArguments are what host cache may be given.
const cacheArguments = "[status | purge [URL …] | show URL]"

// CacheCommand is host cache.
func CacheCommand() *Command {
	return &Command{
		Name:      "cache",
		Arguments: cacheArguments,
		Summary:   "Show what is stored of the answers of routes, and purge it",
		Detail: `It shows each route with a cache, what is stored of its answers, and what became of requests to
all of them: host help cache.

purge drops answers that are stored: those of a URL, or with --tag those that have the tag, or with --all all. A
URL is a whole one, or a path, which means it under all names; with "*" at its end it is all that begin so. What
is under way meanwhile, and would be dropped, is not stored. Where hosts are a cluster, all of them purge; the
number is this one's.

show has what is stored of a URL, or, with "*" at its end, of all that begin so: one line for each answer, where
Vary tells some apart. "not stored" is what may not be, so that nobody waits for another one's answer.

To look takes what host status takes, and to purge over TCP a token with the right "cache".`,
		Example: "host cache\nhost cache show https://example.org/\nhost cache purge --tag post-7 --tag front\n" +
			"host cache purge '/blog/*'\nhost cache purge --all --realm shop",
		Define: func(f *pflag.FlagSet) func(*Terminal, []string) error {
			find := actFlags(f)
			asJSON := f.Bool("json", false, "print JSON")
			var o control.CachePurge
			f.StringArrayVar(&o.Tags, "tag", nil, "for purge: what has the `TAG`; may be repeated")
			f.BoolVar(&o.All, "all", false, "for purge: all that is stored")
			f.StringVar(&o.Realm, "realm", "", "for purge and show: only answers of the realm `NAME`")
			return func(t *Terminal, args []string) error {
				order, err := readCache(args, &o)
				if err != nil {
					return err
				}
				client, err := find()
				if err != nil {
					return err
				}
				ctx, cancel := context.WithTimeout(context.Background(), AskTimeout)
				defer cancel()
				return askCache(ctx, t, client, order, &o, *asJSON)
			}
		},
	}
}

// readCache reads the command line: "status", "purge" or "show". The URLs are put into o.
func readCache(args []string, o *control.CachePurge) (order string, err error) {
	order = "status"
	if len(args) > 0 {
		order, o.URLs = args[0], args[1:]
	}
	only := len(o.Tags) == 0 && !o.All
	switch {
	case order == "status" && only && len(o.URLs) == 0 && o.Realm == "":
		return order, nil
	case order == "show" && only && len(o.URLs) == 1, order == "purge" && (!only || len(o.URLs) > 0):
		return order, o.Act().Check()
	case order == "purge":
		return "", Misused("purge needs URLs, --tag TAG or --all")
	}
	return "", Misused("expected %s, with --tag, --all and --realm beside purge, and --realm beside show; found %s",
		cacheArguments, strings.Join(args, " "))
}

func askCache(ctx context.Context, t *Terminal, client *control.Client, order string, o *control.CachePurge,
	asJSON bool) error {
	var value any
	var err error
	var show func()
	switch order {
	case "purge":
		var done control.CachePurged
		done, err = client.PurgeCache(ctx, *o)
		value, show = done, func() { fmt.Fprintln(t.Out, Counted(done.Answers, "answer")+" purged") }
	case "show":
		var all control.CachedAnswers
		all, err = client.Cached(ctx, o.Realm, o.URLs[0])
		value, show = all, func() { t.showCached(&all) }
	default:
		var st control.CacheStatus
		st, err = client.CacheStatus(ctx)
		value, show = st, func() { t.showCache(&st) }
	}
	if err != nil {
		return withRemedy(err)
	}
	if asJSON {
		return printJSON(t, value)
	}
	show()
	return nil
}

// cacheWays are how requests were answered, in the order in which they are shown.
var cacheWays = []string{"hit", "stale", "miss", "waited", "bypass"}

func (t *Terminal) showCache(st *control.CacheStatus) {
	if len(st.Routes) == 0 {
		fmt.Fprintln(t.Out, "no route has a cache: host help cache")
		return
	}
	var ways []string
	for _, way := range cacheWays {
		ways = append(ways, fmt.Sprintf("%d %s", st.Requests[way], way))
	}
	rows := table{}
	rows.add(plain("stored", fmt.Sprintf("%s, %s of %s", Counted(st.Answers, "answer"), HumanBytes(int64(st.Bytes)),
		HumanBytes(int64(st.Size))))...)
	rows.add(plain("requests", strings.Join(ways, ", "))...)
	rows.add(plain("so far", fmt.Sprintf("%d stored, %d validated, %d purged", st.Stored, st.Validated,
		st.Purged))...)
	rows.write(t.Out)
	fmt.Fprintln(t.Out)
	list := table{right: map[int]bool{2: true, 3: true}}
	titles := []string{"ROUTE", "POOL", "ANSWERS", "SIZE"}
	if st.Routes[0].Realm != "" {
		titles = append(titles, "REALM")
	}
	var header []cell
	for _, title := range titles {
		header = append(header, cell{title, t.Faint})
	}
	list.add(header...)
	for _, r := range st.Routes {
		row := plain(r.Route, r.Pool, strconv.Itoa(r.Answers), HumanBytes(int64(r.Bytes)), r.Realm)
		list.add(row[:len(titles)]...)
	}
	list.write(t.Out)
}

func (t *Terminal) showCached(all *control.CachedAnswers) {
	if len(all.Answers) == 0 {
		fmt.Fprintln(t.Out, "nothing is stored of it")
		return
	}
	for _, a := range all.Answers {
		fmt.Fprintf(t.Out, "%s\n    %s\n", t.Bold(printable(a.URL)), printable(t.cached(&a)))
	}
	if all.More > 0 {
		fmt.Fprintf(t.Out, "and %d more\n", all.More)
	}
}

// cached says of an answer what is to be known.
func (t *Terminal) cached(a *control.CachedAnswer) string {
	fresh := HumanDuration(FromSeconds(max(a.Fresh, -a.Fresh)))
	if a.Refused {
		return "not stored, and nobody waits for it for " + fresh + ", route " + a.Route + ", pool " + a.Pool
	}
	if a.Fresh > 0 {
		fresh = "fresh for " + fresh
	} else {
		fresh = "stale since " + fresh
	}
	words := []string{strconv.Itoa(a.Status), fmt.Sprintf("%d bytes", a.Bytes), fresh,
		"stored " + HumanDuration(FromSeconds(a.Since)) + " ago", Counted(int(a.Hits), "hit"), "route " + a.Route,
		fmt.Sprintf("pool %s generation %d", a.Pool, a.Generation)}
	if a.Realm != "" {
		words = append(words, "realm "+a.Realm)
	}
	if len(a.Tags) > 0 {
		words = append(words, "tags "+strings.Join(a.Tags, " "))
	}
	if len(a.Vary) > 0 {
		words = append(words, "for "+strings.Join(a.Vary, " and "))
	}
	return strings.Join(words, ", ")
}
