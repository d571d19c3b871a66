// Pages of several names in Chromium, over one protocol each: scripts, styles, a WebSocket and server-sent events, while the test at the other end of
// stdin and stdout reloads the host whenever this says "reload".
// usage: node edge.js HASH-OF-THE-AUTHORITY'S-KEY PORT RELOADS PROTOCOL=NAME...     PROTOCOL is what browsers call it: h2 or h3

import assert from 'node:assert/strict';
import { createInterface } from 'node:readline';
import { chromium } from 'playwright-core';

const [authority, port, reloads, ...sites] = process.argv.slice(2);
const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();
const wait = { timeout: 60_000 };

async function ask(what) {
    console.log(what);
    assert.equal((await lines.next()).done, false, `nobody answered to ${what}`);
}

// Chromium speaks QUIC with those alone whose authority comes with the system, unless it is told to.
const forced = sites.filter((s) => s.startsWith('h3=')).map((s) => `${s.slice(3)}:${port}`);
const browser = await chromium.launch({
    executablePath: process.env.CHROMIUM,
    args: [
        '--host-resolver-rules=MAP *.example.test 127.0.0.1',
        `--ignore-certificate-errors-spki-list=${authority}`,
        ...(forced.length ? [`--origin-to-force-quic-on=${forced}`] : []),
        ...(process.getuid?.() === 0 ? ['--no-sandbox'] : []),
    ],
});
const context = await browser.newContext();
context.setDefaultTimeout(wait.timeout);

async function open(protocol, name) {
    const page = await context.newPage();
    const tab = { page, protocol, name, complaints: [], opened: 0, closed: 0, codings: {} };
    page.on('pageerror', (error) => tab.complaints.push(String(error)));
    page.on('console', (message) => ['error', 'warning'].includes(message.type()) && tab.complaints.push(message.text()));
    page.on('requestfailed', (request) => tab.complaints.push(`${request.url()}: ${request.failure()?.errorText}`));
    page.on('websocket', (socket) => {
        tab.opened++;
        socket.on('close', () => tab.closed++);
    });
    page.on('response', (response) => {
        const path = new URL(response.url()).pathname;
        if (response.status() !== 200) {
            tab.complaints.push(`${path}: ${response.status()}`);
        }
        tab.codings[path] = response.headers()['content-encoding'];
    });
    await page.goto(`https://${name}:${port}/`);
    await page.waitForFunction(() => window.state?.ready, null, wait);
    return tab;
}

// What the page has seen by itself: see edge_test.go.
async function look(tab, generation) {
    await tab.page.evaluate(() => window.state.say('which?'));
    await tab.page.waitForFunction((n) => [window.state.socket, window.state.events].every((text) => text === n), `${tab.name} ${generation}`, wait);
    const seen = await tab.page.evaluate(() => ({
        lost: window.state.lost,
        color: getComputedStyle(document.body).color,
        protocols: [...new Set(performance.getEntries().map((e) => e.nextHopProtocol).filter((p) => p))],
        failures: window.state.failures,
    }));
    assert.deepEqual(seen, { lost: [], color: 'rgb(1, 2, 3)', protocols: [tab.protocol], failures: [] }, tab.name);
    assert.deepEqual({ opened: tab.opened, closed: tab.closed, complaints: tab.complaints }, { opened: 1, closed: 0, complaints: [] }, tab.name);
}

try {
    const tabs = [];
    for (const site of sites) {
        tabs.push(await open(...site.split('=')));
    }
    for (const tab of tabs) {
        await look(tab, 1);
        assert.deepEqual(tab.codings, { '/': 'zstd', '/app.js': 'br', '/style.css': 'zstd', '/data': 'zstd', '/events': undefined }, tab.name);
    }
    for (let n = 1; n <= Number(reloads); n++) {
        const before = await Promise.all(tabs.map((tab) => tab.page.evaluate(() => window.state.loads)));
        await ask('reload');
        for (const [i, tab] of tabs.entries()) {
            await look(tab, n + 1);
            await tab.page.waitForFunction((least) => window.state.loads > least, before[i], wait); // it asks on
            const visitor = await open(tab.protocol, tab.name); // whom the new code gives the whole page
            await look(visitor, n + 1);
            await visitor.page.close();
        }
    }
    console.log('done');
} finally {
    await browser.close();
    process.stdin.destroy(); // or node would wait for more of it
}
