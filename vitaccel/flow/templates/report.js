"use strict";
// Timeline: one row per unit; the wheel zooms about the pointer, dragging pans, arrow keys do both.
const data = JSON.parse(document.getElementById("timeline-data").textContent);
const units = Object.keys(data);
const canvas = document.querySelector("#timeline canvas");
const tip = document.getElementById("tip");
const end = Math.max(1, ...units.map((unit) => (data[unit].length ? data[unit].at(-1)[1] : 0)));
const [labels, row, axis] = [72, 30, 24];
let [from, to] = [0, end];

// Number the instructions of each unit, so that neighbours can differ in tint.
for (const unit of units) {
  let count = 0;
  for (const interval of data[unit]) interval.push(interval[2] === "busy" ? count++ : 0);
}

const width = () => canvas.clientWidth - labels;
const x = (cycle) => labels + ((cycle - from) / (to - from)) * width();
const cycle = (px) => from + ((px - labels) / width()) * (to - from);
const group = (n) => Math.round(n).toString().replace(/\B(?=(\d{3})+$)/g, "\u2009");

function firstEndingAfter(list, when) {
  let [low, high] = [0, list.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (list[middle][1] <= when) low = middle + 1;
    else high = middle;
  }
  return low;
}

function drawRow(ctx, color, list, top) {
  let drawn = -1;
  for (let n = firstEndingAfter(list, from); n < list.length && list[n][0] < to; n++) {
    const [start, stop, state, label, number] = list[n];
    const left = Math.max(labels, x(start));
    const right = Math.min(labels + width(), x(stop));
    const busy = state === "busy";
    const lost = !busy && state !== "waiting"; // of the array; the state is the cause
    if (right - left < 0.5 && right <= drawn) continue; // a pixel that has its color
    drawn = left + 0.6;
    const gap = right - left > 4 ? 1 : 0; // neighbours stay apart once there is room
    const thick = busy || lost;
    ctx.fillStyle = lost ? color.lost : !busy ? color.waiting : number % 2 ? color.accent : color.accent2;
    ctx.fillRect(left, top + (thick ? 5 : 11), Math.max(right - left - gap, 0.6), thick ? row - 10 : row - 22);
    if (!thick || right - left < 44) continue;
    ctx.save();
    ctx.beginPath();
    ctx.rect(left + 4, top, right - left - 8, row);
    ctx.clip();
    ctx.fillStyle = color.page;
    ctx.fillText(lost ? state : label, left + 6, top + row / 2);
    ctx.restore();
  }
}

function drawAxis(ctx, color, bottom) {
  const raw = (to - from) / Math.max(2, width() / 110);
  const magnitude = 10 ** Math.floor(Math.log10(raw));
  const step = Math.max(1, [1, 2, 5, 10].find((k) => k * magnitude >= raw) * magnitude);
  ctx.strokeStyle = color.line;
  ctx.fillStyle = color.soft;
  ctx.textAlign = "center";
  for (let tick = Math.ceil(from / step) * step; tick <= to; tick += step) {
    ctx.beginPath();
    ctx.moveTo(x(tick), 0);
    ctx.lineTo(x(tick), bottom);
    ctx.stroke();
    ctx.fillText(group(tick), Math.min(x(tick), labels + width() - 24), bottom + axis / 2 + 2);
  }
  ctx.textAlign = "left";
}

function draw() {
  const style = getComputedStyle(document.documentElement);
  const get = (name) => style.getPropertyValue(name).trim();
  const color = {
    accent: get("--accent"), accent2: get("--accent-2"), waiting: get("--waiting"), lost: get("--lost"),
    page: get("--card"), soft: get("--soft"), ink: get("--ink"), line: get("--line"),
  };
  const [ratio, height] = [window.devicePixelRatio || 1, units.length * row + axis];
  canvas.style.height = `${height}px`;
  canvas.width = canvas.clientWidth * ratio;
  canvas.height = height * ratio;
  const ctx = canvas.getContext("2d");
  ctx.scale(ratio, ratio);
  ctx.font = "12px system-ui, sans-serif";
  ctx.textBaseline = "middle";
  drawAxis(ctx, color, units.length * row);
  units.forEach((unit, n) => {
    ctx.fillStyle = color.ink;
    ctx.fillText(unit, 4, n * row + row / 2);
    drawRow(ctx, color, data[unit], n * row);
  });
}

function show(low, high) {
  const span = Math.min(end, Math.max(10, high - low));
  from = Math.min(Math.max(0, low), end - span);
  to = from + span;
  requestAnimationFrame(draw);
}

function zoom(about, factor) {
  show(about - (about - from) * factor, about + (to - about) * factor);
}

canvas.addEventListener("wheel", (event) => {
  event.preventDefault();
  zoom(Math.max(from, cycle(event.offsetX)), Math.exp(event.deltaY / 300));
}, { passive: false });

canvas.addEventListener("pointermove", (event) => {
  if (event.buttons) {
    const moved = (event.movementX / width()) * (to - from);
    show(from - moved, to - moved);
  }
  const unit = units[Math.floor(event.offsetY / row)];
  const when = cycle(event.offsetX);
  const hit = unit && data[unit][firstEndingAfter(data[unit], when)];
  const found = hit && hit[0] <= when && event.offsetX >= labels;
  tip.style.display = found ? "block" : "none";
  if (!found) return;
  tip.textContent = `${unit} ${hit[2]}: ${hit[3]}\ncycles ${group(hit[0])} to ${group(hit[1])} (${group(hit[1] - hit[0])})`;
  tip.style.left = `${Math.min(event.offsetX + 16, canvas.clientWidth - tip.offsetWidth)}px`;
  tip.style.top = `${event.offsetY + 20}px`;
});
canvas.addEventListener("pointerleave", () => (tip.style.display = "none"));
canvas.addEventListener("pointerdown", (event) => canvas.setPointerCapture(event.pointerId));
canvas.addEventListener("dblclick", () => show(0, end));
canvas.addEventListener("keydown", (event) => {
  const step = (to - from) / 10;
  const keys = {
    ArrowLeft: () => show(from - step, to - step),
    ArrowRight: () => show(from + step, to + step),
    ArrowUp: () => zoom((from + to) / 2, 0.8),
    ArrowDown: () => zoom((from + to) / 2, 1.25),
  };
  if (!(event.key in keys)) return;
  event.preventDefault();
  keys[event.key]();
});
for (const [id, factor] of [["closer", 0.5], ["wider", 2]]) {
  document.getElementById(id).addEventListener("click", () => zoom((from + to) / 2, factor));
}
document.getElementById("whole").addEventListener("click", () => show(0, end));
window.addEventListener("resize", draw);
window.addEventListener("beforeprint", draw);
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
draw();

// Tables: a click on a heading sorts by that column, a second click the other way round.
for (const heading of document.querySelectorAll("th[data-sort]")) {
  heading.addEventListener("click", () => {
    const body = heading.closest("table").tBodies[0];
    const key = (line) => line.cells[heading.cellIndex].dataset.value ?? line.cells[heading.cellIndex].textContent;
    const way = heading.dataset.sort === "down" ? 1 : -1;
    heading.dataset.sort = way === 1 ? "up" : "down";
    const sign = (a, b) => (isNaN(a) || isNaN(b) ? a.localeCompare(b) : a - b);
    body.append(...[...body.rows].sort((a, b) => way * sign(key(a), key(b))));
  });
}
