// npm `ws` against the examples of one adapter: as client against `echo`, as
// server against `client`. Arguments: the folder of the examples.

const { strict: assert } = require('assert');
const { spawn } = require('child_process');
const { once } = require('events');
const http = require('http');
const path = require('path');
const readline = require('readline');
const WebSocket = require('ws');
const { Echo, FOLDER, run } = require('./echo');

const SIZES = [0, 1, 125, 126, 127, 65535, 65536, 1 << 20, 16 << 20];

async function main() {
  const echo = await Echo.start();
  for (const [name, check] of Object.entries(asClient)) await run(name, () => check(echo.url));
  await echo.stop('SIGTERM');
  for (const [name, check] of Object.entries(withServerOfItsOwn)) await run(name, check);
  for (const [name, check] of Object.entries(asServer)) await run(name, check);
  console.log('done');
  process.exit(0);
}

// --- client

/// The client example: what it printed, and how it ended.
class Client {
  constructor(url) {
    this.child = spawn(path.join(FOLDER, 'client'), [url], { stdio: ['pipe', 'pipe', 'pipe'] });
    this.lines = readline.createInterface({ input: this.child.stdout })[Symbol.asyncIterator]();
    this.ended = once(this.child, 'close').then(([status]) => status);
    this.child.stdin.on('error', () => {});
    this.child.stderr.resume();
  }

  type(line) {
    this.child.stdin.write(`${line}\n`);
  }

  async printed() {
    return (await this.lines.next()).value;
  }

  async bye() {
    this.child.stdin.end();
    return this.ended;
  }
}

// --- ws as client

async function open(url, options) {
  const websocket = new WebSocket(url, options);
  websocket.messages = [];
  websocket.waiting = [];
  websocket.on('message', (data, isBinary) => {
    const message = { data, isBinary };
    const waiting = websocket.waiting.shift();
    waiting ? waiting(message) : websocket.messages.push(message);
  });
  websocket.closed = new Promise((resolve) => {
    websocket.on('close', (code, reason) => resolve({ code, reason: reason.toString() }));
  });
  await once(websocket, 'open');
  websocket.on('error', () => {});
  return websocket;
}

function received(websocket) {
  const message = websocket.messages.shift();
  return message ?? new Promise((resolve) => websocket.waiting.push(resolve));
}

async function echoes(websocket, data, binary) {
  websocket.send(data, { binary });
  await is(websocket, data, binary);
}

async function is(websocket, data, binary) {
  const message = await received(websocket);
  assert.equal(message.isBinary, binary);
  assert.ok(message.data.equals(Buffer.from(data)), 'the payload differs');
}

async function bye(websocket) {
  websocket.close(1000);
  assert.equal((await websocket.closed).code, 1000);
}

/// Text of that many bytes, of characters of one to four bytes.
function text(size) {
  const some = 'aé€😀';
  const whole = some.repeat(Math.floor(size / Buffer.byteLength(some)));
  return Buffer.from(whole + 'z'.repeat(size - Buffer.byteLength(whole)));
}

function bytes(size) {
  const some = Buffer.alloc(size);
  for (let i = 0; i < size; i++) some[i] = (i * 31 + (i >> 8)) & 0xff;
  return some;
}

const asClient = {};

for (const size of SIZES) {
  asClient[`text of ${size} bytes`] = async (url) => {
    const websocket = await open(url);
    await echoes(websocket, text(size), false);
    await bye(websocket);
  };
  asClient[`binary of ${size} bytes`] = async (url) => {
    const websocket = await open(url);
    await echoes(websocket, bytes(size), true);
    await bye(websocket);
  };
}

asClient['1000 messages in order'] = async (url) => {
  const websocket = await open(url);
  for (let i = 0; i < 1000; i++) websocket.send(`message ${i}`, { binary: i % 2 === 0 });
  for (let i = 0; i < 1000; i++) await is(websocket, `message ${i}`, i % 2 === 0);
  await bye(websocket);
};

asClient['fragments, one of them empty, cut inside a character'] = async (url) => {
  const websocket = await open(url);
  const whole = Buffer.from('κόσμε 😀');
  const last = whole.length - 1;
  websocket.send(whole.subarray(0, 1), { binary: false, fin: false });
  websocket.send('', { fin: false });
  websocket.send(whole.subarray(1, last), { fin: false });
  websocket.send(whole.subarray(last), { fin: true });
  await is(websocket, whole, false);
  await bye(websocket);
};

asClient['a message of 1000 fragments'] = async (url) => {
  const websocket = await open(url);
  for (let i = 0; i < 1000; i++) websocket.send(bytes(100), { binary: true, fin: i === 999 });
  await is(websocket, Buffer.concat(Array(1000).fill(bytes(100))), true);
  await bye(websocket);
};

