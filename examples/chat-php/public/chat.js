// The page's end of the chat: one WebSocket, kept for as long as the page is open and taken up again when the network, and not the host's reload, breaks it.

const $ = (id) => document.getElementById(id);
const room = document.body.dataset.room;
const unsent = new Map(); // id => text: what the host has not sent back yet

let socket = null;
let last = 0; // number of the last message that is shown
let tries = 0; // to connect, since it last worked
let generation = 0; // the newest that has answered on this connection
let hereAt = 0; // of which moment the list of names is
let atEnd = true; // of the messages
let name = sessionStorage.getItem('name'); // each tab has its own

function connect() {
    const address = new URL('/chat', location.href);
    address.protocol = address.protocol === 'https:' ? 'wss:' : 'ws:';
    address.search = new URLSearchParams({ room, name });
    socket = new WebSocket(address);
    socket.onopen = () => send({ type: 'hello', after: last });
    socket.onmessage = (event) => receive(JSON.parse(event.data));
    socket.onclose = ({ code }) => {
        if (code === 1008) {
            showRefused(); // for what was sent, or how much at once: no use in sending it again
        }
        const wait = Math.min(15, 0.5 * 2 ** tries++) * (0.5 + Math.random()); // not all pages at once
        showState('lost', 'Connecting again …');
        setTimeout(connect, wait * 1000);
    };
}

function send(message) {
    if (socket?.readyState === WebSocket.OPEN) {
        socket.send(JSON.stringify(message));
    }
}

function receive(message) {
    switch (message.type) {
        case 'welcome':
            tries = generation = hereAt = 0;
            document.body.dataset.connected = Number(document.body.dataset.connected ?? 0) + 1;
            showState('on', `Connected since ${time(Date.now())}`);
            message.messages.forEach(showMessage);
            unsent.forEach((text, id) => send({ type: 'say', id, text })); // those that came through are known by their ids
            break;
        case 'message':
            showMessage(message.message);
            break;
        case 'here':
            if (message.at > hereAt) {
                hereAt = message.at;
                showNames(message.names);
            }
            break;
        case 'note':
            showNote(message.text);
            break;
    }
    if (message.generation > generation) {
        showGeneration(message.generation, message.greeting);
    }
}

// Messages of two senders may come in another order than that of their numbers, and one may come twice.
function showMessage({ number, id, name: from, text, at, generation: by }) {
    unsent.delete(id);
    $('messages').querySelector(`[data-id="${CSS.escape(id)}"]`)?.remove();
    if ($('messages').querySelector(`[data-number="${number}"]`)) {
        return;
    }
    const item = bubble(from, text, [time(at), `generation ${by}`]);
    item.dataset.number = number;
    const next = [...$('messages').querySelectorAll('[data-number]')].find((other) => Number(other.dataset.number) > number);
    insert(item, next ?? $('messages').querySelector('.unsent'));
    last = Math.max(last, number);
}

function showUnsent(id, text) {
    const item = bubble(name, text, ['sending …']);
    item.dataset.id = id;
    item.classList.add('unsent');
    insert(item, null);
}

function showRefused() {
    unsent.clear();
    for (const item of document.querySelectorAll('.unsent')) {
        item.querySelector('.about span').textContent = 'refused';
    }
}

function showNote(text) {
    insert(element('li', 'note', text), $('messages').querySelector('.unsent'));
}

function bubble(from, text, facts) {
    const item = element('li', from === name ? 'mine' : 'theirs');
    const face = element('span', 'face', [...from.trim()][0].toUpperCase());
    face.setAttribute('aria-hidden', 'true');
    face.style.setProperty('--hue', [...from].reduce((sum, c) => (sum * 31 + c.codePointAt(0)) % 360, 7));
    const about = element('p', 'about');
    about.append(element('b', '', from), ...facts.map((fact) => element('span', '', fact)));
    const said = element('div', 'said');
    said.append(about, element('p', 'text', text));
    item.append(face, said);
    return item;
}

function insert(item, before) {
    $('messages').insertBefore(item, before);
    atEnd ||= item.classList.contains('unsent');
    keepAtEnd();
}

// The end stays in view for whoever is there, also when a phone's keyboard takes its half; whoever reads further up is left alone.
function keepAtEnd() {
    if (atEnd) {
        $('scroll').scrollTop = $('scroll').scrollHeight;
    }
}

function showNames(names) {
    $('names').replaceChildren(...names.map((other) => element('span', 'name', other === name ? `${other} (you)` : other)));
}

function showGeneration(newest, greeting) {
    if (generation > 0) {
        showNote(`New code is live: generation ${newest}. You are still connected.`);
    }
    generation = newest;
    document.body.dataset.generation = newest;
    $('code').textContent = `Generation ${newest}`;
    $('code').hidden = false;
    $('greeting').textContent = greeting;
}

function showState(state, text) {
    $('state').dataset.state = state;
    $('link').textContent = text;
}

function element(tag, className, text = '') {
    const made = document.createElement(tag);
    made.className = className;
    made.textContent = text;
    return made;
}

function time(at) {
    return new Date(at).toLocaleTimeString([], { hour: '2-digit', minute: '2-digit' });
}

function enter() {
    $('enter').hidden = true;
    $('room').hidden = false;
    $('text').focus();
    showState('lost', 'Connecting …');
    connect();
}

$('enter').addEventListener('submit', (event) => {
    event.preventDefault();
    name = $('name').value.trim();
    sessionStorage.setItem('name', name);
    enter();
});

$('say').addEventListener('submit', (event) => {
    event.preventDefault();
    const text = $('text').value.trim();
    if (text === '') {
        return;
    }
    const id = [...crypto.getRandomValues(new Uint8Array(12))].map((byte) => byte.toString(16).padStart(2, '0')).join('');
    $('text').value = '';
    unsent.set(id, text);
    showUnsent(id, text);
    send({ type: 'say', id, text });
});

$('scroll').addEventListener('scroll', ({ target }) => {
    atEnd = target.scrollHeight - target.scrollTop - target.clientHeight < 60;
});
new ResizeObserver(keepAtEnd).observe($('scroll'));

if (name !== null) {
    enter();
}
