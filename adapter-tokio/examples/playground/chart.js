// A line that moves: the last half minute, the newest at the right.

const SECONDS = 30;

export class Chart {
  constructor(canvas, unit) {
    this.canvas = canvas;
    this.unit = unit;
    this.points = [];
  }

  // `at` in milliseconds.
  add(at, value) {
    this.points.push([at, value]);
    while (this.points.length && this.points[0][0] < at - SECONDS * 1000) this.points.shift();
  }

  draw(now) {
    const { canvas, points } = this;
    const [width, height] = [canvas.clientWidth, canvas.clientHeight];
    const ratio = window.devicePixelRatio || 1;
    if (canvas.width !== Math.round(width * ratio)) canvas.width = Math.round(width * ratio);
    if (canvas.height !== Math.round(height * ratio)) canvas.height = Math.round(height * ratio);
    const pen = canvas.getContext('2d');
    const style = getComputedStyle(canvas);
    pen.setTransform(ratio, 0, 0, ratio, 0, 0);
    pen.clearRect(0, 0, width, height);
    const most = ceiling(Math.max(1, ...points.map(([, value]) => value)));
    const x = (at) => width - ((now - at) / (SECONDS * 1000)) * width;
    const y = (value) => height - 1.5 - (value / most) * (height - 16);

    pen.strokeStyle = style.getPropertyValue('--line');
    pen.lineWidth = 1;
    for (const part of [0, 0.5, 1]) {
      pen.beginPath();
      pen.moveTo(0, y(most * part));
      pen.lineTo(width, y(most * part));
      pen.stroke();
    }
    if (points.length > 1) {
      pen.beginPath();
      points.forEach(([at, value], i) => (i ? pen.lineTo(x(at), y(value)) : pen.moveTo(x(at), y(value))));
      pen.strokeStyle = style.color;
      pen.lineWidth = 1.75;
      pen.lineJoin = 'round';
      pen.stroke();
      pen.lineTo(x(points.at(-1)[0]), height);
      pen.lineTo(x(points[0][0]), height);
      pen.globalAlpha = 0.12;
      pen.fillStyle = style.color;
      pen.fill();
      pen.globalAlpha = 1;
    }
    pen.fillStyle = style.getPropertyValue('--quiet');
    pen.font = `11px ${style.fontFamily}`;
    pen.fillText(this.unit(most), 2, 11);
  }
}

// 1, 2 or 5 times a power of ten.
function ceiling(value) {
  const power = 10 ** Math.floor(Math.log10(value));
  return [1, 2, 5, 10].map((step) => step * power).find((step) => step >= value);
}

export function milliseconds(value) {
  if (!Number.isFinite(value)) return '–';
  if (value === 0) return '0 ms';
  if (value >= 10_000) return `${(value / 1000).toFixed(0)} s`;
  if (value >= 1000) return `${(value / 1000).toFixed(1)} s`;
  return `${value.toFixed(value < 10 ? 1 : 0)} ms`;
}

export function bytes(value) {
  if (!Number.isFinite(value)) return '–';
  if (value >= 1e6) return `${(value / 1e6).toFixed(1)} MB`;
  if (value >= 10_000) return `${(value / 1000).toFixed(0)} kB`;
  if (value >= 1000) return `${(value / 1000).toFixed(1)} kB`;
  return `${value.toFixed(0)} B`;
}
