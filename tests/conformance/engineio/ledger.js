// What the ends of a session write down, and the messages they send. The form stands in
// `tests/src/ledger.rs`, which reads it.

const fs = require('fs');

// FNV-1a.
function hash(body) {
  let hash = 0x811c9dc5;
  for (const byte of body) hash = Math.imul(hash ^ byte, 0x01000193) >>> 0;
  return hash.toString(16).padStart(8, '0');
}

// The message of that number: of many lengths, one in three binary.
function message(run, sid, direction, number) {
  const length = number % 50 === 49 ? 20_000 : (number * 37) % 400;
  const body = Buffer.from('aé€😀'.repeat(length / 4));
  const head = [run, sid, direction, number, body.length, hash(body)].join(' ');
  const whole = Buffer.concat([Buffer.from(`${head} `), body]);
  return number % 3 === 0 ? whole : whole.toString();
}

// The words of a message, as far as it has them.
function words(message) {
  const bytes = Buffer.from(message ?? '');
  const head = [];
  let at = 0;
  while (head.length < 6) {
    const end = bytes.indexOf(0x20, at);
    if (end < 0) return [...head, bytes.toString('latin1', at)];
    head.push(bytes.toString('latin1', at, end));
    at = end + 1;
  }
  const body = bytes.subarray(at);
  return [...head, body.length, hash(body)];
}

class Ledger {
  constructor(path, side) {
    Object.assign(this, { file: fs.openSync(path, 'w'), side, lines: [] });
  }

  write(sid, ...words) {
    this.lines.push(`${sid} ${this.side} ${words.join(' ')}\n`);
    if (this.lines.length === 1000) this.flush();
  }

  flush() {
    fs.writeSync(this.file, this.lines.join(''));
    this.lines = [];
  }
}

module.exports = { Ledger, message, words };
