// workerhost.d.ts has the types of workerhost.js.

/** What came: of a channel, or with channel '' to this client itself; by server-sent events, channel is always ''. */
export interface Message {
    channel: string
    /** Where it stands; '' if it is kept nowhere. */
    position: string
    /** The type of a server-sent event; 'message' where it has none. */
    type: string
    /** Text; bytes that a worker sent as such. */
    data: string | Uint8Array | ArrayBuffer
}

/** Why a connection ended, or could not be made. */
export interface Closing {
    /** The code of a WebSocket (RFC 6455 §7.4). */
    code?: number
    /** The status of the answer that was to be a stream of events. */
    status?: number
    reason: string
    /** Milliseconds until the next try. */
    delay: number
}

export interface Options {
    /** Server-sent events in place of a WebSocket: the URL says which channels they are of. */
    events?: boolean
    /** Milliseconds: the first wait is up to the least, the longest up to the most. 1000 and 30000. */
    least?: number
    most?: number
    /** Milliseconds that a WebSocket may be silent when its page is seen again, and then take to answer. 10000. */
    patience?: number
    /** Subprotocols of a WebSocket. */
    protocols?: string | string[]
    /** Further headers of the request for server-sent events, and whether it has cookies. */
    headers?: Record<string, string>
    credentials?: RequestCredentials
    /** What is said over a WebSocket: {"subscribe":[…],"since":"…"} and {"unsubscribe":[…]} in JSON, without these. */
    subscribe?: (channels: string[], since: string) => string
    unsubscribe?: (channels: string[]) => string
}

export interface Events {
    /** The connection stands. */
    open: CustomEvent<{}>
    /** Of these channels all comes from now on; [] by server-sent events. It needs a history there. */
    joined: CustomEvent<{ channels: string[] }>
    message: CustomEvent<Message>
    /** Something of these channels may have been missed; [] is of any: load anew what the page shows. */
    lost: CustomEvent<{ channels: string[] }>
    /** Who is in a channel with presence, and who has come and gone since the last time. */
    presence: CustomEvent<{ channel: string; members: string[]; entered: string[]; left: string[] }>
    /** It has ended, or could not be made. It is tried again after the delay, unless preventDefault() is called. */
    close: CustomEvent<Closing>
}

/** A connection that comes back by itself, and gets what it missed. It begins when the code that made it is done. */
export class Channels extends EventTarget {
    constructor(url: string | URL, options?: Options)
    /** Up to where all has come; '' if that is not known. */
    readonly position: string
    /** Whether the connection stands. */
    readonly open: boolean
    /** Calls the listener with what is sent to a channel from now on. Gives a function that ends it. WebSockets only. */
    subscribe(channel: string, listener: (data: Message['data'], message: Message) => void): () => void
    /** The users that are in a channel with presence. */
    members(channel: string): string[]
    /** Sends something to the worker, as it is. Gives false, and sends nothing, while no WebSocket stands. */
    send(data: string | ArrayBufferLike | Blob | ArrayBufferView): boolean
    /** Ends it for good. */
    close(): void
    addEventListener<K extends keyof Events>(type: K, listener: (event: Events[K]) => void,
        options?: boolean | AddEventListenerOptions): void
    removeEventListener<K extends keyof Events>(type: K, listener: (event: Events[K]) => void,
        options?: boolean | EventListenerOptions): void
}

/** The time to wait before try number `tries` (from 0): it doubles, up to the most, and is drawn by lot. */
export function backoff(tries: number, least: number, most: number): number
