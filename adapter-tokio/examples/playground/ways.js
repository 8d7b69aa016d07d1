// The ways of a browser to receive messages and to send some. Each is given the URL
// of its panel and what to do: `line` with a message, `state` with a word of
// `texts.js`. Each returns `send`, for a text, and `stop`.

import { session } from './engineio.js';

const RETRY = 500;
// After a refusal, which will not be over so soon.
const AGAIN = 4000;
const later = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

// Sends by requests, one at a time: what is too much is left out.
function poster(url, signal) {
  let busy = false;
  return async (text) => {
    if (busy) return;
    busy = true;
    await fetch(url, { method: 'POST', body: text, signal }).catch(() => {});
    busy = false;
  };
}

// Repeats what may fail, until it is stopped.
function repeat(url, report, work) {
  const stopped = new AbortController();
  const { signal } = stopped;
  (async () => {
    while (!signal.aborted) {
      try {
        await work(signal);
      } catch {
        if (signal.aborted) return;
        report.state('lost');
        await later(RETRY);
      }
    }
  })();
  return { send: poster(url, signal), stop: () => stopped.abort() };
}

const linesOf = (text) => (text === '' ? [] : text.split('\n'));
const numberOf = (line) => line.slice(0, line.indexOf(' '));

async function poll(url, last, report, signal) {
  const query = last === undefined ? '' : `?after=${last}`;
  const answer = await fetch(url + query, { signal });
  if (!answer.ok) throw new Error(answer.status);
  const lines = linesOf(await answer.text());
  lines.forEach(report.line);
  return lines.length ? numberOf(lines.at(-1)) : last;
}

export function short(url, report, controls) {
  let last;
  return repeat(url, report, async (signal) => {
    last = await poll(url, last, report, signal);
    report.state('asks');
    await later(controls.every);
  });
}

export function long(url, report) {
  let last;
  return repeat(url, report, async (signal) => {
    report.state('waits');
    last = await poll(url, last, report, signal);
  });
}

export function chunked(url, report) {
  let last;
  return repeat(url, report, async (signal) => {
    const query = last === undefined ? '' : `?after=${last}`;
    const answer = await fetch(url + query, { signal });
    if (!answer.ok) throw new Error(answer.status);
    report.state('streams');
    const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
    let rest = '';
    for (;;) {
      const { value, done } = await reader.read();
      if (done) throw new Error('ended');
      const lines = (rest + value).split('\n');
      rest = lines.pop();
      lines.forEach(report.line);
      if (lines.length) last = numberOf(lines.at(-1));
    }
  });
}

export function events(url, report) {
  const stopped = new AbortController();
  let source, timer;
  let last;
  const open = () => {
    source = new EventSource(last === undefined ? url : `${url}?after=${last}`);
    source.onopen = () => report.state('streams');
    source.onmessage = ({ data }) => {
      last = numberOf(data);
      report.line(data);
    };
    // It would come back by itself, but for that it takes its time.
    source.onerror = () => {
      source.close();
      report.state('lost');
      timer = setTimeout(open, RETRY);
    };
  };
  open();
  const stop = () => {
    clearTimeout(timer);
    source.close();
    stopped.abort();
  };
  return { send: poster(url, stopped.signal), stop };
}

export function websocket(url, report) {
  let socket, timer;
  const open = () => {
    let opened = false;
    socket = new WebSocket(url.replace('http', 'ws'));
    socket.onopen = () => {
      opened = true;
      report.state('open');
    };
    socket.onmessage = ({ data }) => report.line(data);
    socket.onclose = () => {
      report.state(opened ? 'lost' : 'refused');
      timer = setTimeout(open, opened ? RETRY : AGAIN);
    };
  };
  open();
  const send = (text) => {
    if (socket.readyState === WebSocket.OPEN && socket.bufferedAmount < 65536) socket.send(text);
  };
  const stop = () => {
    clearTimeout(timer);
    socket.onclose = null;
    socket.close();
  };
  return { send, stop };
}

// A session that ends is followed by another.
export function engineio(url, report) {
  let stopped = false;
  let current, timer;
  const closed = () => {
    if (stopped) return;
    report.state('lost');
    timer = setTimeout(open, RETRY);
  };
  const open = () => {
    current = session(url, { ...report, closed });
  };
  open();
  const stop = () => {
    stopped = true;
    clearTimeout(timer);
    current.close();
  };
  return { send: (text) => current.send(text), stop };
}

export const WAYS = { short, long, chunked, events, websocket, engineio };
