// A page in headless Chromium against the `echo` of one adapter. Arguments: the
// folder of the examples, the path of Chromium.

const { strict: assert } = require('assert');
const { once } = require('events');
const fs = require('fs');
const http = require('http');
const path = require('path');
const { chromium } = require('playwright-core');
const { FLAGS } = require('./chromium');
const { Echo, run } = require('./echo');

const MESSAGES = 10_000;

async function main() {
  const html = fs.readFileSync(path.join(__dirname, 'page.html'));
  const pages = http.createServer((_, response) => {
    response.setHeader('content-type', 'text/html; charset=utf-8');
    response.end(html);
  });
  pages.listen(0, '127.0.0.1');
  await once(pages, 'listening');

  const browser = await chromium.launch({ executablePath: process.argv[3], args: FLAGS });
  const page = await browser.newPage();
  await page.goto(`http://127.0.0.1:${pages.address().port}/`);
  const echo = await Echo.start();

  await run(`a page sees ${MESSAGES} messages again, text and binary`, async () => {
    const seen = await page.evaluate(([url, count]) => echo(url, count), [echo.url, MESSAGES]);
    assert.equal(seen.messages, MESSAGES);
    assert.equal(seen.text + seen.binary, MESSAGES);
    assert.ok(seen.text > 0 && seen.binary > 0);
    assert.deepEqual([seen.code, seen.clean], [4321, true]);
  }, 60);
  await run('a page sees a message of 16 MiB again', async () => {
    const seen = await page.evaluate((url) => echoLarge(url, 16 << 20), echo.url);
    assert.ok(seen);
  });
  await run('a page sees no WebSocket elsewhere', async () => {
    const url = echo.url.replace('/ws', '/nothing');
    const seen = await page.evaluate((url) => refused(url), url);
    assert.deepEqual(seen, { opened: false, code: 1006 });
  });
  await run('a page sees 1001 when the server ends', async () => {
    const code = page.evaluate((url) => untilClosed(url), echo.url);
    await page.evaluate(() => opened);
    assert.equal(await echo.stop('SIGTERM'), 0);
    assert.equal(await code, 1001);
  });

  await browser.close();
  console.log('done');
  process.exit(0);
}

main();
