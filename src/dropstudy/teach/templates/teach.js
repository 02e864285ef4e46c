"use strict";
// Draws, asks the server for answers, and follows its trainings. All that belongs to one browser is kept here.

const of = (id) => document.getElementById(id);
const GONE = "The server does not answer. Is dropstudy teach still running?";

// --- 1. Draw ---

const pad = of("pad");
const ink = pad.getContext("2d", { willReadFrequently: true });
const side = pad.width;
ink.lineCap = ink.lineJoin = "round";
ink.lineWidth = Number(pad.dataset.pen);

function line(from, to) {
  ink.beginPath();
  ink.moveTo(...from);
  ink.lineTo(...to);
  ink.stroke();
}

function clear() {
  ink.clearRect(0, 0, side, side);
  truth = null;
}

function setDown(point) {
  if (truth !== null) clear(); // the first stroke takes a test digit away
  line(point, point);
}

let last = null; // where the pen was while it is down
const place = (event) => {
  const box = pad.getBoundingClientRect();
  return [((event.clientX - box.left) / box.width) * side, ((event.clientY - box.top) / box.height) * side];
};
pad.addEventListener("pointerdown", (event) => {
  if (event.button !== 0 || !event.isPrimary) return;
  pad.setPointerCapture(event.pointerId);
  last = place(event);
  setDown(last);
});
pad.addEventListener("pointermove", (event) => {
  if (!last || !event.isPrimary) return;
  for (const step of event.getCoalescedEvents?.() ?? [event]) {
    const next = place(step);
    line(last, next);
    last = next;
  }
});
for (const end of ["pointerup", "pointercancel"]) {
  pad.addEventListener(end, () => {
    if (!last) return;
    last = null;
    ask();
  });
}

const STEPS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
const pen = of("pen");
let at = [side / 2, side / 4];
let down = false;

function showPen() {
  pen.hidden = !pad.matches(":focus-visible");
  pen.className = down ? "down" : "";
  pen.style.left = `${(100 * at[0]) / side}%`;
  pen.style.top = `${(100 * at[1]) / side}%`;
}
pad.addEventListener("focus", showPen);
pad.addEventListener("blur", () => {
  down = false;
  showPen();
});
pad.addEventListener("keydown", (event) => {
  if (event.key === " ") {
    down = !down;
    of("pen-news").textContent = down ? "Pen down" : "Pen up";
    if (down) setDown(at);
  } else if (STEPS[event.key]) {
    const next = STEPS[event.key].map((step, axis) => Math.min(side, Math.max(0, at[axis] + (step * side) / 28)));
    if (down) line(at, next);
    at = next;
  } else return;
  event.preventDefault();
  showPen();
  ask();
});

of("clear").addEventListener("click", () => {
  clear();
  ask();
});
function showExample({ ink: rows, label }) {
  clear();
  const size = side / rows.length;
  rows.forEach((row, y) => row.forEach((value, x) => {
    ink.fillStyle = `rgb(0 0 0 / ${value / 255})`;
    ink.fillRect(x * size, y * size, size, size);
  }));
  truth = label;
  ask();
}
of("example").addEventListener("click", async () => {
  try {
    showExample(await (await fetch("example")).json());
  } catch {
    of("answer").textContent = GONE;
  }
});

// --- 2. Drop ---

let truth = null; // label of the test digit that is shown, null for a drawing
let answer = null;
let sample = 0;
const percent = (share) => (share < 0.005 ? "<1%" : share > 0.995 ? ">99%" : `${Math.round(100 * share)}%`);

let asking = false;
let again = false;
async function ask() {
  again = asking;
  if (asking) return;
  asking = true;
  try {
    const { data } = ink.getImageData(0, 0, side, side);
    const body = Uint8Array.from({ length: side * side }, (_, pixel) => data[4 * pixel + 3]);
    const reply = await fetch(`answer?rate=${of("rate").value}`, { method: "POST", body });
    if (!reply.ok) throw new Error(await reply.text());
    answer = await reply.json();
    show();
  } catch (error) {
    of("answer").textContent = error instanceof TypeError ? GONE : error.message;
  } finally {
    asking = false;
    if (again) ask();
  }
}

function bars(table, shares, votes) {
  const top = shares.indexOf(Math.max(...shares));
  [...of(table).tBodies[0].rows].forEach((row, digit) => {
    row.className = answer && digit === top ? "top" : "";
    row.querySelector(".bar").style.setProperty("--share", shares[digit]);
    const cells = row.querySelectorAll(".number");
    cells[0].textContent = answer ? percent(shares[digit]) : "";
    if (votes) cells[1].textContent = answer ? votes[digit] : "";
  });
  return top;
}

function show() {
  const none = Array(10).fill(0);
  const { pixels = [], off = none, on = none, votes = none } = answer ?? {};
  const seen = of("seen").getContext("2d");
  seen.clearRect(0, 0, seen.canvas.width, seen.canvas.height);
  pixels.forEach((row, y) => row.forEach((share, x) => {
    seen.fillStyle = `rgb(0 0 0 / ${share})`;
    seen.fillRect(x, y, 1, 1);
  }));
  of("seen").setAttribute("aria-label", answer ? "The digit as the network sees it" : "Nothing drawn yet");
  const label = bars("off", off);
  bars("on", on, votes);
  if (!answer) {
    of("answer").textContent = "Nothing drawn yet.";
    of("votes").textContent = "Draw a digit first.";
  } else {
    const known = truth === null ? "" : `. It is a ${truth}`;
    of("answer").textContent = `${label} (${percent(off[label])})${known}`;
    const most = votes.indexOf(Math.max(...votes));
    of("votes").textContent = `${most} in ${votes[most]} of ${answer.samples.length} samples`;
  }
  showSample();
}

