// A client for Engine.IO, version 4, as small as one that upgrades can be.
//
//   GET  -> 0{"sid":...}          the handshake
//   POST <- 4...                  data
//   GET  -> 4...                  data; a ping 2 is answered by a pong 3
//   WebSocket <- 2probe, -> 3probe
//   the GET that waits ends (6), WebSocket <- 5: polling is closed

const SEPARATOR = '\x1e';
// Real clients probe at once. This one waits, so that the steps can be seen.
const PROBE_AFTER = 2000;
// A client in earnest would stay with polling.
const PROBE_AGAIN = 4000;

export function session(url, report) {
  const stopped = new AbortController();
  const { signal } = stopped;
  let sid, socket, timer;
  // By what messages go: polling, nothing while it is paused, or the WebSocket.
  let by = 'polling';
  let queue = [];
  let posting = false;
  let polled = Promise.resolve();

  const target = () => `${url}?EIO=4&transport=polling${sid ? `&sid=${sid}` : ''}`;

  const close = () => {
    if (signal.aborted) return;
    stopped.abort();
    clearTimeout(timer);
    if (socket) socket.onclose = null;
    socket?.close();
    report.closed();
  };

  const get = async () => {
    const answer = await fetch(target(), { signal });
    if (!answer.ok) throw new Error(answer.status);
    return (await answer.text()).split(SEPARATOR);
  };

  const post = async () => {
    if (posting || by !== 'polling' || !queue.length) return;
    posting = true;
    const packets = queue;
    queue = [];
    try {
      const body = packets.join(SEPARATOR);
      const answer = await fetch(target(), { method: 'POST', body, signal });
      if (!answer.ok) throw new Error(answer.status);
      if (packets.some((packet) => packet[0] === '4')) report.step('post');
    } catch {
      return close();
    }
    posting = false;
    post();
  };

  const say = (packet) => {
    if (by === 'websocket') return socket.send(packet);
    if (queue.length < 256) queue.push(packet);
    post();
  };

  const hear = (packet) => {
    if (packet[0] === '1') return close();
    if (packet[0] === '2') return say('3');
    if (packet[0] !== '4') return;
    if (by !== 'websocket') report.step('get');
    report.line(packet.slice(1));
  };

  const poll = async () => {
    while (by === 'polling') (await get()).forEach(hear);
  };

  const probe = () => {
    socket = new WebSocket(`${url.replace('http', 'ws')}?EIO=4&transport=websocket&sid=${sid}`);
    const candidate = socket;
    socket.onopen = () => candidate.send('2probe');
    socket.onmessage = async ({ data }) => {
      if (by === 'websocket') return hear(data);
      if (data !== '3probe') return;
      report.step('probe');
      // The server answers the GET that waits; what it has goes before.
      by = 'nothing';
      await polled.catch(() => {});
      if (signal.aborted || candidate.readyState !== WebSocket.OPEN) return close();
      candidate.send('5');
      by = 'websocket';
      queue.splice(0).forEach(say);
      report.step('closed');
      report.state('upgraded');
    };
    socket.onclose = () => {
      if (by !== 'polling') return close();
      report.step('refused');
      timer = setTimeout(probe, PROBE_AGAIN);
    };
  };

  (async () => {
    try {
      const [opening, ...rest] = await get();
      const { sid: name, upgrades } = JSON.parse(opening.slice(1));
      sid = name;
      report.step('open', `${name.slice(0, 6)}…`);
      report.state('polls');
      rest.forEach(hear);
      post();
      if (upgrades.includes('websocket')) timer = setTimeout(probe, PROBE_AFTER);
      polled = poll();
      await polled;
    } catch {
      close();
    }
  })();

  return { send: (text) => say(`4${text}`), close };
}
