// npm `engine.io-client` against an echo server. Arguments: its URL, and which EIO the
// client speaks, 4 or 3.

const { strict: assert } = require('assert');
const { once } = require('events');
const { run } = require('../echo');

const [, , URL, VERSION] = process.argv;
const { Socket } = require(VERSION === '3' ? 'engine.io-client-3' : 'engine.io-client');

const MAX_PAYLOAD = 1_000_000;
const MESSAGES = 10_000;
// How many of them may be on their way.
const WINDOW = 500;
const SIZES = [0, 1, 125, 126, 65_535, 65_536, 300_000];

const TRANSPORTS = {
  polling: ['polling'],
  websocket: ['websocket'],
  upgrade: ['polling', 'websocket'],
};

class Session {
  constructor(mode, options = {}) {
    const socket = new Socket(URL, { transports: TRANSPORTS[mode], ...options });
    Object.assign(this, { socket, mode, messages: [], waiting: [] });
    this.closed = new Promise((resolve) => socket.on('close', (reason) => resolve(reason)));
    this.upgraded = new Promise((resolve) => socket.on('upgrade', resolve));
    this.isUpgraded = false;
    socket.on('upgrade', () => (this.isUpgraded = true));
    socket.on('message', (data) => {
      const waiting = this.waiting.shift();
      waiting ? waiting(data) : this.messages.push(data);
    });
    this.closed.then((reason) => {
      for (const waiting of this.waiting) waiting(new Error(`closed, ${reason}`));
    });
    socket.on('error', () => {});
  }

  // On the transport it will stay on.
  static async open(mode, options) {
    const session = new Session(mode, options);
    await session.opened();
    if (mode === 'upgrade') await session.upgraded;
    return session;
  }

  async opened() {
    const closed = this.closed.then((reason) => assert.fail(`not opened, ${reason}`));
    await Promise.race([new Promise((resolve) => this.socket.on('open', resolve)), closed]);
  }

  received() {
    if (this.messages.length) return this.messages.shift();
    return new Promise((resolve) => this.waiting.push(resolve));
  }

  async echoes(data) {
    this.socket.send(data);
    same(await this.received(), data);
  }

  async bye() {
    assert.equal(this.socket.transport.name, this.mode === 'polling' ? 'polling' : 'websocket');
    this.socket.close();
    assert.equal(await this.closed, 'forced close');
  }
}

function same(got, want) {
  if (got instanceof Error) throw got;
  // Clients hand an empty text on as nothing.
  if (typeof want === 'string') return assert.ok((got ?? '') === want, 'another text');
  assert.notEqual(typeof got, 'string', 'text instead of binary');
  assert.ok(Buffer.from(got).equals(want), 'other bytes');
}

// Text of that many bytes, of characters of one to four bytes.
function text(size) {
  const some = 'aé€😀';
  const whole = some.repeat(Math.floor(size / Buffer.byteLength(some)));
  return whole + 'z'.repeat(size - Buffer.byteLength(whole));
}

function bytes(size) {
  return Buffer.from(Uint8Array.from({ length: size }, (_, i) => (i * 31 + (i >> 8)) & 0xff));
}

// The message of that number, one in four of them binary.
function message(number) {
  const length = (number * 7) % 61;
  return number % 4 === 3 ? bytes(length) : `${number} ${'é€😀'.repeat(length / 9)}`;
}

async function status(query) {
  const answer = await fetch(`${URL}/engine.io/?EIO=${VERSION}&${query}`);
  return [answer.status, await answer.text()];
}

const checks = {};

