// Package pusher speaks Pusher's Channels protocol, version 7, to browsers, and its HTTP API to their servers. An
// [App] is a backend as a pool is, of functions in place of workers: a route leads to it, and its clients are
// connections of the hub like all others. It knows no socket, and keeps no book of who is connected.
//
// What it promises:
//
//   - What a client is to hear of a channel it hears in the order in which the host was told, as with groups, for a
//     channel is a group of the hub, and a subscription is a JOIN.
//   - Nobody is in a private channel, or one with presence, who has not shown a signature of the app's secret for this
//     channel and this very socket.
//   - Of each user of a channel with presence the others hear one member_added and one member_removed, however many
//     connections that user has.
//   - What a client or a server says wrong is answered with what is wrong; it ends no connection but where Pusher's
//     does.
//
// # What lies where
//
// Of the app NAME, a client is in the group "pusher:NAME", and for each channel that it has subscribed to in
// "pusher:NAME:CHANNEL". With presence it is also in "pusher:NAME:CHANNEL#USER", and its session has, by the channel's
// group, who it is. A user that has signed in is the user id "pusher:NAME:USER". So all of it goes along when another
// host takes over, and workers of the realm may send to channels (host/docs/pusher.md).
//
// # Who runs where
//
// Events of connections are handled in the goroutine that submits them, and never wait. What changes presence goes
// one after the other through the app's desk, a goroutine while there is something to do; so do a client's messages
// that come after it in the same event. A request of the HTTP API has a goroutine of its own. [App] has no lock that
// is held while the hub is called.
package pusher
