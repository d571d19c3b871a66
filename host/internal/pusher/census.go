// The part of the HTTP API that asks: which channels there are, and who is there.

package pusher

import (
	"maps"
	"slices"
	"strings"
)

// info is what is told of a channel. A field that was not asked for is nil.
type info struct {
	Occupied      *bool `json:"occupied,omitempty"`
	Users         *int  `json:"user_count,omitempty"`
	Subscriptions *int  `json:"subscription_count,omitempty"`
}

// wanted reads the list of what is asked for; presence says that users may be.
func wanted(list string, presence bool) (users, subscriptions bool, no *failure) {
	for name := range strings.SplitSeq(list, ",") {
		switch strings.TrimSpace(name) {
		case "":
		case "user_count":
			if users = true; !presence {
				return false, false, fail(400, "user_count is for channels with presence alone: "+
					"their names begin with presence-")
			}
		case "subscription_count":
			subscriptions = true
		default:
			return false, false, fail(400, "info: there is user_count and subscription_count, found %.100q", name)
		}
	}
	return users, subscriptions, nil
}

// channels lists those that somebody listens to.
func (r *request) channels() (any, *failure) {
	prefix := r.query.Get("filter_by_prefix")
	users, subscriptions, no := wanted(r.query.Get("info"), strings.HasPrefix(prefix, "presence-"))
	if no != nil {
		return nil, no
	}
	groups, err := r.app.census(r.app.group(prefix))
	if err != nil {
		return nil, internal(err)
	}
	all := map[string]*info{}
	of := func(channel string) *info {
		if all[channel] == nil {
			all[channel] = &info{}
			if users {
				all[channel].Users = new(int)
			}
		}
		return all[channel]
	}
	for group, n := range groups {
		switch channel, user, ok := r.app.channelOf(group); {
		case !ok || kindOf(channel) == personal:
		case user == "":
			if about := of(channel); subscriptions {
				about.Subscriptions = &n
			}
		case users:
			*of(channel).Users++
		}
	}
	return map[string]any{"channels": all}, nil
}

// channel tells of one.
func (r *request) channel(name string) (any, *failure) {
	about, no := r.about(name, r.query.Get("info"))
	if no != nil {
		return nil, no
	}
	n, err := r.app.count(r.app.group(name))
	if err != nil {
		return nil, internal(err)
	}
	occupied := n > 0
	about.Occupied = &occupied
	return about, nil
}

// about tells of a channel what a list asks for.
func (r *request) about(channel, list string) (*info, *failure) {
	k := kindOf(channel)
	if k == none {
		return nil, fail(400, "%.200q is no name of a channel", channel)
	}
	users, subscriptions, no := wanted(list, k == presence)
	if no != nil {
		return nil, no
	}
	about := &info{}
	if subscriptions {
		n, err := r.app.count(r.app.group(channel))
		if err != nil {
			return nil, internal(err)
		}
		about.Subscriptions = &n
	}
	if users {
		groups, err := r.app.census(r.app.groupOf(channel, ""))
		if err != nil {
			return nil, internal(err)
		}
		n := len(groups)
		about.Users = &n
	}
	return about, nil
}

// users lists the users of a channel with presence.
func (r *request) users(channel string) (any, *failure) {
	if kindOf(channel) != presence {
		return nil, fail(400, "users are told of channels with presence alone: their names begin with presence-")
	}
	prefix := r.app.groupOf(channel, "")
	groups, err := r.app.census(prefix)
	if err != nil {
		return nil, internal(err)
	}
	type user struct {
		ID string `json:"id"`
	}
	all := []user{}
	for _, group := range slices.Sorted(maps.Keys(groups)) {
		all = append(all, user{strings.TrimPrefix(group, prefix)})
	}
	return map[string]any{"users": all}, nil
}