asClient['a pong for a ping, between two fragments too'] = async (url) => {
  const websocket = await open(url);
  for (const payload of [Buffer.alloc(0), bytes(125)]) {
    websocket.ping(payload);
    const [pong] = await once(websocket, 'pong');
    assert.ok(pong.equals(payload));
  }
  websocket.send('one, ', { fin: false });
  websocket.ping('between');
  const [pong] = await once(websocket, 'pong');
  assert.equal(pong.toString(), 'between');
  assert.equal(websocket.messages.length, 0);
  websocket.send('two', { fin: true });
  await is(websocket, 'one, two', false);
  await bye(websocket);
};

asClient['a pong that nobody asked for is ignored'] = async (url) => {
  const websocket = await open(url);
  websocket.pong('unasked');
  await echoes(websocket, 'still here', false);
  await bye(websocket);
};

for (const code of [1000, 1001, 1003, 1007, 1011, 3000, 4999]) {
  asClient[`Close ${code} is answered with ${code}`] = async (url) => {
    const websocket = await open(url);
    websocket.close(code, 'räson');
    assert.equal((await websocket.closed).code, code);
  };
}

asClient['Close without a code is answered without one'] = async (url) => {
  const websocket = await open(url);
  websocket.close();
  assert.equal((await websocket.closed).code, 1005);
};

asClient['what was sent before Close comes back before Close'] = async (url) => {
  const websocket = await open(url);
  for (let i = 0; i < 100; i++) websocket.send(`message ${i}`);
  websocket.close(4000);
  assert.equal((await websocket.closed).code, 4000);
  assert.equal(websocket.messages.length, 100);
};

for (const where of ['/', '/nothing', '/ws/', '/ws2']) {
  asClient[`404 at ${where}`] = async (url) => {
    const websocket = new WebSocket(url.replace('/ws', where));
    websocket.on('error', () => {});
    const [, response] = await once(websocket, 'unexpected-response');
    assert.equal(response.statusCode, 404);
    response.destroy();
  };
}

asClient['a query does not matter'] = async (url) => {
  const websocket = await open(`${url}?a=b`);
  await echoes(websocket, 'hello', false);
  await bye(websocket);
};

asClient['an offer of compression is declined'] = async (url) => {
  const websocket = await open(url, { perMessageDeflate: true });
  assert.equal(websocket.extensions, '');
  await echoes(websocket, text(65536), false);
  await bye(websocket);
};

asClient['a frame without a mask gets 1002'] = async (url) => {
  const websocket = await open(url);
  websocket.send('bare', { mask: false });
  assert.equal((await websocket.closed).code, 1002);
};

asClient['text that is no UTF-8 gets 1007'] = async (url) => {
  const websocket = await open(url);
  websocket.send(Buffer.from([0x61, 0xff]), { binary: false });
  assert.equal((await websocket.closed).code, 1007);
};

asClient['100 connections at once'] = async (url) => {
  const all = await Promise.all(Array.from({ length: 100 }, () => open(url)));
  await Promise.all(all.map((websocket, i) => echoes(websocket, `number ${i}`, false)));
  await Promise.all(all.map(bye));
};

asClient['connections torn down do not disturb another'] = async (url) => {
  const steady = await open(url);
  const torn = await Promise.all(Array.from({ length: 20 }, () => open(url)));
  for (const websocket of torn) {
    websocket.send(bytes(1 << 20));
    websocket._socket.resetAndDestroy();
  }
  await echoes(steady, 'still here', false);
  await bye(steady);
};

const withServerOfItsOwn = {};

withServerOfItsOwn['a message over the limit gets 1009'] = async () => {
  const echo = await Echo.start('--max-message', '65536');
  for (const fragments of [1, 8]) {
    const websocket = await open(echo.url);
    await echoes(websocket, bytes(65536), true);
    const part = bytes(65536 / fragments);
    for (let i = 0; i < fragments; i++) websocket.send(part, { fin: false });
    websocket.send('x', { fin: true });
    assert.equal((await websocket.closed).code, 1009);
  }
  await echo.stop('SIGTERM');
};

for (const signal of ['SIGINT', 'SIGTERM']) {
  withServerOfItsOwn[`${signal}: 1001 to the open connections, and exit status 0`] = async () => {
    const echo = await Echo.start();
    const websocket = await open(echo.url);
    await echoes(websocket, 'hello', false);
    const status = echo.stop(signal);
    assert.equal((await websocket.closed).code, 1001);
    assert.equal(await status, 0);
  };
}

withServerOfItsOwn['two threads'] = async () => {
  const echo = await Echo.start('--threads', '2');
  const all = await Promise.all(Array.from({ length: 20 }, () => open(echo.url)));
  await Promise.all(all.map((websocket) => echoes(websocket, text(65536), false)));
  await Promise.all(all.map(bye));
  assert.equal(await echo.stop('SIGTERM'), 0);
};

withServerOfItsOwn['a server that pings sees the pongs'] = async () => {
  const echo = await Echo.start('--keepalive-interval', '50', '--keepalive-timeout', '5000');
  const websocket = await open(echo.url);
  for (let i = 0; i < 3; i++) await once(websocket, 'ping');
  await echoes(websocket, 'still here', false);
  await bye(websocket);
  await echo.stop('SIGTERM');
};

// --- ws as server

