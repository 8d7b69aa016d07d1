// The page: a laboratory at the server, its controls, and a panel for each way.

import { bytes, milliseconds } from './chart.js';
import { Panel } from './panel.js';
import { languageIs, speak, text } from './texts.js';
import { WAYS } from './ways.js';

const REPORT_EVERY = 500;
const SLIDERS = [
  ['rate', 1, 100, 1, 4, (value) => `${value}/s`],
  ['up', 0, 20, 1, 1, (value) => `${value}/s`],
  ['size', 32, 16384, 32, 64, bytes],
  ['every', 100, 5000, 100, 1000, milliseconds],
  ['delay', 0, 2000, 50, 0, milliseconds],
  ['clients', 0, 40, 1, 0, String],
];

const controls = { blocked: 0 };
// Tests look at these.
export const panels = new Map();
const running = new Map();
let laboratory;
// How far the server's clock is before this page's.
let offset = 0;
let fastest = Infinity;

const here = () => performance.timeOrigin + performance.now();
const now = () => here() + offset;
const later = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
const find = (selector) => document.querySelector(selector);

function build() {
  for (const name of Object.keys(WAYS)) {
    const panel = new Panel(name, find('#panel'));
    panels.set(name, panel);
    find('.panels').append(panel.root);
    const row = document.createElement('tr');
    row.innerHTML = `<th scope="row" data-text="${name}.title"></th>${'<td><span></span><i class="bar"></i></td>'.repeat(2)}<td></td>`;
    find('tbody').append(row);
    panel.row = row;
  }
  const steps = document.createElement('ol');
  steps.className = 'steps';
  for (const step of ['open', 'post', 'get', 'probe', 'closed']) {
    const item = document.createElement('li');
    item.dataset.step = step;
    item.innerHTML = `<span><span data-text="step.${step}"></span> <code></code></span><small></small>`;
    steps.append(item);
  }
  find('.timeline h2').after(steps);

  for (const [name, min, max, step, value, unit] of SLIDERS) {
    const label = document.createElement('label');
    label.innerHTML = `<span data-text="controls.${name}"></span><input type="range" name="${name}"><output></output>`;
    const [input, output] = [label.querySelector('input'), label.querySelector('output')];
    Object.assign(input, { min, max, step, value });
    const show = () => {
      controls[name] = Number(input.value);
      output.textContent = unit(controls[name]);
    };
    input.addEventListener('input', () => {
      show();
      set();
    });
    show();
    find('.sliders').append(label);
  }
  find('[name=blocked]').addEventListener('change', ({ target }) => {
    controls.blocked = Number(target.checked);
    set();
  });
  find('[name=cut]').addEventListener('click', () => ask('/cut', 'POST').catch(() => {}));
  find('[name=reset]').addEventListener('click', () => panels.forEach((panel) => panel.reset()));
  find('.controls').addEventListener('submit', (event) => event.preventDefault());
  for (const button of document.querySelectorAll('[data-language]')) {
    button.addEventListener('click', () => speak(button.dataset.language));
  }
  speak(languageIs());
}

// The steps of the session, each when it comes first.
let opened = 0;
function step(name, detail) {
  const steps = find('.steps');
  if (name === 'open') {
    opened = here();
    for (const item of steps.children) {
      item.className = '';
      item.querySelector('small').textContent = '';
    }
    steps.querySelector('[data-step=probe] span span').dataset.text = 'step.probe';
  }
  const item = steps.querySelector(`[data-step=${name === 'refused' ? 'probe' : name}]`);
  if (item.className === 'done' || item.className === name) return;
  item.className = name === 'refused' ? 'refused' : 'done';
  const key = name === 'refused' || name === 'probe' ? `step.${name}` : undefined;
  if (key) item.querySelector('span span').dataset.text = key;
  item.querySelector('span span').textContent = text(item.querySelector('span span').dataset.text);
  if (detail) item.querySelector('code').textContent = detail;
  const seconds = ((here() - opened) / 1000).toFixed(2);
  item.querySelector('small').textContent = text('step.after').replace('{}', seconds);
}

