// Two customers of examples/shop-php in Chromium, one of them on a phone. The test at the other end of stdin and stdout kills the workers when this says
// "kill", reloads the host at "reload", ends it at "stop", brings it back at "start", and then writes a line.
// usage: node shop.js URL GREETING-AFTER-THE-RELOAD [FOLDER-FOR-SCREENSHOTS]

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

// A browser with the shop in it; `loads` counts pages that were loaded, of which one is to be enough.
async function enter(viewport) {
    const context = await browser.newContext({ colorScheme: 'light', viewport });
    context.setDefaultTimeout(wait.timeout);
    const page = await context.newPage();
    const tab = { page, loads: 0, errors: [] };
    page.on('load', () => tab.loads++);
    page.on('pageerror', (error) => tab.errors.push(String(error)));
    await page.goto(url);
    await page.locator('#link', { hasText: 'Live' }).waitFor(wait);
    return tab;
}

async function order(tab, product, quantity) {
    const card = tab.page.locator(`[data-product="${product}"]`);
    await card.locator('select').selectOption(String(quantity));
    await card.locator('button').click();
}

const left = (tab, product, text) => tab.page.locator(`[data-product="${product}"] .left`, { hasText: text }).waitFor(wait);

// Waits until there are so many orders, each with its invoice.
async function invoices(tab, count) {
    await tab.page.waitForFunction((count) => document.querySelectorAll('#orders > li').length === count && document.querySelectorAll('#orders > [data-state="ready"]').length === count, count, wait);
}

async function screenshots(page) {
    for (const [name, colorScheme, width, height] of [['light', 'light', 1000, 720], ['dark', 'dark', 1000, 720], ['phone', 'light', 360, 740], ['phone-dark', 'dark', 360, 740]]) {
        await page.emulateMedia({ colorScheme });
        await page.setViewportSize({ width, height });
        await page.evaluate(() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done))));
        await page.screenshot({ path: `${folder}/${name}.png`, fullPage: true });
        const wider = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
        assert.ok(wider <= 0, `at a width of ${width} the page is ${wider} too wide`);
    }
}

try {
    const ada = await enter({ width: 360, height: 740 });
    const ben = await enter({ width: 1000, height: 720 });
    await left(ada, 'assam', '12 left');
    await order(ada, 'assam', 2);
    await invoices(ada, 1);
    await left(ben, 'assam', '10 left'); // nobody has loaded anything

    const address = await ada.page.locator('#orders a').getAttribute('href');
    const pdf = await ada.page.evaluate(async (address) => {
        const response = await fetch(address);
        return { status: response.status, type: response.headers.get('content-type'), text: await response.text() };
    }, address);
    assert.deepEqual([pdf.status, pdf.type], [200, 'application/pdf']);
    assert.match(pdf.text, /^%PDF-1\.4[^]*2 \S Assam[^]*\(19\.00 [^]*%%EOF\n$/);
    assert.equal(await ben.page.evaluate(async (address) => (await fetch(address)).status, address), 404, 'an invoice of somebody else');

    await ask('kill');
    await order(ben, 'sencha', 1);
    await order(ada, 'lapsang', 3);
    await invoices(ben, 1);
    await invoices(ada, 2);
    await left(ben, 'lapsang', '9 left');

    await ask('reload');
    await order(ben, 'lapsang', 3);
    await invoices(ben, 2);
    await left(ada, 'lapsang', '6 left');
    for (const tab of [ada, ben]) {
        assert.deepEqual([tab.loads, tab.errors], [1, []]);
    }
    const cleo = await enter({ width: 1000, height: 720 });
    await cleo.page.getByText(greeting).waitFor(wait);
    await order(cleo, 'lapsang', 3);
    await invoices(cleo, 1);
    await order(cleo, 'lapsang', 3);
    await invoices(cleo, 2);
    await left(ada, 'lapsang', 'Sold out');
    assert.equal(await ada.page.locator('[data-product="lapsang"] button').isDisabled(), true);
    if (folder !== undefined) {
        await screenshots(cleo.page);
    }

    // The host itself is started anew. An order that is placed meanwhile waits for it, and is one.
    await ask('stop');
    await ada.page.locator('#link', { hasText: 'Connecting' }).waitFor(wait);
    await order(ada, 'rooibos', 1);
    await ask('start');
    await ada.page.locator('#link', { hasText: 'Live' }).waitFor(wait);
    await invoices(ada, 3);
    await left(ada, 'rooibos', '11 left');
    await ask('night');
    await left(ada, 'lapsang', '12 left');
    console.log('done');
} finally {
    await browser.close();
    process.stdin.destroy(); // or node would wait for more of it
}
