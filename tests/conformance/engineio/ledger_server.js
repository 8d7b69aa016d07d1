// A server of npm `engine.io` that keeps a ledger: it sends so many messages to every
// session, the last when it has got as many, and never closes one. Arguments: those of
// `server.js`, `--ledger FILE`, `--run NAME`, `--messages N`.

const http = require('http');
const engine = require('engine.io');
const { Ledger, message, words } = require('./ledger');

const option = (name) => process.argv[process.argv.indexOf(`--${name}`) + 1];
const [run, messages] = [option('run'), Number(option('messages'))];
const ledger = new Ledger(option('ledger'), 'server');

const server = http.createServer();
const options = {
  pingInterval: Number(option('ping-interval')),
  pingTimeout: Number(option('ping-timeout')),
  allowEIO3: true,
};
engine.attach(server, options).on('connection', (session) => {
  const sid = session.id;
  const got = new Set();
  let sent = 0;
  ledger.write(sid, 'open');
  const send = () => {
    if (session.readyState !== 'open') return;
    sent += 1;
    ledger.write(sid, 'sent', 'down', sent);
    session.send(message(run, sid, 'down', sent));
    schedule();
  };
  const schedule = () => {
    const isLast = sent === messages - 1;
    if (sent < messages && (!isLast || got.size >= messages)) setTimeout(send, Math.random() * 20);
  };
  session.on('message', (data) => {
    const all = words(data);
    ledger.write(sid, 'got', ...all);
    const before = got.size;
    const isLast = got.add(all[3]).size === messages && before < messages;
    if (isLast && sent === messages - 1) schedule();
  });
  session.on('close', (reason) => ledger.write(sid, 'closed', reason));
  schedule();
});
server.listen(Number(option('port')), '127.0.0.1', () => {
  console.log(`listening on 127.0.0.1:${server.address().port}`);
});
for (const signal of ['SIGINT', 'SIGTERM']) {
  process.on(signal, () => {
    ledger.flush();
    process.exit(0);
  });
}
