// An Engine.IO server of npm `engine.io` that sends back what it receives. It takes
// the options of the example `echo`, and `--generation 3` for the version that spoke
// EIO 3 alone.

const http = require('http');

const option = (name, otherwise) => {
  const at = process.argv.indexOf(`--${name}`);
  return at < 0 ? otherwise : process.argv[at + 1];
};

const old = option('generation') === '3';
const engine = require(old ? 'engine.io-3' : 'engine.io');
const cors = option('cors');
const options = {
  pingInterval: Number(option('ping-interval', 25_000)),
  pingTimeout: Number(option('ping-timeout', 20_000)),
  maxHttpBufferSize: Number(option('max-payload', 1_000_000)),
  transports: option('transports', 'polling,websocket').split(','),
  cookie: false,
  ...(old ? {} : { allowEIO3: true, cors: cors && { origin: cors } }),
};

const server = http.createServer((_, response) => {
  response.statusCode = 404;
  response.end();
});
engine.attach(server, options).on('connection', (session) => {
  // An empty text comes as `undefined`.
  session.on('message', (data) => session.send(data ?? ''));
});
server.listen(Number(option('port', 0)), '127.0.0.1', () => {
  console.log(`listening on 127.0.0.1:${server.address().port}`);
});
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => process.exit(0));
