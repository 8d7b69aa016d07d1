// Sessions of npm `engine.io-client` that keep a ledger: each sends so many messages,
// waits for as many, and closes. A third is on polling, a third upgrades, a third is on
// WebSocket. Arguments: the URL, `--ledger FILE`, `--run NAME`, `--sessions N`,
// `--messages N`.

const { Socket } = require('engine.io-client');
const { Ledger, message, words } = require('./ledger');

const URL = process.argv[2];
const option = (name) => process.argv[process.argv.indexOf(`--${name}`) + 1];
const [run, sessions, messages] = [option('run'), Number(option('sessions')), Number(option('messages'))];
const ledger = new Ledger(option('ledger'), 'client');

const AT_ONCE = 50;
// For a session to open.
const PATIENCE = 5_000;
const TRANSPORTS = [['polling'], ['polling', 'websocket'], ['websocket']];
const counts = { opened: 0, complete: 0, upgraded: 0 };

// Ready when the session has ended.
function session(number) {
  return new Promise((resolve) => {
    const socket = new Socket(URL, { transports: TRANSPORTS[number % 3] });
    const got = new Set();
    let sent = 0;
    let sid;
    const late = setTimeout(() => socket.close(), PATIENCE);
    const send = () => {
      // At times several at once.
      for (let some = 1 + Math.floor(Math.random() * 3); some > 0 && sent < messages; some--) {
        if (socket.readyState !== 'open') return;
        sent += 1;
        ledger.write(sid, 'sent', 'up', sent);
        socket.send(message(run, sid, 'up', sent));
      }
      if (sent < messages) setTimeout(send, Math.random() * 30);
    };
    socket.on('open', () => {
      clearTimeout(late);
      sid = socket.id;
      counts.opened += 1;
      ledger.write(sid, 'open');
      send();
    });
    socket.on('upgrade', () => (counts.upgraded += 1));
    socket.on('message', (data) => {
      const all = words(data);
      ledger.write(sid, 'got', ...all);
      if (got.add(all[3]).size !== messages || socket.readyState !== 'open') return;
      counts.complete += 1;
      ledger.write(sid, 'complete');
      socket.close();
    });
    socket.on('error', () => {});
    socket.on('close', (reason) => {
      clearTimeout(late);
      if (sid) ledger.write(sid, 'closed', reason);
      resolve();
    });
  });
}

async function main() {
  let next = 0;
  const worker = async () => {
    while (next < sessions) await session(next++);
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
  ledger.flush();
  console.log(Object.entries(counts).map((pair) => pair.join(' ')).join(', '));
  process.exit(0);
}

main();
