// The page of "A page, from nothing" of `host help channels`, and the same client over server-sent events, in Chromium. The test at the other
// end of stdin and stdout sends and kills while this says "kill", sends a message at "send TEXT", and then writes a line with what it wants.
// usage: node channels.js URL

import assert from 'node:assert/strict';
import { createInterface } from 'node:readline';
import { chromium } from 'playwright-core';

const [url] = process.argv.slice(2);
const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();

async function ask(what) {
    console.log(what);
    const { done, value } = await lines.next();
    assert.equal(done, false, `nobody answered to ${what}`);
    return value;
}

const browser = await chromium.launch({
    executablePath: process.env.CHROMIUM,
    args: process.getuid?.() === 0 ? ['--no-sandbox'] : [],
});
const page = await browser.newPage();
page.setDefaultTimeout(60_000);
const complaints = [];
page.on('pageerror', (error) => complaints.push(String(error)));

// What is on the page, and what came by server-sent events, once the last of it is there.
const shown = async (last) => {
    await page.waitForFunction((last) => [...document.querySelectorAll('#news li')].some((e) => e.textContent === last), last);
    return page.$$eval('#news li', (all) => all.map((e) => e.textContent));
};
const heard = async (name, last) => {
    await page.waitForFunction(([name, last]) => window[name].all.includes(last), [name, last]);
    return page.evaluate((name) => window[name].all, name);
};

// A connection of that name, with what it has been told.
const begin = (name, path, options, ...channels) => page.evaluate(async ([name, path, options, channels]) => {
    const { Channels } = await import('/workerhost.js');
    const link = window[name] = new Channels(path, options);
    link.all = [];
    const joined = new Promise((resolve) => link.addEventListener('joined', resolve, { once: true }));
    for (const channel of channels) link.subscribe(channel, (text, { channel }) => link.all.push(`${channel} ${text}`));
    if (options.events) link.addEventListener('message', (e) => link.all.push(e.detail.data));
    link.addEventListener('lost', (e) => link.all.push(`lost ${e.detail.channels}`));
    link.addEventListener('close', (e) => link.all.push('closed'));
    await joined;
}, [name, path, options, channels]);

await page.goto(url);
await begin('events', '/events', { events: true });
await ask('send ready');
await shown('ready');

// Through killed hosts. Each confirmed message is a number, the others may have come.
const { sure, maybe } = JSON.parse(await ask('kill'));
for (const [where, got] of [['WebSocket', await shown('the last')], ['events', await heard('events', 'the last')]]) {
    const numbers = got.filter((text) => /^\d+$/.test(text)).map(Number);
    assert.deepEqual(numbers, [...new Set(numbers)].sort((a, b) => a - b), `${where}: doubled, or out of order`);
    assert.deepEqual(sure.filter((n) => !numbers.includes(n)), [], `${where}: missed`);
    assert.deepEqual(numbers.filter((n) => !sure.includes(n) && !maybe.includes(n)), [], `${where}: never sent`);
    assert.ok(!got.some((text) => text.startsWith('lost')), `${where}: ${got}`);
}
const closed = await page.evaluate(() => window.events.all.filter((text) => text === 'closed').length);
assert.ok(closed >= 3, `it was never away: ${closed}`);

// What was sent while it waited to come again is kept no longer: it is told so, and goes on.
await page.evaluate(() => { Math.random = () => 0.999; });
await begin('short', '/live', { least: 5000 }, 'short', 'news.weather');
await ask('send to=short 1');
assert.deepEqual(await heard('short', 'short 1'), ['short 1']);
assert.equal(await page.evaluate(() => window.short.send('bye')), true);
await heard('short', 'closed');
assert.equal(await page.evaluate(() => window.short.send('nobody is there')), false);
for (const text of ['2', '3', '4']) await ask(`send to=short ${text}`); // for a second
await ask('send to=news.weather sun');
await heard('short', 'news.weather sun');
await ask('send to=short 5');
assert.deepEqual(await heard('short', 'short 5'), ['short 1', 'closed', 'lost short', 'news.weather sun', 'short 5']);
await page.evaluate(() => window.short.close());
assert.equal(await page.evaluate(() => window.short.open), false);

