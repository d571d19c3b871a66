// Package guard says who may come: how many connections there are, in all and from one address, how often an address
// may ask, which proxies are believed about their clients, and which pages may open a WebSocket. It answers nobody.
package guard
