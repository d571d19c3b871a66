// laravel-echo over pusher-js, as they are: two users in Node, and one in Chromium. The test at the other end of stdin and stdout reloads
// the host when this says "reload", replaces it at "upgrade", and then writes a line.
// usage: node pusher.js HOST PORT

import assert from 'node:assert/strict';
import { createInterface } from 'node:readline';
import Echo from 'laravel-echo';
import Pusher from 'pusher-js';
import { chromium } from 'playwright-core';

const [host, port] = process.argv.slice(2);
const site = `http://${host}:${port}`;
const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();

async function ask(what) {
    console.log(what);
    assert.equal((await lines.next()).done, false, `nobody answered to ${what}`);
}

// What was heard, and whoever waits for the next of it.
function heard() {
    const queue = [], waiting = [];
    return {
        push: (item) => (waiting.length ? waiting.shift()(item) : queue.push(item)),
        none: () => assert.deepEqual(queue, []),
        next: (what) => queue.length ? Promise.resolve(queue.shift()) : new Promise((resolve, reject) => {
            const late = setTimeout(() => reject(new Error(`${what} never came`)), 60_000);
            waiting.push((item) => { clearTimeout(late); resolve(item); });
        }),
    };
}

const options = (user) => ({
    broadcaster: 'pusher', key: 'app-key', wsHost: host, wsPort: Number(port), forceTLS: false, cluster: '', enabledTransports: ['ws'],
    disableStats: true, authEndpoint: `${site}/broadcasting/auth`, auth: { headers: { 'X-User': user } },
});

function enter(user) {
    const echo = new Echo({ ...options(user), Pusher });
    const me = { echo, user, orders: heard(), room: heard(), news: heard() };
    const pusher = echo.connector.pusher;
    me.pusher = pusher;
    me.established = new Promise((resolve) => pusher.connection.bind('connected', resolve));
    pusher.connection.bind('state_change', ({ current }) => { if (me.is) me.lost = current; });
    return me;
}
const subscribed = (channel) => new Promise((resolve, reject) => { channel.subscribed(resolve); channel.error((e) => reject(new Error(JSON.stringify(e)))); });
const post = async (path, headers = {}) => assert.equal((await fetch(site + path, { method: 'POST', headers })).status, 200, path);

const ada = enter('ada'), ben = enter('ben');
for (const me of [ada, ben]) {
    await me.established;
    me.is = me.echo.socketId();
    assert.match(me.is, /^\d+\.\d+$/);
    const orders = me.echo.private('orders.7').listen('OrderShipped', (e) => me.orders.push(e))
        .listenForWhisper('typing', (e) => me.orders.push(e));
    await subscribed(orders);
    const news = me.echo.channel('news').listen('.said', (e) => me.news.push(e));
    await subscribed(news);
}

// Laravel's own events, to all and to the others
async function ships() {
    await post('/ship');
    for (const me of [ada, ben]) assert.equal((await me.orders.next('an order')).order, 7);
    await post('/ship', { 'X-Socket-ID': ada.is });
    assert.equal((await ben.orders.next('an order')).order, 7);
    await post('/say');
    for (const me of [ada, ben]) assert.deepEqual(await me.news.next('what a worker says'), { text: 'by a worker' });
    ada.orders.none();
}
await ships();
ada.echo.private('orders.7').whisper('typing', { on: true });
assert.deepEqual(await ben.orders.next('a whisper'), { on: true });

// what the application refuses, and what carries a signature of another secret
await assert.rejects(subscribed(ada.echo.private('orders.8')), /403/);
const forged = new Pusher('app-key', { ...options('eve'), authorizer: () => ({
    authorize: (socket, callback) => callback(null, { auth: `app-key:${'0'.repeat(64)}` }) }) });
const refusal = heard();
forged.subscribe('private-orders.7').bind('pusher:subscription_error', (e) => refusal.push(e));
assert.equal((await refusal.next('a refusal')).status, 401);
forged.disconnect();
const nobody = new Pusher('other-key', options('eve'));
nobody.connection.bind('error', (e) => refusal.push(e));
assert.equal((await refusal.next('an error')).error.data.code, 4001);
nobody.disconnect();

// who is there
const join = (me) => {
    const room = me.echo.join('room.1').here((all) => me.room.push(['here', all.map((u) => u.name).sort()]))
        .joining((u) => me.room.push(['joining', u.name])).leaving((u) => me.room.push(['leaving', u.name]));
    return subscribed(room);
};
await join(ada);
assert.deepEqual(await ada.room.next('who is here'), ['here', ['Ada']]);
await join(ben);
assert.deepEqual(await ben.room.next('who is here'), ['here', ['Ada', 'Ben']]);
assert.deepEqual(await ada.room.next('who joins'), ['joining', 'Ben']);

// a browser
const browser = await chromium.launch({ executablePath: process.env.CHROMIUM, args: process.getuid?.() === 0 ? ['--no-sandbox'] : [] });
const page = await browser.newPage();
page.setDefaultTimeout(60_000);
await page.goto(`${site}/`);
await page.addScriptTag({ path: 'node_modules/pusher-js/dist/web/pusher.min.js' });
await page.addScriptTag({ path: 'node_modules/laravel-echo/dist/echo.iife.js' });
await page.evaluate((options) => new Promise((resolve) => {
    window.orders = [];
    window.echo = new window.Echo.default(options);
    window.echo.private('orders.7').listen('OrderShipped', (e) => window.orders.push(e.order));
    window.echo.join('room.1').here(resolve);
}), options('cleo'));
for (const me of [ada, ben]) assert.deepEqual(await me.room.next('who joins'), ['joining', 'Cleo']);
const tab = await page.evaluate(() => window.echo.socketId());

await ask('reload');
await ships();
await ask('upgrade');
await ships();
await page.waitForFunction(() => window.orders.length === 4);
assert.equal(await page.evaluate(() => window.echo.socketId()), tab);
for (const me of [ada, ben]) {
    assert.equal(me.echo.socketId(), me.is);
    assert.equal(me.lost, undefined);
}
await browser.close();
for (const me of [ada, ben]) assert.deepEqual(await me.room.next('who leaves'), ['leaving', 'Cleo']);
ben.echo.leave('room.1');
assert.deepEqual(await ada.room.next('who leaves'), ['leaving', 'Ben']);
ada.room.none();
await ask('end');
process.exit(0);
