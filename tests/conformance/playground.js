// The playground in headless Chromium. Arguments: the program, the path of Chromium,
// and a folder for pictures.

const { strict: assert } = require('assert');
const { spawn } = require('child_process');
const { once } = require('events');
const path = require('path');
const readline = require('readline');
const { chromium } = require('playwright-core');
const { FLAGS } = require('./chromium');
const { run } = require('./echo');

const [program, executablePath, pictures] = process.argv.slice(2);
const WAYS = ['short', 'long', 'chunked', 'events', 'websocket', 'engineio'];

async function main() {
  const server = spawn(program, ['--port', '0'], { stdio: ['ignore', 'pipe', 'inherit'] });
  const [line] = await once(readline.createInterface({ input: server.stdout }), 'line');
  const url = `http://${line.replace('listening on ', '')}/`;
  const browser = await chromium.launch({ executablePath, args: FLAGS });

  // A tab, and what its console complains about.
  const open = async (width, height, colorScheme = 'light', locale = 'en') => {
    const context = await browser.newContext({ viewport: { width, height }, colorScheme, locale });
    const page = await context.newPage();
    page.setDefaultTimeout(30_000);
    page.complaints = [];
    page.on('console', (message) => {
      if (message.type() === 'error') page.complaints.push(message.text());
    });
    page.on('pageerror', (error) => page.complaints.push(String(error)));
    await page.goto(url);
    await page.evaluate(async () => ({ panels: window.panels } = await import('/page.js')));
    return page;
  };
  const picture = (page, name) =>
    page.screenshot({ path: path.join(pictures, `${name}.png`), fullPage: true });

  const page = await open(1280, 900);
  await run('every panel receives, and sends', () => busy(page), 60);
  await run('the session takes its five steps', () => upgraded(page), 60);
  await run('polling has stopped after the upgrade', async () => {
    // The figures are half a second old.
    const more = (count) =>
      page.waitForFunction((wanted) => panels.get('engineio').received >= wanted, count);
    const received = await page.evaluate(() => panels.get('engineio').received);
    await more(received + 6);
    const before = await figure(page, 'engineio', 'requests');
    await more(received + 14);
    assert.equal(await figure(page, 'engineio', 'requests'), before);
  }, 60);
  await run('a message costs least by WebSocket, and by Engine.IO once it is there', async () => {
    await page.click('[name=reset]');
    await busy(page);
    const cost = {};
    for (const way of WAYS) {
      cost[way] = await page.evaluate((way) => panels.get(way).cost, way);
    }
    const { websocket, engineio, ...dearer } = cost;
    // 64 bytes, and 2 or 6 for the header. What is on its way may be counted by half.
    assert.ok(websocket > 58 && websocket < 80, JSON.stringify(cost));
    assert.ok(engineio > 58 && engineio < 80, JSON.stringify(cost));
    assert.ok(Math.min(...Object.values(dearer)) > 2 * websocket, JSON.stringify(cost));
  }, 60);
  await run('the console is silent', () => assert.deepEqual(page.complaints, []));
  await picture(page, 'wide-light');

  await run('a second tab works beside the first, and speaks Korean', async () => {
    const second = await open(1280, 900, 'dark', 'ko');
    await busy(second);
    await upgraded(second);
    assert.equal(await second.textContent('[data-panel=short] h2'), '짧은 폴링');
    await busy(page);
    await picture(second, 'wide-dark-korean');
    assert.deepEqual(second.complaints, []);
    await second.context().close();
  }, 90);
  await run('both languages say the same things', async () => {
    const { en, ko } = await page.evaluate(async () => {
      const { languages } = await import('/texts.js');
      return { en: Object.keys(languages.en), ko: Object.keys(languages.ko) };
    });
    assert.deepEqual(ko, en);
  });

  for (const scheme of ['light', 'dark']) {
    await run(`it works on a narrow screen, ${scheme}`, async () => {
      const narrow = await open(390, 844, scheme);
      await busy(narrow);
      await upgraded(narrow);
      const [content, width] = await narrow.evaluate(() => [
        document.documentElement.scrollWidth,
        innerWidth,
      ]);
      assert.ok(content <= width, `${content} > ${width}`);
      await picture(narrow, `narrow-${scheme}`);
      assert.deepEqual(narrow.complaints, []);
      await narrow.context().close();
    }, 90);
  }

  await run('everything can be reached by keyboard', async () => {
    await page.evaluate(() => document.activeElement.blur());
    const reached = new Set();
    for (let i = 0; i < 15; i += 1) {
      await page.keyboard.press('Tab');
      reached.add(await page.evaluate(() => {
        const { name, dataset } = document.activeElement;
        return name || dataset.language;
      }));
    }
    const all = ['en', 'ko', 'rate', 'up', 'size', 'every', 'delay', 'clients', 'blocked', 'cut', 'reset'];
    assert.deepEqual(all.filter((name) => !reached.has(name)), []);
  });

  await run('a panel comes back when its connection is cut', async () => {
    const opened = await page.textContent('[data-step=open] code');
    await page.focus('[name=cut]');
    await page.keyboard.press('Enter');
    await page.waitForFunction(
      (opened) => document.querySelector('[data-step=open] code').textContent !== opened,
      opened,
    );
    await busy(page);
    await upgraded(page);
  }, 90);
  await run('with WebSocket blocked the session falls back to polling', async () => {
    await page.focus('[name=blocked]');
    await page.keyboard.press('Space');
    await page.waitForSelector('[data-step=probe].refused');
    await page.waitForSelector('[data-panel=websocket] [data-state=refused]');
    await page.click('[name=reset]');
    await busy(page, WAYS.filter((way) => way !== 'websocket'));
    assert.equal(await page.getAttribute('[data-panel=engineio] .state', 'data-state'), 'polls');
    await picture(page, 'blocked');
  }, 90);
  await run('and goes on by WebSocket once it is not', async () => {
    await page.uncheck('[name=blocked]');
    await upgraded(page);
    await page.click('[name=reset]');
    await busy(page);
  }, 90);
  await run('answers that are held back come later', async () => {
    await page.evaluate(() => {
      const slider = document.querySelector('[name=delay]');
      slider.value = 400;
      slider.dispatchEvent(new Event('input'));
    });
    await page.waitForFunction(
      (figure) => parseFloat(document.querySelector(figure).textContent) >= 400,
      selector('websocket', 'p50'),
    );
  }, 60);
  await run('simulated clients are served', async () => {
    await page.evaluate(() => {
      for (const [name, value] of [['delay', 0], ['clients', 5]]) {
        const slider = document.querySelector(`[name=${name}]`);
        slider.value = value;
        slider.dispatchEvent(new Event('input'));
      }
    });
    // Six times as many messages as reach the page.
    await page.click('[name=reset]');
    await page.waitForFunction(() => {
      return [...panels.values()].every(({ total, received }) => total?.sent > 30 && total.sent > 3 * received);
    });
  }, 60);
  await run('bad input is refused, and changes nothing', async () => {
    const statuses = await page.evaluate(async () => {
      const id = performance.getEntriesByType('resource').map(({ name }) => /lab\/(\w{16})/.exec(name)?.[1]).find(Boolean);
      const requests = [
        ['GET', '/nothing'],
        ['GET', '/lab/none'],
        ['GET', '/lab/none/short'],
        ['GET', '/lab/%00/%ff'],
        ['POST', `/lab/${id}?rate=-1&size=99999999999999999999&clients=x&&=&delay`],
        ['POST', `/lab/${id}?rate=0&size=0&clients=1000000&every=0`],
        ['GET', `/lab/${id}/short?after=x`],
        ['DELETE', `/lab/${id}/short`],
        ['GET', `/lab/${id}/websocket`],
        ['GET', `/lab/${id}/engineio?EIO=9`],
        ['POST', `/lab/${id}/short`, 'x'.repeat(1 << 20)],
      ];
      const answers = requests.map(([method, url, body]) => fetch(url, { method, body }));
      return (await Promise.all(answers)).map(({ status }) => status);
    });
    assert.deepEqual(statuses, [404, 404, 404, 404, 204, 204, 200, 405, 426, 400, 413]);
    assert.equal(server.exitCode, null);
  }, 60);

  await browser.close();
  server.kill('SIGINT');
  await run('the server ends when it is told to', async () => {
    const [code] = server.exitCode === null ? await once(server, 'exit') : [server.exitCode];
    assert.equal(code, 0);
  });
  console.log('done');
  process.exit(0);
}

const selector = (way, name) => `[data-panel=${way}] [data-figure=${name}]`;
const figure = (page, way, name) => page.textContent(selector(way, name));

// Messages go both ways, in all these panels.
function busy(page, ways = WAYS) {
  return page.waitForFunction((ways) => {
    return ways.every((way) => {
      const { received, total } = panels.get(way);
      return received > 5 && total?.sent > 5 && total.messages > total.sent;
    });
  }, ways);
}

async function upgraded(page) {
  await page.waitForFunction(() => {
    const steps = [...document.querySelectorAll('.steps li')];
    return steps.length === 5 && steps.every((step) => step.className === 'done');
  });
  await page.waitForSelector('[data-panel=engineio] [data-state=upgraded]');
}

main();
