// What the example of that name must do, done by npm `engine.io-client`: see README.md.

const option = (name, otherwise) => {
  const at = process.argv.indexOf(`--${name}`);
  return at < 0 ? otherwise : process.argv[at + 1];
};
const { Socket } = require(option('version', '4') === '3' ? 'engine.io-client-3' : 'engine.io-client');

const TRANSPORTS = {
  polling: ['polling'],
  websocket: ['websocket'],
  upgrade: ['polling', 'websocket'],
};
const mode = option('transport', 'upgrade');
const [messages, size] = [Number(option('messages', 1)), Number(option('size', 10))];
// This client puts all that waits into a payload.
const largest = Math.max(1, Math.floor(500_000 / (size + 1)));
const onTheirWay = Math.min(Number(option('max-packets', 500)), largest);
const isBinary = process.argv.includes('--binary');

function message(number) {
  const bytes = Buffer.from(Uint8Array.from({ length: size }, (_, i) => 32 + ((number + i) % 90)));
  return isBinary ? bytes : bytes.toString();
}

function fail(why) {
  console.error(why);
  process.exit(1);
}

const socket = new Socket(process.argv[2], { transports: TRANSPORTS[mode] });
let [sent, seen, isUpgraded] = [0, 0, false];

function next() {
  for (; sent < messages && sent - seen < onTheirWay; sent++) socket.send(message(sent));
  if (seen < messages || (mode === 'upgrade' && !isUpgraded)) return;
  console.log(`${seen} messages`);
  socket.close();
}

socket.on('open', () => {
  console.log(`open on ${socket.transport.name}`);
  next();
});
socket.on('upgrade', () => {
  console.log('upgraded');
  isUpgraded = true;
  // It can close once it has come back from here.
  setImmediate(next);
});
socket.on('message', (data) => {
  // An empty text comes as nothing.
  const got = data ?? '';
  if ((typeof got !== 'string') !== isBinary) fail(`message ${seen} is of the other kind`);
  if (!Buffer.from(got).equals(Buffer.from(message(seen)))) fail(`message ${seen} is another`);
  seen += 1;
  next();
});
socket.on('close', (reason) => {
  if (reason !== 'forced close') fail(`closed, ${reason}, after ${seen} messages`);
  console.log(`closed on ${socket.transport.name}`);
});
