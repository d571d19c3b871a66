// Two tabs of Chromium, and later more, in examples/chat-php. The test at the other end of stdin and stdout reloads the host when this says "reload", kills
// its workers at "kill", ends it at "stop", brings it back at "start", and then writes a line.
// usage: node chat.js URL GREETING-AFTER-THE-RELOAD [FOLDER-FOR-SCREENSHOTS]

import assert from 'node:assert/strict';
import { createInterface } from 'node:readline';
import { chromium } from 'playwright-core';

const [url, greeting, folder] = process.argv.slice(2);
const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();
const wait = { timeout: 60_000 };

async function ask(what) {
    console.log(what);
    assert.equal((await lines.next()).done, false, `nobody answered to ${what}`);
}

const browser = await chromium.launch({
    executablePath: process.env.CHROMIUM,
    args: process.getuid?.() === 0 ? ['--no-sandbox'] : [],
});
const context = await browser.newContext({ colorScheme: 'light', viewport: { width: 1000, height: 720 } });
context.setDefaultTimeout(wait.timeout);

// A tab in which somebody has entered, with the WebSockets that it has opened and lost.
async function enter(name, path = '/') {
    const page = await context.newPage();
    const tab = { page, name, opened: 0, closed: 0, complaints: [] };
    page.on('websocket', (socket) => {
        tab.opened++;
        socket.on('close', () => tab.closed++);
    });
    page.on('pageerror', (error) => tab.complaints.push(String(error)));
    page.on('console', (message) => ['error', 'warning'].includes(message.type()) && tab.complaints.push(message.text()));
    await page.goto(new URL(path, url).href);
    await page.getByLabel('Your name').fill(name);
    await page.getByRole('button', { name: 'Enter' }).click();
    await page.locator('#link', { hasText: 'Connected since' }).waitFor(wait);
    return tab;
}

async function say(tab, text) {
    await tab.page.getByLabel('Message', { exact: true }).fill(text);
    await tab.page.keyboard.press('Enter');
}

// Waits until the tab shows the message as said by that generation's code, once.
async function sees(tab, from, text, generation) {
    const message = tab.page.locator('#messages li[data-number]', { has: tab.page.getByText(text, { exact: true }) });
    await message.locator('.about', { hasText: `generation ${generation}` }).waitFor(wait);
    assert.equal(await message.count(), 1, `${tab.name} sees “${text}” more than once`);
    assert.equal(await message.locator('b').textContent(), from);
}

async function seesNames(tab, ...names) {
    const expected = names.map((name) => (name === tab.name ? `${name} (you)` : name)).join('|');
    await tab.page.waitForFunction((expected) => [...document.querySelectorAll('#names .name')].map((e) => e.textContent).join('|') === expected, expected, wait);
}

function stayed(tab) {
    assert.deepEqual({ opened: tab.opened, closed: tab.closed, complaints: tab.complaints }, { opened: 1, closed: 0, complaints: [] }, tab.name);
}

async function screenshots(page) {
    for (const [name, colorScheme, width, height] of [['light', 'light', 1000, 720], ['dark', 'dark', 1000, 720], ['phone', 'light', 360, 640], ['phone-dark', 'dark', 360, 640]]) {
        await page.emulateMedia({ colorScheme });
        await page.setViewportSize({ width, height });
        await page.evaluate(() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done))));
        await page.screenshot({ path: `${folder}/${name}.png` });
        const wider = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
        assert.ok(wider <= 0, `at a width of ${width} the page is ${wider} too wide`);
    }
    await page.emulateMedia({ colorScheme: 'light' });
    await page.setViewportSize({ width: 1000, height: 720 });
}

try {
    const ada = await enter('Ada');
    const ben = await enter('Ben');
    await seesNames(ada, 'Ada', 'Ben');
    await seesNames(ben, 'Ada', 'Ben');
    await say(ada, 'Hello, Ben. Is anybody else up this early?');
    await sees(ben, 'Ada', 'Hello, Ben. Is anybody else up this early?', 1);
    await say(ben, 'Only me & <b>you</b>');
    for (const tab of [ada, ben]) {
        await sees(tab, 'Ben', 'Only me & <b>you</b>', 1);
        assert.equal(await tab.page.locator('#messages .text b').count(), 0);
        assert.equal(await tab.page.locator('#code').textContent(), 'Generation 1');
    }

    await ask('reload');
    for (const tab of [ada, ben]) {
        await tab.page.locator('#greeting', { hasText: greeting }).waitFor(wait);
        await tab.page.locator('#code', { hasText: 'Generation 2' }).waitFor(wait);
        await tab.page.locator('.note', { hasText: 'New code is live: generation 2. You are still connected.' }).waitFor(wait);
    }
    await say(ben, 'Did you notice anything?');
    await say(ada, 'No. That was new code?');
    for (const tab of [ada, ben]) {
        await sees(tab, 'Ben', 'Did you notice anything?', 2);
        await sees(tab, 'Ada', 'No. That was new code?', 2);
        assert.equal(await tab.page.locator('.unsent').count(), 0);
        stayed(tab);
    }
    if (folder !== undefined) {
        await screenshots(ada.page);
    }

    await ask('kill');
    const cleo = await enter('Cleo');
    await sees(cleo, 'Ada', 'Hello, Ben. Is anybody else up this early?', 1); // kept by no worker
    await sees(cleo, 'Ada', 'No. That was new code?', 2);
    await seesNames(ada, 'Ada', 'Ben', 'Cleo');
    const dan = await enter('Dan', '/?room=kitchen'); // another room: its own names, its own messages
    await seesNames(dan, 'Dan');
    await say(dan, 'Coffee is ready');
    await sees(dan, 'Dan', 'Coffee is ready', 2);
    await say(ada, 'Welcome, Cleo');
    await sees(cleo, 'Ada', 'Welcome, Cleo', 2);
    assert.equal(await cleo.page.getByText('Coffee is ready').count(), 0);
    for (const tab of [ada, ben, cleo, dan]) {
        stayed(tab);
    }
    await dan.page.evaluate(() => document.getElementById('text').removeAttribute('maxlength'));
    await say(dan, 'x'.repeat(501)); // what is refused is not sent again and again
    await dan.page.locator('.unsent', { hasText: 'refused' }).waitFor(wait);
    await say(dan, 'More coffee');
    await sees(dan, 'Dan', 'More coffee', 2);
    assert.deepEqual([dan.opened, dan.closed], [2, 1]);
    await ben.page.close();
    await seesNames(ada, 'Ada', 'Cleo');

    // The host itself is started anew: pages come back, and what was written meanwhile is sent then, once.
    await ask('stop');
    await ada.page.locator('#link', { hasText: 'Connecting again' }).waitFor(wait);
    await say(ada, 'Written while the host was away');
    await ask('start');
    await sees(ada, 'Ada', 'Written while the host was away', 1);
    await sees(cleo, 'Ada', 'Written while the host was away', 1);
    await seesNames(cleo, 'Ada', 'Cleo');
    console.log('done');
} finally {
    await browser.close();
    process.stdin.destroy(); // or node would wait for more of it
}
