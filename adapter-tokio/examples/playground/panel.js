// A panel: what one way has brought so far, and what it has cost.

import { Chart, bytes, milliseconds } from './chart.js';
import { text } from './texts.js';

const LATENCIES = 400;
const NOTHING = { sent: 0, received: 0, requests: 0, up: 0, down: 0, busy: 0 };
const FIGURES = ['messages', 'requests', 'up', 'down', 'p50', 'p99', 'stale', 'busy', 'missed'];

export class Panel {
  constructor(name, template) {
    this.name = name;
    this.root = template.content.firstElementChild.cloneNode(true);
    this.root.dataset.panel = name;
    const title = this.root.querySelector('h2');
    title.id = `title-${name}`;
    title.dataset.text = `${name}.title`;
    this.root.setAttribute('aria-labelledby', title.id);
    this.root.querySelector('.says').dataset.text = `${name}.says`;
    this.badge = this.root.querySelector('.state');
    const [stale, flow] = this.root.querySelectorAll('canvas');
    this.stale = new Chart(stale, milliseconds);
    this.flow = new Chart(flow, (value) => `${bytes(value)}/s`);
    const figures = this.root.querySelector('dl');
    this.figures = {};
    for (const figure of FIGURES) {
      const [row, term, value] = ['div', 'dt', 'dd'].map((tag) => document.createElement(tag));
      term.dataset.text = `figure.${figure}`;
      value.dataset.figure = figure;
      value.textContent = '–';
      row.append(term, value);
      figures.append(row);
      this.figures[figure] = value;
    }
    this.start();
    this.state('starts');
  }

  // Another laboratory.
  start() {
    this.last = undefined;
    this.counts = undefined;
    this.reset();
    this.begin = NOTHING;
  }

  // Begins to count anew.
  reset() {
    this.received = 0;
    this.missed = 0;
    this.latencies = [];
    this.begin = undefined;
    this.total = undefined;
  }

  state(word) {
    this.badge.dataset.state = word;
    this.badge.dataset.text = `state.${word}`;
    this.badge.textContent = text(`state.${word}`);
  }

  // A message: its number, when it was made by the server's clock, filling.
  line(line, now) {
    const [number, made] = line.split(' ', 2).map(Number);
    if (number > (this.last ?? number) + 1) this.missed += number - this.last - 1;
    this.last = number;
    this.received += 1;
    this.made = made;
    this.latencies.push(Math.max(now - made, 0));
    if (this.latencies.length > LATENCIES) this.latencies.shift();
  }

  quantile(part) {
    const sorted = this.latencies.toSorted((a, b) => a - b);
    return sorted.length ? sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))] : NaN;
  }

  // What the server has counted since the last reset.
  count(counts, at) {
    this.begin ??= counts;
    const before = this.counts;
    this.counts = counts;
    const total = (name) => counts[name] - this.begin[name];
    this.total = {
      messages: total('sent') + total('received'),
      sent: total('sent'),
      requests: total('requests'),
      up: total('up'),
      down: total('down'),
      busy: total('busy'),
    };
    if (before) {
      const passed = (at - this.counted) / 1000;
      const moved = counts.up + counts.down - before.up - before.down;
      if (passed > 0) this.flow.add(at, moved / passed);
    }
    this.counted = at;
    this.show();
  }

  get cost() {
    return this.total ? (this.total.up + this.total.down) / this.total.messages : NaN;
  }

  show() {
    const { figures, total } = this;
    figures.messages.textContent = `${total.sent} ↓  ${total.messages - total.sent} ↑`;
    figures.requests.textContent = total.requests;
    figures.up.textContent = bytes(total.up);
    figures.down.textContent = bytes(total.down);
    figures.p50.textContent = milliseconds(this.quantile(0.5));
    figures.p99.textContent = milliseconds(this.quantile(0.99));
    const busy = total.busy / total.messages / 1000;
    figures.busy.textContent = Number.isFinite(busy) ? `${busy.toFixed(0)} µs` : '–';
    figures.missed.textContent = this.missed;
  }

  // The age of the newest message.
  draw(now, at) {
    const age = this.made === undefined ? NaN : Math.max(now - this.made, 0);
    if (Number.isFinite(age)) this.stale.add(at, age);
    this.figures.stale.textContent = milliseconds(age);
    this.stale.draw(at);
    this.flow.draw(at);
  }
}
