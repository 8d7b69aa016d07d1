// A page with the stock bundle of npm `engine.io-client`, in headless Chromium, against
// an echo server of another origin. Arguments: its URL, the path of Chromium.

const { strict: assert } = require('assert');
const { once } = require('events');
const fs = require('fs');
const http = require('http');
const path = require('path');
const { chromium } = require('playwright-core');
const { run } = require('../echo');
const { FLAGS } = require('../chromium');

const [, , URL, CHROMIUM] = process.argv;
const MESSAGES = 10_000;
const BUNDLE = path.join(path.dirname(require.resolve('engine.io-client/package.json')), 'dist', 'engine.io.min.js');

async function main() {
  const files = {
    '/': ['text/html; charset=utf-8', fs.readFileSync(path.join(__dirname, 'page.html'))],
    '/engine.io.js': ['text/javascript; charset=utf-8', fs.readFileSync(BUNDLE)],
  };
  const pages = http.createServer((request, response) => {
    const [type, body] = files[request.url] ?? ['text/plain', ''];
    response.setHeader('content-type', type);
    response.end(body);
  });
  pages.listen(0, '127.0.0.1');
  await once(pages, 'listening');
  const browser = await chromium.launch({ executablePath: CHROMIUM, args: FLAGS });
  const page = await browser.newPage();
  await page.goto(`http://127.0.0.1:${pages.address().port}/`);

  for (const [mode, transports, first, last] of [
    ['polling', ['polling'], 'polling', 'polling'],
    ['websocket', ['websocket'], 'websocket', 'websocket'],
    ['upgrade', ['polling', 'websocket'], 'polling', 'websocket'],
  ]) {
    await run(`${mode}: a page sees ${MESSAGES} messages again, text and binary`, async () => {
      const seen = await page.evaluate((all) => echo(...all), [URL, transports, MESSAGES]);
      assert.equal(seen.messages, MESSAGES);
      assert.equal(seen.text + seen.binary, MESSAGES);
      assert.ok(seen.text > 0 && seen.binary > 0);
      assert.deepEqual([seen.opened, seen.ended, seen.reason], [first, last, 'forced close']);
      if (mode === 'upgrade') assert.ok(seen.sentByPolling > 0 && seen.sentByPolling < MESSAGES);
    }, 60);
    await run(`${mode}: a page sees the end when it sends too much`, async () => {
      const reason = await page.evaluate((all) => closed(...all), [URL, transports, 1_000_000]);
      assert.match(reason, /^transport (error|close)$/);
    });
  }
  await browser.close();
  console.log('done');
  process.exit(0);
}

main();