// A subscription that has ended hears nothing more, and one that comes later only what is new.
await begin('late', '/live', {}, 'news.weather');
await page.evaluate(() => {
    window.end = window.late.subscribe('news.sport', (text) => window.late.all.push(`sport ${text}`));
    return new Promise((resolve) => window.late.addEventListener('joined', resolve, { once: true }));
});
await ask('send to=news.sport a');
await heard('late', 'sport a');
await page.evaluate(() => window.end());
await ask('send to=news.sport b');
await ask('send to=news.weather c');
assert.deepEqual(await heard('late', 'news.weather c'), ['sport a', 'news.weather c']);

// Who is there: each user once, and nobody leaves who is back in time.
await page.evaluate(() => {
    window.who = [];
    window.late.addEventListener('presence', (e) => window.who.push(`${e.detail.entered} came, ${e.detail.left} left, ${e.detail.members}`));
    window.late.send('I am ada');
    window.late.subscribe('room', () => {});
});
const seen = async (last) => {
    await page.waitForFunction((last) => window.who.at(-1) === last, last);
    return page.evaluate(() => window.who.splice(0));
};
await page.waitForFunction(() => window.late.members('room').includes('ada'));
await begin('ben', '/live', {}, 'room');
await page.evaluate(() => { window.who = []; window.ben.send('I am ben'); });
assert.deepEqual(await seen('ben came,  left, ada,ben'), ['ben came,  left, ada,ben']);
assert.deepEqual(await page.evaluate(() => window.ben.members('room')), ['ada', 'ben']);
await page.evaluate(() => window.ben.close());
assert.deepEqual(await seen(' came, ben left, ada'), [' came, ben left, ada']);

// The page is seen again after a while: a connection that stands says so, and nothing comes twice.
await page.evaluate(() => {
    window.late.all.length = 0;
    return new Promise((resolve) => {
        window.late.addEventListener('joined', resolve, { once: true });
        Date.now = ((now) => () => now() + 60_000)(Date.now);
        document.dispatchEvent(new Event('visibilitychange'));
    });
});
await ask('send to=news.weather d');
assert.deepEqual(await heard('late', 'news.weather d'), ['news.weather d']);

// A stream of events is read alike however it is cut into pieces.
const read = await page.evaluate(async () => {
    const { Channels, backoff } = await import('/workerhost.js');
    const text = '\uFEFFid: p1\ndata: é1\r\ndata:two\r\rid: p2\n\n:\n\nevent: lost\ndata: {"channels":["x"]}\n\n' +
        'event: other\ndata\nid\n\nid: p4\ndata: cut off';
    const bytes = new TextEncoder().encode(text);
    const all = [], was = window.fetch;
    for (const size of [1, 2, 3, 5, bytes.length]) {
        const told = [], asked = [];
        window.fetch = async (_, { headers }) => {
            asked.push(headers['Last-Event-ID']);
            let at = 0;
            return new Response(new ReadableStream({ pull(c) {
                if (at >= bytes.length) c.close(); else c.enqueue(bytes.slice(at, at += size));
            } }), { headers: { 'Content-Type': 'text/event-stream; charset=utf-8' } });
        };
        await new Promise((resolve) => {
            const link = new Channels('/', { events: true });
            for (const type of ['message', 'joined', 'lost']) {
                link.addEventListener(type, (e) => told.push([type, e.detail.type, e.detail.data, e.detail.channels, link.position]));
            }
            link.addEventListener('close', (e) => { e.preventDefault(); told.push(link.position); resolve(); });
        });
        all.push(JSON.stringify([told, asked]));
    }
    window.fetch = was;
    return [all, [backoff(0, 1000, 30000), backoff(3, 1000, 30000), backoff(9999, 1000, 30000)].map(Math.round)];
});
const want = JSON.stringify([[['message', 'message', 'é1\ntwo', null, 'p1'], ['joined', null, null, [], 'p2'],
    ['lost', null, null, ['x'], 'p2'], ['message', 'other', '', null, ''], ''], [null]]);
for (const got of read[0]) assert.equal(got, want);
assert.deepEqual(read[1], [999, 7992, 29970]);

assert.deepEqual(complaints, []);
await browser.close();
await ask('done');
process.exit(0);
