// Channels: who listens, and with presence who is told of it.

package pusher

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"

	"github.com/workerhost/workerhost/protocol"
)

// subscribe has the client listen to a channel, if it may.
func (t *turn) subscribe(s subscription) {
	k, group := kindOf(s.Channel), t.app.group(s.Channel)
	text := t.socket + ":" + s.Channel
	if s.Data != "" {
		text += ":" + s.Data
	}
	switch {
	case k == none:
		t.wrong(0, "%.200q is no name of a channel: it has 1 to %d letters, digits and _-=@,.;", s.Channel, maxChannel)
	case slices.Contains(t.groups, group):
		t.wrong(0, "there is a subscription to %s already", s.Channel)
	case k.signed() && !t.settings.signs(s.Auth, text):
		t.refuse(s.Channel, "AuthError", 401, "the signature is not the app's for "+text)
	case k == personal && t.uid != t.app.group(strings.TrimPrefix(s.Channel, server)):
		t.refuse(s.Channel, "AuthError", 401, "this channel is for a user who has signed in")
	case k == presence:
		t.enter(s)
	default:
		t.do(func() { t.groups = append(t.groups, group); t.next() }, &protocol.Join{Groups: []string{group}},
			tell(event{Event: subscribed, Channel: s.Channel, Data: "{}"}))
	}
}

const subscribed = "pusher_internal:subscription_succeeded"

// refuse says that there is no subscription: to the channel, and for those who listen to errors alone.
func (t *turn) refuse(channel, kind string, status int, why string) {
	t.do(t.next, wrong(codeNotAllowed, why), tell(event{Event: "pusher:subscription_error", Channel: channel,
		Data: refused{Type: kind, Error: why, Status: status}}))
}

// enter has the client's user enter a channel with presence.
func (t *turn) enter(s subscription) {
	a, who, err := t.app, member{}, error(nil)
	if s.Data != "" {
		who, err = parseMember(s.Data)
	} else if who.ID, _ = strings.CutPrefix(t.uid, a.root()+":"); who.ID == "" {
		t.refuse(s.Channel, "AuthError", 401, "there is neither channel_data nor a user who has signed in")
		return
	}
	if err != nil {
		t.refuse(s.Channel, "AuthError", 401, err.Error())
		return
	}
	a.desk.do(func() { t.enterNow(s.Channel, who) })
}

// enterNow is the desk's.
func (t *turn) enterNow(channel string, who member) {
	a, group := t.app, t.app.group(channel)
	there, err := a.members(channel)
	if err != nil {
		t.wrong(0, "%v", err)
		return
	}
	told := a.told[channel]
	if told == nil {
		told = setOf(there)
	}
	_, same := there[who.ID]
	if !same && len(there) >= t.settings.MaxMembers {
		t.refuse(channel, "LimitReached", 403, "the channel has as many members as it may")
		return
	}
	if !same {
		there[who.ID] = who
	}
	kept, err := protocol.NewValue(who.text())
	if err != nil {
		t.wrong(0, "%v", err)
		return
	}
	acts := []protocol.Act{
		&protocol.Set{Set: []protocol.Entry{{Key: group, Value: kept}}},
		&protocol.Join{Groups: []string{group, a.groupOf(channel, who.ID)}},
		tell(event{Event: subscribed, Channel: channel, Data: listOf(there)}),
	}
	if _, known := told[who.ID]; !known {
		added := encode(event{Event: "pusher_internal:member_added", Channel: channel, Data: who.text()})
		acts = append(acts, &protocol.Send{To: protocol.ToGroups, Names: []string{group}, Bytes: added,
			Except: []string{""}})
	}
	if err := a.commit(t.x.Subject, acts...); err != nil {
		t.wrong(0, "%v", err)
		return
	}
	told[who.ID] = struct{}{}
	a.told[channel] = told
	t.groups = append(t.groups, group)
	t.users[channel] = who
	t.next()
}

func setOf(there map[string]member) map[string]struct{} {
	set := make(map[string]struct{}, len(there)+1)
	for id := range there {
		set[id] = struct{}{}
	}
	return set
}

// listOf are the members as a new one is told of them.
func listOf(there map[string]member) string {
	ids, hash := slices.Sorted(maps.Keys(there)), map[string]json.RawMessage{}
	for id, m := range there {
		if hash[id] = m.Info; m.Info == nil {
			hash[id] = json.RawMessage("null")
		}
	}
	type list struct {
		IDs   []string                   `json:"ids"`
		Hash  map[string]json.RawMessage `json:"hash"`
		Count int                        `json:"count"`
	}
	return string(encode(struct {
		Presence list `json:"presence"`
	}{list{ids, hash, len(ids)}}))
}

// unsubscribe has the client listen no more.
func (t *turn) unsubscribe(channel string) {
	a, group := t.app, t.app.group(channel)
	if !slices.Contains(t.groups, group) || kindOf(channel) == none {
		t.next() // as Pusher has it
		return
	}
	forget := func() {
		t.groups = slices.DeleteFunc(t.groups, func(g string) bool { return g == group })
		delete(t.users, channel)
	}
	who, present := t.users[channel]
	if !present {
		t.do(func() { forget(); t.next() }, &protocol.Leave{Groups: []string{group}})
		return
	}
	a.desk.do(func() {
		err := a.commit(t.x.Subject, &protocol.Leave{Groups: []string{group, a.groupOf(channel, who.ID)}},
			&protocol.Set{Unset: []string{group}})
		if err != nil {
			t.wrong(0, "%v", err)
			return
		}
		forget()
		a.part(channel, who.ID)
		t.next()
	})
}

// part tells the others of a channel that a user has left, if that was its last connection there and they have not
// been told. It is the desk's.
func (a *App) part(channel, user string) {
	if n, err := a.count(a.groupOf(channel, user)); n > 0 || err != nil {
		return
	}
	told := a.told[channel]
	if told == nil { // nobody has changed anything here since the host began
		there, err := a.members(channel)
		if err != nil {
			return
		}
		told = setOf(there)
		told[user] = struct{}{}
		a.told[channel] = told
	}
	if _, known := told[user]; known {
		delete(told, user)
		gone := encode(event{Event: "pusher_internal:member_removed", Channel: channel,
			Data: member{ID: user}.text()})
		a.commit(nil, &protocol.Send{To: protocol.ToGroups, Names: []string{a.group(channel)}, Bytes: gone})
	}
	if len(told) == 0 {
		delete(a.told, channel)
	}
}
