// workerhost.js is a client of channels for browsers: a WebSocket, or server-sent events, that comes back by itself and
// gets what it missed, in order, or says that this is not known any more. It needs nothing else. `host help channels`
// explains the other end; the messages are those of SPEC.md §19. workerhost.d.ts has the types.

const presence = ['members', 'entered', 'left']
const names = ['channel', 'position', 'data', 'binary', 'joined', 'lost', ...presence]

/** The time to wait before try number `tries` (from 0): it doubles, up to the most, and is drawn by lot. */
export const backoff = (tries, least, most) => Math.random() * Math.min(most, least * 2 ** Math.min(tries, 30))

export class Channels extends EventTarget {
    #url
    #options
    #channels = new Map() // name → { listeners, joined }
    #members = new Map() // name of a channel → set of users
    #position = '' // up to here all has come
    #link = null // how the connection that stands, or is being made, is ended
    #socket = null // it, if it is a WebSocket that stands
    #heard = 0 // when something came last
    #timer = 0 // until the next try, or until an answer is overdue
    #tries = 0
    #before = false // there was a connection before
    #closed = false

    constructor(url, options = {}) {
        super()
        this.#url = url
        this.#options = { least: 1000, most: 30000, patience: 10000, headers: {}, credentials: 'same-origin',
            subscribe: (channels, since) => JSON.stringify({ subscribe: channels, since }),
            unsubscribe: channels => JSON.stringify({ unsubscribe: channels }), ...options }
        globalThis.addEventListener?.('online', this.#wake)
        globalThis.document?.addEventListener('visibilitychange', this.#wake)
        queueMicrotask(() => this.#connect()) // so that whoever has made it can add listeners, and subscribe
    }

    /** Up to where all has come; '' if that is not known. */
    get position() { return this.#position }

    /** Whether the connection stands. */
    get open() { return this.#heard > 0 }

    /** The users that are in a channel with presence. */
    members(channel) { return [...this.#members.get(channel) ?? []] }

    /** Calls listener(data, message) with what is sent to a channel from now on. Gives a function that ends it. */
    subscribe(channel, listener) {
        if (this.#options.events) throw new Error('the URL of server-sent events says which channels they are of')
        if (!this.#channels.has(channel)) {
            this.#channels.set(channel, { listeners: new Set(), joined: false })
            this.#say(this.#options.subscribe([channel], ''))
        }
        const { listeners } = this.#channels.get(channel)
        const one = (data, message) => listener(data, message)
        listeners.add(one)
        return () => {
            if (!listeners.delete(one) || listeners.size > 0) return
            this.#channels.delete(channel)
            this.#members.delete(channel)
            this.#say(this.#options.unsubscribe([channel]))
        }
    }

    /** Sends something to the worker, as it is. Gives false, and sends nothing, while no WebSocket stands. */
    send(data) { return this.#say(data) }

    /** Ends it for good. */
    close() {
        this.#closed = true
        clearTimeout(this.#timer)
        globalThis.removeEventListener?.('online', this.#wake)
        globalThis.document?.removeEventListener('visibilitychange', this.#wake)
        this.#link?.()
        this.#link = this.#socket = null
        this.#heard = 0
    }

    #say(data) {
        const stands = this.#socket?.readyState === WebSocket.OPEN
        if (stands) this.#socket.send(data)
        return stands
    }

    #tell(type, detail, cancelable = false) {
        return this.dispatchEvent(new CustomEvent(type, { detail, cancelable }))
    }

    #connect() {
        if (this.#closed) return
        clearTimeout(this.#timer)
        let over = false
        const begun = Date.now()
        const end = about => { // of this connection: once
            if (over) return
            over = true
            this.#ended(begun, about)
        }
        const quit = this.#options.events ? this.#read(end) : this.#dial(end)
        this.#link = () => { over = true; quit() }
    }

    #ended(begun, about) {
        const stood = this.open
        this.#link?.()
        this.#link = this.#socket = null
        this.#heard = 0
        if (stood && Date.now() - begun > 5000) this.#tries = 0
        const delay = (about.after ?? 0) + backoff(this.#tries++, this.#options.least, this.#options.most)
        clearTimeout(this.#timer)
        this.#timer = setTimeout(() => this.#connect(), delay)
        const { code, status, reason } = about
        if (!this.#tell('close', { code, status, reason, delay }, true)) this.close()
    }

    #stands() {
        const lost = this.#before && this.#position === ''
        this.#before = true
        this.#heard = Date.now()
        this.#tell('open', {})
        return lost
    }

    // The page is seen again, or the network is back: a try that waits is made now, and a connection that has said
    // nothing for a while has to say something.
    #wake = () => {
        if (this.#closed || globalThis.document?.visibilityState === 'hidden') return
        if (!this.#link) return this.#connect()
        const { patience } = this.#options
        const known = [...this.#channels].filter(([, c]) => c.joined).map(([name]) => name)
        if (!this.#socket || known.length === 0 || Date.now() - this.#heard < patience) return
        const asked = Date.now()
        this.#say(this.#options.subscribe(known, '')) // it is there already, so the answer is all that comes of it
        clearTimeout(this.#timer)
        this.#timer = setTimeout(() => this.#heard < asked && this.#ended(0, { reason: 'no answer' }), patience)
    }

    // A WebSocket.

    #dial(end) {
        const url = new URL(this.#url, globalThis.location?.href)
        url.protocol = url.protocol.replace(/^http/, 'ws')
        const socket = new WebSocket(url, this.#options.protocols ?? [])
        socket.binaryType = 'arraybuffer'
        socket.onopen = () => {
            this.#socket = socket
            const [old, fresh] = [[], []]
            for (const [name, c] of this.#channels) (c.joined ? old : fresh).push(name)
            const lost = this.#stands()
            if (lost && old.length > 0) this.#tell('lost', { channels: old })
            if (old.length > 0) this.#say(this.#options.subscribe(old, this.#position))
            if (fresh.length > 0) this.#say(this.#options.subscribe(fresh, ''))
        }
        socket.onmessage = e => {
            this.#heard = Date.now()
            this.#hear(e.data)
        }
        socket.onclose = e => end({ code: e.code, reason: e.reason })
        return () => {
            socket.onopen = socket.onmessage = socket.onclose = null
            socket.close()
        }
    }

    #hear(text) {
        let m = null
        if (typeof text === 'string') try { m = JSON.parse(text) } catch { /* it is the application's */ }
        if (m === null || typeof m !== 'object' || Object.keys(m).some(name => !names.includes(name))) m = { data: text }
        if (m.lost) {
            this.#tell('lost', { channels: m.lost })
        } else if (m.joined) {
            for (const name of m.joined) if (this.#channels.has(name)) this.#channels.get(name).joined = true
            this.#position = m.position ?? this.#position
            this.#tell('joined', { channels: m.joined })
        } else if (presence.some(name => m[name])) {
            this.#present(m)
        } else {
            this.#pass({ channel: m.channel ?? '', position: m.position ?? '', type: 'message',
                data: m.binary === undefined ? m.data : Uint8Array.from(atob(m.binary), c => c.charCodeAt(0)) })
        }
    }

    // Who is there; the host may tell again what it has told.
    #present({ channel, members, entered = [], left = [] }) {
        const before = this.#members.get(channel)
        const now = new Set(members ?? [...before ?? [], ...entered].filter(user => !left.includes(user)))
        this.#members.set(channel, now)
        const detail = { channel, members: [...now], entered: [...now].filter(user => !before?.has(user)),
            left: [...before ?? []].filter(user => !now.has(user)) }
        if (!before || detail.entered.length + detail.left.length > 0) this.#tell('presence', detail)
    }

    #pass(message) {
        this.#position = message.position || this.#position
        for (const listener of this.#channels.get(message.channel)?.listeners ?? []) {
            try {
                listener(message.data, message)
            } catch (e) {
                globalThis.reportError ? reportError(e) : console.error(e)
            }
        }
        this.#tell('message', message)
    }

    // Server-sent events, read by fetch(): an EventSource gives up at the first answer that is none, and can't be made
    // anew where it was.

    #read(end) {
        const quit = new AbortController()
        const { headers, credentials } = this.#options
        const since = this.#position === '' ? {} : { 'Last-Event-ID': this.#position }
        fetch(this.#url, { headers: { Accept: 'text/event-stream', ...headers, ...since }, credentials,
            cache: 'no-store', signal: quit.signal }).then(async a => {
            if (!a.ok || !a.headers.get('Content-Type')?.startsWith('text/event-stream')) {
                const after = 1000 * Number(a.headers.get('Retry-After') ?? 0) || 0
                return end({ status: a.status, reason: a.statusText, after })
            }
            if (this.#stands()) this.#tell('lost', { channels: [] })
            const from = a.body.pipeThrough(new TextDecoderStream()).getReader()
            for (let event = {}, rest = '', first = true; ;) {
                const { done, value } = await from.read()
                if (done || quit.signal.aborted) return end({ status: a.status, reason: 'it has ended' })
                this.#heard = Date.now()
                const lines = (rest + value).split(/\r\n|\n|\r(?!$)/)
                rest = lines.pop()
                for (let line of lines) {
                    if (first && line.startsWith('\uFEFF')) line = line.slice(1)
                    first = false
                    event = this.#line(line, event)
                    if (quit.signal.aborted) return
                }
            }
        }).catch(e => end({ reason: String(e) }))
        return () => quit.abort()
    }

    // One line of a stream; a blank one ends an event.
    #line(line, event) {
        if (line === '') {
            this.#dispatch(event)
            return {}
        }
        const [, name, value] = /^([^:]*)(?:: ?(.*))?$/s.exec(line)
        if (name === 'data') event.data = event.data === undefined ? value ?? '' : event.data + '\n' + (value ?? '')
        if (name === 'id' && !value?.includes('\0')) event.id = value ?? ''
        if (name === 'event') event.type = value
        return event
    }

    #dispatch({ data, id, type }) {
        this.#position = id ?? this.#position
        if (data === undefined) {
            if (id) this.#tell('joined', { channels: [] })
        } else if (type === 'lost') {
            this.#tell('lost', { channels: JSON.parse(data).channels ?? [] })
        } else if (presence.includes(type)) {
            this.#present(JSON.parse(data))
        } else {
            this.#pass({ channel: '', position: id ?? '', type: type || 'message', data })
        }
    }
}
