// What the programs for node share: the example server, and a line for each check.

const { spawn } = require('child_process');
const { once } = require('events');
const path = require('path');
const readline = require('readline');

/// The folder of the examples.
const FOLDER = process.argv[2];

/// The echo server, on a port of its own choice.
class Echo {
  static async start(...options) {
    const child = spawn(path.join(FOLDER, 'echo'), ['--port', '0', ...options], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const lines = readline.createInterface({ input: child.stdout });
    const [line] = await once(lines, 'line');
    const [, address] = line.match(/^listening on (127\.0\.0\.1:\d+)$/);
    return Object.assign(new Echo(), { child, address, url: `ws://${address}/ws` });
  }

  async stop(signal) {
    const exit = once(this.child, 'exit');
    this.child.kill(signal);
    const [status] = await exit;
    return status;
  }
}

async function run(name, check, seconds = 20) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`not done after ${seconds} s`)), seconds * 1000);
  });
  try {
    await Promise.race([check(), late]);
    console.log(`ok      ${name}`);
  } catch (error) {
    console.log(`FAILED  ${name}: ${String(error.message).split('\n').join(' ').slice(0, 300)}`);
  }
  clearTimeout(timer);
}

module.exports = { Echo, FOLDER, run };