for (const mode of Object.keys(TRANSPORTS)) {
  checks[`${mode}: what the open packet says`] = async () => {
    const session = new Session(mode);
    const [open] = await once(session.socket, 'handshake');
    assert.deepEqual(Object.keys(open).slice(0, 4), [
      'sid', 'upgrades', 'pingInterval', 'pingTimeout',
    ]);
    assert.match(open.sid, /^[\w.-]{20,}$/);
    assert.deepEqual(open.upgrades, mode === 'websocket' ? [] : ['websocket']);
    session.socket.close();
  };
  for (const size of SIZES) {
    checks[`${mode}: text and binary of ${size} bytes`] = async () => {
      const session = await Session.open(mode);
      await session.echoes(text(size));
      await session.echoes(bytes(size));
      await session.bye();
    };
  }
  checks[`${mode}: binary for a client that takes text alone`] = async () => {
    const session = await Session.open(mode, { forceBase64: true });
    for (const size of [0, 1, 2, 3, 100_000]) await session.echoes(bytes(size));
    await session.bye();
  };
  // What the packet adds: its type, in EIO 3 the length before it; base64, where
  // binary is text.
  const header = VERSION === '3' && mode !== 'websocket' ? '1000000:'.length : 0;
  const largestText = MAX_PAYLOAD - 1 - header;
  const largestBinary = mode === 'polling' ? ((MAX_PAYLOAD - 2 - header) / 4 | 0) * 3 : MAX_PAYLOAD - 1;
  checks[`${mode}: as much as a payload takes`] = async () => {
    const session = await Session.open(mode);
    await session.echoes('x'.repeat(largestText));
    await session.echoes(bytes(largestBinary));
    await session.bye();
  };
  for (const [what, data] of [
    ['text', 'x'.repeat(MAX_PAYLOAD)],
    ['binary', bytes(MAX_PAYLOAD + 1)],
  ]) {
    checks[`${mode}: ${what} beyond that closes the session`] = async () => {
      const session = await Session.open(mode);
      session.socket.send(data);
      assert.match(await session.closed, /^transport (error|close)$/);
    };
  }
  checks[`${mode}: text that looks like packets`] = async () => {
    const session = await Session.open(mode);
    for (const data of ['1', '2probe', 'b', 'bAQID', '0{}', '5', '6:4hello', 'a\0b']) {
      await session.echoes(data);
    }
    await session.bye();
  };
  checks[`${mode}: ${MESSAGES} messages in order`] = async () => {
    const session = new Session(mode);
    await session.opened();
    let sent = 0;
    let sentByPolling = 0;
    for (let seen = 0; seen < MESSAGES; seen++) {
      for (; sent < MESSAGES && sent - seen < WINDOW; sent++) {
        session.socket.send(message(sent));
        sentByPolling += !session.isUpgraded;
      }
      same(await session.received(), message(seen));
    }
    if (mode === 'upgrade') {
      assert.ok(session.isUpgraded, 'not upgraded');
      assert.ok(sentByPolling < MESSAGES, 'all went by polling');
    }
    assert.equal(session.messages.length, 0);
    await session.bye();
  };
  checks[`${mode}: lives on while it is idle`] = async () => {
    const session = await Session.open(mode);
    const closed = session.closed.then((reason) => assert.fail(`closed, ${reason}`));
    let pings = 0;
    const pinged = new Promise((resolve) => {
      session.socket.on(VERSION === '3' ? 'pong' : 'ping', () => ++pings === 3 && resolve());
    });
    await Promise.race([pinged, closed]);
    await session.echoes('still here');
    await session.bye();
  };
  checks[`${mode}: a session that was closed is no longer known`] = async () => {
    const session = await Session.open(mode);
    await session.echoes('hello');
    const { id } = session.socket;
    await session.bye();
    // The server may not have read it yet.
    for (let tries = 0; ; tries++) {
      const [code, body] = await status(`transport=polling&sid=${id}`);
      if (code === 400 && JSON.parse(body || '{}').code === 1) break;
      assert.ok(tries < 50, `${code} ${body}`);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  };
  checks[`${mode}: 50 sessions at once`] = async () => {
    const all = await Promise.all(Array.from({ length: 50 }, () => Session.open(mode)));
    for (let round = 0; round < 3; round++) {
      await Promise.all(all.map((session, i) => session.echoes(`number ${i}, ${round}`)));
    }
    await Promise.all(all.map((session) => session.bye()));
  };
}

checks['another transport after the upgrade is refused, and the session goes on'] = async () => {
  const session = await Session.open('upgrade');
  // The server knows of the upgrade, too.
  await session.echoes('hello');
  const [code, body] = await status(`transport=polling&sid=${session.socket.id}`);
  assert.deepEqual([code, body && JSON.parse(body).code], [400, 3]);
  await session.echoes('still here');
  await session.bye();
};

async function main() {
  for (const [name, check] of Object.entries(checks)) await run(name, check, 40);
  console.log('done');
  process.exit(0);
}

main();
