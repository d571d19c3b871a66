// pusher.go: apps that speak Pusher's protocol, each in the realm of a pool.

package serve

import (
	"github.com/workerhost/workerhost/host/internal/config"
	"github.com/workerhost/workerhost/host/internal/pusher"
	"github.com/workerhost/workerhost/host/internal/web"
)

// app is one of the configuration. It never changes.
type app struct {
	*pusher.App
	realm *realm
}

// appsFor are the apps of what comes after old: those that stay in their realm are the same, with their clients.
func appsFor(made, old *setup) map[string]*app {
	all := map[string]*app{}
	for _, c := range made.config.Pushers {
		realm := byName(made.pools, c.Pool).realm
		if before := old.apps[c.Name]; before != nil && before.realm == realm {
			all[c.Name] = before
		} else {
			all[c.Name] = &app{pusher.New(c.Name, realm.hub, appSettings(c)), realm}
		}
	}
	return all
}

func appSettings(c *config.Pusher) *pusher.Settings {
	return &pusher.Settings{ID: c.ID, Key: c.Key, Secret: c.Secret(), ClientEvents: c.ClientEvents,
		Activity: c.ActivityTimeout, MaxMembers: c.MaxMembers, MaxEvent: int(c.MaxEvent)}
}

// retuneApps puts the settings of the configuration into effect, and ends the clients of apps that it has no more, or
// that are in another realm now.
func retuneApps(made, before *setup) {
	for _, c := range made.config.Pushers {
		made.apps[c.Name].Retune(appSettings(c))
	}
	for name, old := range before.apps {
		switch made.apps[name] {
		case old:
		case nil:
			old.End(pusher.Disabled, "the app is not here any more")
		default:
			old.End(pusher.ComeAgain, "the app is in another realm now")
		}
	}
}

// pusherTerms are a route's that leads to an app.
func pusherTerms(t *web.Terms, a *app, c *config.Pusher) {
	t.Backend, t.Hub, t.Public, t.Denied = a.App, a.realm.hub, "", nil
	if len(c.Origins) > 0 {
		t.Sockets.AllowedOrigins = c.Origins
	}
}

// planPushers finds the changes of apps.
func (p *plan) planPushers(now *config.Config) {
	for _, c := range p.config.Pushers {
		of := change{table: "pusher " + c.Name + ":", live: true}
		before := now.Pusher(c.Name)
		if before == nil {
			p.routes = append(p.routes, of.whole("added"))
			continue
		}
		p.routes = append(p.routes, differences(of, *before, *c)...)
		if before.SecretFrom == c.SecretFrom && before.Secret() != c.Secret() {
			p.routes = append(p.routes, of.with("secret", "", ""))
		}
	}
	for _, old := range now.Pushers {
		if p.config.Pusher(old.Name) == nil {
			p.routes = append(p.routes, change{table: "pusher " + old.Name, live: true}.whole("removed"))
		}
	}
}