function showSample() {
  const units = [...of("units").children];
  const one = answer?.samples[sample];
  units.forEach((unit, number) => {
    unit.style.setProperty("--active", answer?.units[number] ?? 0);
    unit.className = one?.dropped[number] === "1" ? "dropped" : "";
  });
  if (!one) {
    of("units-words").textContent = "Draw a digit first.";
    return;
  }
  const dropped = [...one.dropped].filter((unit) => unit === "1").length;
  of("units-words").textContent =
    `Sample ${sample + 1} of ${answer.samples.length}: ${dropped} of ${units.length} units dropped. ` +
    `It answers ${one.label} (${percent(one.probability)}).`;
}

function nextSample() {
  if (!answer) return;
  sample = (sample + 1) % answer.samples.length;
  showSample();
}
of("next").addEventListener("click", nextSample);

let playing = null;
of("play").addEventListener("click", () => {
  if (playing) clearInterval(playing);
  playing = playing ? null : setInterval(nextSample, 600);
  of("play").textContent = playing ? "Stop" : "Play";
  of("play").setAttribute("aria-pressed", String(Boolean(playing)));
});

function rateWords(slider) {
  const rate = Number(slider.value);
  const kept = Math.round(100 * (1 - rate));
  slider.nextElementSibling.textContent = `${rate}: drops ${100 - kept}%, keeps ${kept}%`;
}
for (const name of ["rate", "train-rate"]) {
  of(name).addEventListener("input", () => rateWords(of(name)));
  rateWords(of(name));
}
of("rate").addEventListener("input", ask);

showExample(JSON.parse(pad.dataset.example));

// --- 3. Train ---

const EPOCHS = Number(document.body.dataset.epochs);
const SERIES = ["running", "clean", "test"];
const PACE = matchMedia("(prefers-reduced-motion: reduce)").matches ? 0 : 120; // milliseconds an epoch: training is faster than the eye

function draw(panel, history) {
  const point = (row, series) => [36 + (294 * row.epoch) / EPOCHS, 180 - 1.7 * row[series]];
  for (const series of SERIES) {
    const group = panel.querySelector(`g.${series}`);
    const mark = group.querySelector("use");
    const points = history.map((row) => point(row, series));
    group.querySelector("path").setAttribute("d", points.length ? `M${points.join("L")}` : "");
    mark.setAttribute("visibility", points.length ? "visible" : "hidden");
    if (points.length) mark.setAttribute("transform", `translate(${points.at(-1)})`);
    panel.querySelector(`dd.${series}`).textContent = points.length ? `${history.at(-1)[series].toFixed(1)}%` : "-";
  }
}

function describe(panel, { epoch, running, clean, test }) {
  const words = `Accuracies after epoch ${epoch}: training as Keras prints it ${running}%, measured cleanly ${clean}%, test ${test}%.`;
  panel.querySelector("svg").setAttribute("aria-label", words);
}

function addRow(cells) {
  const row = of("runs").tBodies[0].insertRow(0);
  for (const text of cells) {
    const cell = row.insertCell();
    cell.className = "number";
    cell.textContent = text;
  }
}

of("start").addEventListener("click", () => {
  const rate = of("train-rate").value;
  const seed = Math.floor(Math.random() * 1e6);
  const panels = [of("without"), of("with")];
  const histories = [[], []];
  const waiting = []; // events that are not shown yet
  const source = new EventSource(`train?rate=${rate}&seed=${seed}`);
  panels[1].querySelector("h3").textContent = `With dropout ${rate}`;
  panels.forEach((panel) => draw(panel, []));
  of("start").disabled = true;
  of("news").textContent = `Training with seed ${seed}.`;

  const finish = (news) => {
    of("start").disabled = false;
    of("epoch").textContent = "";
    of("news").textContent = news;
  };
  const shown = {
    epoch(pair) {
      pair.forEach((row, arm) => {
        histories[arm].push(row);
        draw(panels[arm], histories[arm]);
      });
      of("epoch").textContent = `Epoch ${pair[0].epoch} of ${EPOCHS}`;
    },
    end({ words, row }) {
      panels.forEach((panel, arm) => describe(panel, histories[arm].at(-1)));
      of("words").replaceChildren(...words.map((text) => Object.assign(document.createElement("li"), { textContent: text })));
      addRow(row);
      of("result").hidden = false;
      finish("Finished. What this run shows is below.");
    },
    busy: finish,
    lost: () => finish(GONE),
  };
  const next = () => {
    const event = waiting.shift();
    if (event) shown[event[0]](event[1]);
    if (event && event[0] !== "epoch") clearInterval(timer);
  };
  const timer = setInterval(next, PACE);
  for (const name of ["epoch", "end", "busy"]) {
    source.addEventListener(name, (event) => {
      waiting.push([name, JSON.parse(event.data)]);
      if (name !== "epoch") source.close();
    });
  }
  source.onerror = () => {
    source.close(); // or else it would begin another training
    waiting.push(["lost", null]);
  };
});