/// A server, a client that is connected to it, and the server's end of that.
async function serving(options = {}) {
  const server = new WebSocket.Server({ host: '127.0.0.1', port: 0, ...options });
  await once(server, 'listening');
  const connected = once(server, 'connection');
  const client = new Client(`ws://127.0.0.1:${server.address().port}/any/path?query`);
  const [websocket, request] = await connected;
  const closed = once(websocket, 'close').then(([code]) => code);
  websocket.on('error', () => {});
  server.close();
  return { client, websocket, request, closed };
}

function echoing(websocket) {
  websocket.on('message', (data, binary) => websocket.send(data, { binary }));
}

const asServer = {};

asServer['client: 1000 lines come back in order'] = async () => {
  const { client, websocket, closed } = await serving();
  echoing(websocket);
  for (let i = 0; i < 1000; i++) client.type(`line ${i}`);
  for (let i = 0; i < 1000; i++) assert.equal(await client.printed(), `line ${i}`);
  assert.equal(await client.bye(), 0);
  assert.equal(await closed, 1000);
};

for (const size of SIZES.filter((size) => size <= 1 << 20)) {
  asServer[`client: sends and receives ${size} bytes`] = async () => {
    const { client, websocket, closed } = await serving();
    const line = text(size).toString();
    client.type(line);
    const [data, binary] = await once(websocket, 'message');
    assert.equal(binary, false);
    assert.ok(data.equals(Buffer.from(line)), 'the payload differs');
    websocket.send(line);
    assert.equal(await client.printed(), line);
    websocket.send(bytes(size));
    assert.equal(await client.printed(), `${size} bytes`);
    assert.equal(await client.bye(), 0);
    assert.equal(await closed, 1000);
  };
}

asServer[`client: sends ${16 << 20} bytes`] = async () => {
  const { client, websocket, closed } = await serving();
  const line = text(16 << 20).toString();
  client.type(line);
  const [data] = await once(websocket, 'message');
  assert.ok(data.equals(Buffer.from(line)), 'the payload differs');
  assert.equal(await client.bye(), 0);
  assert.equal(await closed, 1000);
};

asServer['client: fragments with a ping between them'] = async () => {
  const { client, websocket } = await serving();
  const whole = Buffer.from('κόσμε');
  websocket.send(whole.subarray(0, 1), { binary: false, fin: false });
  websocket.ping(bytes(125));
  const [pong] = await once(websocket, 'pong');
  assert.ok(pong.equals(bytes(125)));
  websocket.send('', { fin: false });
  websocket.send(whole.subarray(1), { fin: true });
  assert.equal(await client.printed(), 'κόσμε');
  assert.equal(await client.bye(), 0);
};

for (const code of [1000, 1001, 1011, 3000, 4999]) {
  asServer[`client: Close ${code} is answered with ${code}`] = async () => {
    const { client, websocket, closed } = await serving();
    websocket.send('last');
    websocket.close(code, 'räson');
    assert.equal(await client.printed(), 'last');
    assert.equal(await closed, code);
    assert.equal(await client.ended, 0);
  };
}

asServer['client: Close without a code is answered without one'] = async () => {
  const { client, websocket, closed } = await serving();
  websocket.close();
  assert.equal(await closed, 1005);
  assert.equal(await client.ended, 0);
};

asServer['client: a message over its limit of 1 MiB gets 1009'] = async () => {
  const { client, websocket, closed } = await serving();
  websocket.send(bytes((1 << 20) + 1));
  assert.equal(await closed, 1009);
  assert.notEqual(await client.ended, 0);
};

asServer['client: a frame with a mask gets 1002'] = async () => {
  const { client, websocket, closed } = await serving();
  websocket.send('masked', { mask: true });
  assert.equal(await closed, 1002);
  assert.notEqual(await client.ended, 0);
};

asServer['client: text that is no UTF-8 gets 1007'] = async () => {
  const { client, websocket, closed } = await serving();
  websocket.send(Buffer.from([0x61, 0xff]), { binary: false });
  assert.equal(await closed, 1007);
  assert.notEqual(await client.ended, 0);
};

asServer['client: a connection that breaks is an error'] = async () => {
  const { client, websocket } = await serving();
  websocket._socket.resetAndDestroy();
  assert.notEqual(await client.ended, 0);
};

asServer['client: offers no compression, and its request is whole'] = async () => {
  const { client, websocket, request } = await serving({ perMessageDeflate: true });
  assert.equal(websocket.extensions, '');
  assert.equal(request.url, '/any/path?query');
  assert.match(request.headers.host, /^127\.0\.0\.1:\d+$/);
  assert.equal(request.headers['sec-websocket-version'], '13');
  assert.equal(await client.bye(), 0);
};

for (const status of [401, 404, 503]) {
  asServer[`client: ${status} is an error`] = async () => {
    const server = http.createServer();
    server.on('upgrade', (_, socket) => {
      socket.end(`HTTP/1.1 ${status} No\r\ncontent-length: 2\r\n\r\nno`);
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const client = new Client(`ws://127.0.0.1:${server.address().port}/`);
    assert.notEqual(await client.ended, 0);
    server.close();
  };
}

main();