async function ask(path = '', method = 'GET') {
  const answer = await fetch(`/lab/${laboratory.id}${path}`, { method });
  if (!answer.ok) throw new Error(answer.status);
  return answer;
}

// Sliders move faster than requests: the last position counts.
let setting = false;
let again = false;
async function set() {
  if (setting) return void (again = true);
  setting = true;
  do {
    again = false;
    const query = Object.entries(controls).map(([name, value]) => `${name}=${value}`);
    await ask(`?${query.join('&')}`, 'POST').catch(() => {});
  } while (again);
  setting = false;
}

async function open() {
  const answer = await fetch('/lab/', { method: 'POST' });
  if (!answer.ok) throw new Error(answer.status);
  laboratory = await answer.json();
  await set();
  const base = await door();
  for (const [name, way] of Object.entries(WAYS)) {
    const panel = panels.get(name);
    panel.start();
    const report = { line: (line) => panel.line(line, now()), state: (word) => panel.state(word), step };
    running.set(name, way(`${base}/lab/${laboratory.id}/${name}`, report, controls));
  }
}

// A port of its own is not always to be reached, as through a tunnel.
async function door() {
  const own = `${location.protocol}//${location.hostname}:${laboratory.port}`;
  const reached = fetch(own, { mode: 'no-cors', signal: AbortSignal.timeout(2000) });
  return reached.then(() => own, () => location.origin);
}

function close() {
  running.forEach((way) => way.stop());
  running.clear();
}

async function report() {
  const begin = here();
  const { now: theirs, panels: counts } = await (await ask()).json();
  const end = here();
  // The answer that took the least time tells best.
  if (end - begin <= fastest) {
    fastest = end - begin;
    offset = theirs - (begin + end) / 2;
  }
  panels.forEach((panel, name) => panel.count(counts[name], performance.now()));
  overview();
}

function overview() {
  const length = (value, most) => Math.max(0, Math.log10(value + 1) / Math.log10(most + 1)) * 100;
  const all = [...panels.values()];
  const most = (of) => Math.max(10, ...all.map(of).filter(Number.isFinite));
  const latency = (panel) => panel.quantile(0.5);
  const [dearest, slowest] = [most((panel) => panel.cost), most(latency)];
  for (const panel of all) {
    const [cost, slow, requests] = panel.row.querySelectorAll('td');
    const bar = (cell, value, most, shown) => {
      cell.firstChild.textContent = shown;
      cell.lastChild.style.width = `${Number.isFinite(value) ? length(value, most) : 0}%`;
    };
    bar(cost, panel.cost, dearest, bytes(panel.cost));
    bar(slow, latency(panel), slowest, milliseconds(latency(panel)));
    const ratio = panel.total.requests / panel.total.messages;
    requests.textContent = Number.isFinite(ratio) ? ratio.toFixed(2) : '–';
  }
}

function status(word) {
  const note = find('.controls .note');
  note.dataset.text = `status.${word}`;
  note.textContent = text(`status.${word}`);
}

async function watch() {
  for (;;) {
    try {
      if (!running.size) await open();
      await report();
      status('on');
    } catch {
      status('off');
      close();
      await later(1000);
    }
    await later(REPORT_EVERY);
  }
}

async function talk() {
  for (let number = 1; ; number += 1) {
    await later(1000 / Math.max(controls.up, 1));
    if (!controls.up) continue;
    const message = `${number} ${now().toFixed(3)} `.padEnd(controls.size, '.');
    running.forEach((way) => way.send(message));
  }
}

function draw() {
  panels.forEach((panel) => panel.draw(now(), performance.now()));
  // Ten pictures a second are enough, and none for a tab that nobody sees.
  setTimeout(() => requestAnimationFrame(draw), 100);
}

build();
watch();
talk();
draw();
