// An Engine.IO server of npm `engine.io` that sends back what it receives; what begins
// with a star goes to everybody. Prints its port.

const http = require('http');
const engine = require('engine.io');

const server = http.createServer();
server.keepAliveTimeout = 3_000_000;
const io = engine.attach(server, { pingInterval: 3_000_000 });
io.on('connection', (session) => {
  session.on('message', (data) => {
    if (data[0] !== '*') return session.send(data);
    for (const each of Object.values(io.clients)) each.send(data);
  });
});
server.listen(0, '127.0.0.1', () => console.log(server.address().port));
