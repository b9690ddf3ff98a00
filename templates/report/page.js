"use strict";
// The report's behaviour. Everything shown comes from the index and the blocks as text: no markup
// is ever made from data.

const rows = JSON.parse(document.getElementById("index").textContent);
const total = rows.oid.length;
const ROW = 26; // pixels; as in the style
const DEEPEST = 10; // levels of guides that are drawn
const SVG = "http://www.w3.org/2000/svg";

const tree = document.getElementById("tree");
const article = document.getElementById("candidate");
const reading = article.parentElement;
const find = document.getElementById("find");
const which = document.getElementById("which");
const rowOf = new Map(rows.oid.map((oid, row) => [oid, row]));
const hasChild = new Uint8Array(total);
for (const above of rows.under) if (above >= 0) hasChild[above] = 1;

let listed = []; // the rows in the list, from top to bottom
let chosen = rows.incumbent;

// ---- elements --------------------------------------------------------------------------------

function element(name, attributes, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes || {})) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

function shape(name, attributes, ...children) {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

const times = (value) => `${value.toFixed(3)}x`;
const percent = (ratio) => `${ratio >= 1 ? "+" : "\u2212"}${Math.abs((ratio - 1) * 100).toFixed(1)}%`;
const direction = ([, low, high]) => (low > 1 ? "up" : high < 1 ? "down" : "");
const short = (oid) => oid.slice(0, 10);
const entered = (row) => rows.status[row] === "accepted" || rows.status[row] === "seed";
const verdictWords = (row) => rows.verdict[row].toLowerCase().replaceAll("_", " ");

// ---- the list of candidates ------------------------------------------------------------------

function wanted() {
  const words = find.value.toLowerCase().split(/\s+/).filter(Boolean);
  const test = {
    entered,
    live: (row) => rows.standing[row] === "live" || rows.standing[row] === "champion",
    rejected: (row) => rows.status[row] === "rejected",
    draft: (row) => rows.status[row] === "draft",
    failed: (row) => rows.score[row] === null,
  }[which.value];
  const found = [];
  for (let row = 0; row < total; row++) {
    if (test && !test(row)) continue;
    if (words.length) {
      const text = `${rows.subject[row]} ${rows.oid[row]} ${rows.operator[row]}`.toLowerCase();
      if (!words.every((word) => text.includes(word))) continue;
    }
    found.push(row);
  }
  return found;
}

function list() {
  listed = wanted();
  const count = document.getElementById("count");
  count.textContent = listed.length === total ? `${total}` : `${listed.length} of ${total}`;
  tree.replaceChildren(element("div", { class: "space", role: "presentation" }));
  tree.firstChild.style.height = `${listed.length * ROW}px`;
  reveal();
  paint();
}

function paint() {
  const first = Math.max(0, Math.floor(tree.scrollTop / ROW) - 8);
  const last = Math.min(listed.length, Math.ceil((tree.scrollTop + tree.clientHeight) / ROW) + 8);
  const made = [];
  for (let place = first; place < last; place++) made.push(rowElement(listed[place], place));
  tree.firstChild.replaceChildren(...made);
  const here = document.getElementById(`row-${chosen}`);
  if (here) tree.setAttribute("aria-activedescendant", here.id);
  else tree.removeAttribute("aria-activedescendant");
}

function rowElement(row, place) {
  const made = element("div", {
    class: `row ${entered(row) ? "in" : "out"}`, role: "option", id: `row-${row}`,
    "aria-selected": row === chosen,
    "aria-posinset": place + 1, "aria-setsize": listed.length,
  }, scoreCell(row), gainCell(row), whatCell(row));
  made.style.top = `${place * ROW}px`;
  made.dataset.row = row;
  return made;
}

function scoreCell(row) {
  const score = rows.score[row];
  if (score) return element("span", { class: "score" }, times(score[0]));
  return element("span", { class: "score failed", title: verdictWords(row) }, verdictWords(row).split(" ")[0]);
}

function gainCell(row) {
  const gain = rows.gain[row];
  return element("span", { class: `gain ${gain ? direction(gain) : ""}` }, gain ? percent(gain[0]) : "");
}

function whatCell(row) {
  const cell = element("span", { class: "what" });
  if (listed.length === total) cell.append(...guideCells(row));
  const above = listed.length === total && rows.continues[row] ? "above" : "";
  const below = listed.length === total && hasChild[row] ? "below" : "";
  cell.append(
    element("span", { class: `dot ${above} ${below}` }, element("i", { class: rows.standing[row] })),
    element("span", { class: "subject", title: rows.subject[row] }, rows.subject[row]),
  );
  const tagged = ["live", "champion", "pruned"].includes(rows.standing[row]);
  cell.append(
    element("span", { class: tagged ? `tag ${rows.standing[row]}` : "unseen" }, rows.standing[row]),
    element("span", { class: "unseen" }, short(rows.oid[row])),
  );
  return cell;
}

function guideCells(row) {
  const guides = rows.guides[row];
  const cells = [...guides.slice(-DEEPEST)].map((kind) => element("span", { class: `guide ${kind}` }));
  if (guides.length > DEEPEST) cells.unshift(element("span", { class: "more" }, `+${guides.length - DEEPEST} `));
  return cells;
}

// A step scrolls as far as it must; a jump ends in the middle, with what is around it.
function reveal() {
  const place = listed.indexOf(chosen);
  if (place < 0) return;
  const top = place * ROW;
  const above = tree.scrollTop - top;
  const below = top + ROW - tree.scrollTop - tree.clientHeight;
  if (Math.max(above, below) > 2 * ROW) tree.scrollTop = top - (tree.clientHeight - ROW) / 2;
  else if (above > 0) tree.scrollTop -= above;
  else if (below > 0) tree.scrollTop += below;
}

// ---- choosing --------------------------------------------------------------------------------

function choose(row) {
  chosen = row;
  reveal();
  paint();
  mark();
  history.replaceState(null, "", `#${short(rows.oid[row])}`);
  show(row);
}

function step(by) {
  const place = listed.indexOf(chosen);
  const next = Math.min(listed.length - 1, Math.max(0, place < 0 ? 0 : place + by));
  if (listed.length) choose(listed[next]);
}

function goTo(element_) {
  element_.focus({ preventScroll: true });
  element_.scrollIntoView({ block: "start" });
}

const page = () => Math.max(1, Math.floor(tree.clientHeight / ROW) - 1);
const keys = {
  ArrowDown: () => step(1),
  ArrowUp: () => step(-1),
  PageDown: () => step(page()),
  PageUp: () => step(-page()),
  Home: () => step(-total),
  End: () => step(total),
  ArrowLeft: () => rows.under[chosen] >= 0 && choose(rows.under[chosen]),
  ArrowRight: () => hasChild[chosen] && choose(rows.under.indexOf(chosen)),
  Enter: () => goTo(article),
};

tree.addEventListener("keydown", (event) => {
  if (!keys[event.key] || event.ctrlKey || event.metaKey || event.altKey) return;
  event.preventDefault();
  keys[event.key]();
});
tree.addEventListener("click", (event) => {
  const hit = event.target.closest(".row");
  if (!hit) return;
  choose(Number(hit.dataset.row));
  if (getComputedStyle(document.querySelector("main")).display !== "grid") goTo(article);
});
tree.addEventListener("scroll", () => requestAnimationFrame(paint), { passive: true });
find.addEventListener("input", list);
which.addEventListener("change", list);
document.querySelector("form").addEventListener("submit", (event) => event.preventDefault());

// ---- one candidate ---------------------------------------------------------------------------

const opened = new Map(); // block number -> promise of its details

function details(row) {
  const number = Math.floor(row / rows.block);
  if (!opened.has(number)) opened.set(number, open(number));
  return opened.get(number).then((block) => block[row % rows.block]);
}

async function open(number) {
  const packed = atob(document.getElementById(`block-${number}`).textContent);
  const bytes = Uint8Array.from(packed, (letter) => letter.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  return JSON.parse(await new Response(stream).text());
}

async function show(row) {
  reading.scrollTop = 0;
  const heading = element("h2", { id: "candidate-title" }, rows.subject[row]);
  const back = element("a", { class: "back", href: "#tree" }, "Back to the candidates");
  back.addEventListener("click", (event) => { event.preventDefault(); goTo(tree); });
  const top = [back, heading, verdict(row)];
  let detail;
  try {
    detail = await details(row);
  } catch (error) {
    const command = element("code", {}, `git show ${short(rows.oid[row])}`);
    const said = element("p", {}, `This browser cannot open the details (${error.message}). In the repository: `, command);
    article.replaceChildren(...top, said);
    return;
  }
  if (row !== chosen) return; // another was chosen meanwhile
  article.replaceChildren(...top, facts(row, detail), ...table(detail), ...why(detail), ...diff(row, detail),
    ...transcript(detail), ...trailers(detail));
}

function verdict(row) {
  const made = element("p", { class: "verdict" });
  const score = rows.score[row];
  if (score) {
    made.append(element("b", {}, times(score[0])), element("small", {}, `${times(score[1])} to ${times(score[2])} against the baseline`));
  } else {
    made.append(element("b", { class: "down" }, verdictWords(row)));
  }
  const gain = rows.gain[row];
  if (gain) {
    made.append(element("span", { class: direction(gain) }, `${percent(gain[0])} against its parent `,
      element("small", {}, `(${percent(gain[1])} to ${percent(gain[2])})`)));
  }
  made.append(element("span", { class: `tag ${rows.standing[row]}` }, rows.standing[row]));
  return made;
}

function link(oid) {
  const row = rowOf.get(oid);
  if (row === undefined) return element("span", { class: "id" }, `${short(oid)} (your own history)`);
  const made = element("button", { type: "button", class: "id" }, short(oid));
  made.addEventListener("click", () => { choose(row); goTo(article); });
  return element("span", {}, made, ` ${rows.subject[row]}`);
}

function facts(row, detail) {
  const known = detail.trailers;
  const children = rows.under.filter((above) => above === row).length;
  const pairs = [
    ["Plan", known["Avo-Plan"]],
    ["Decision", known["Avo-Reason"] && `${rows.status[row]}: ${known["Avo-Reason"]}`],
    ["Retired", detail.pruned],
    ["Operator", [known["Avo-Operator"], known["Avo-Model"], known["Avo-Tokens"]].filter(Boolean).join(", ")],
    ["Commit", element("span", { class: "id" }, rows.oid[row])],
    ...detail.parents.map((oid) => ["Parent", link(oid)]),
    ["Children", children ? `${children}` : ""],
    ["Date", `${new Date(rows.time[row] * 1000).toISOString().slice(0, 16).replace("T", " ")} UTC`],
    ["Measured on", [known["Avo-Device"], known["Avo-Baseline"] && `against ${known["Avo-Baseline"]}`].filter(Boolean).join(", ")],
    ["Unmeasured", detail.unmeasured],
    ["Read it", element("code", {}, `git show ${short(rows.oid[row])}`)],
  ];
  const made = element("dl", { class: "facts" });
  for (const [name, value] of pairs) if (value) made.append(element("dt", {}, name), element("dd", {}, value));
  return made;
}

function why(detail) {
  const made = [];
  if (detail.why) made.push(element("h3", {}, "Why"), element("p", { class: "why" }, detail.why));
  if (detail.champion) made.push(element("h3", {}, "Confirmation"), element("p", { class: "why" }, detail.champion));
  return made;
}

function ratioCell(ratio) {
  if (!ratio) return element("td", {}, "");
  const half = ((ratio[2] - ratio[1]) * 50).toFixed(1);
  return element("td", { class: direction(ratio) }, percent(ratio[0]), element("small", {}, ` \u00b1${half}`));
}

const microseconds = (value) => element("td", {}, value ? value.toFixed(1) : "");

function table(detail) {
  if (!detail.table.length) return scoresOnly(detail);
  const arms = Object.keys(detail.table[0].arms);
  const name = (arm) => (arm === "baseline" ? (detail.trailers["Avo-Baseline"] || arm).split(" ")[0] : arm);
  const names = ["workload", "this us", ...arms.map((arm) => `vs ${name(arm)}`), ...arms.map((arm) => `${name(arm)} us`)];
  const heading = element("tr", {}, ...names.map((text) => element("th", { scope: "col" }, text)));
  const lines = detail.table.map((line) => element("tr", {},
    element("th", { scope: "row" }, line.workload),
    microseconds(line.this_us),
    ...arms.map((arm) => ratioCell(line.arms[arm]?.[1])),
    ...arms.map((arm) => microseconds(line.arms[arm]?.[0]))));
  return withTable("Workloads", heading, lines);
}

function scoresOnly(detail) {
  const words = (detail.trailers["Avo-Score-Workloads"] || "").split(" ").filter(Boolean);
  if (!words.length) return [];
  const heading = element("tr", {}, element("th", { scope: "col" }, "workload"), element("th", { scope: "col" }, "score"));
  const lines = words.map((word) => {
    const at = word.lastIndexOf("=");
    return element("tr", {}, element("th", { scope: "row" }, word.slice(0, at)), element("td", {}, `${word.slice(at + 1)}x`));
  });
  return withTable("Workloads", heading, lines);
}

function withTable(title, heading, lines) {
  const made = element("table", {}, element("thead", {}, heading), element("tbody", {}, ...lines));
  return [element("h3", {}, title), element("div", { class: "wide", role: "region", "aria-label": title, tabindex: "0" }, made)];
}

function diff(row, detail) {
  const made = [element("h3", {}, "Diff against its parent")];
  if (!detail.diff) return [...made, element("p", {}, "No file differs.")];
  for (const text of detail.diff.split(/^(?=diff --git )/m)) {
    const [, name] = /^\+\+\+ b\/(.*)$/m.exec(text) || /^diff --git a\/(.*) b\//.exec(text) || [null, ""];
    const body = text.trimEnd().split("\n");
    const start = body.findIndex((line) => line.startsWith("@@"));
    const moved = /^rename from (.*)$/m.exec(text);
    const code = element("pre", { tabindex: "0", role: "region", "aria-label": `Diff of ${name}` });
    code.append(...(start < 0 ? body.slice(1) : body.slice(start)).map(diffLine));
    made.push(element("h4", { class: "file" }, moved ? `${moved[1]} \u2192 ${name}` : name), code);
  }
  if (detail.cut) made.push(element("p", {}, "The rest is cut here: ", element("code", {}, `git show ${short(rows.oid[row])}`)));
  return made;
}

function diffLine(text) {
  const kind = { "+": "added", "-": "removed", "@": "hunk" }[text[0]];
  return element("span", kind ? { class: kind } : {}, text || " ");
}

function transcript(detail) {
  if (!detail.transcript.length) return [];
  const made = element("details", {}, element("summary", {}, `${detail.transcript.length} turns`));
  made.addEventListener("toggle", () => {
    if (made.childElementCount > 1) return;
    for (const [who, text] of detail.transcript) {
      made.append(element("div", { class: "turn" }, element("h4", {}, who), element("pre", { tabindex: "0" }, text)));
    }
  });
  const command = element("code", {}, `git show ${short(detail.record)}:${detail.file}`);
  return [element("h3", {}, "Transcript"), made, element("p", { class: "hint" }, "Whole: ", command)];
}

function trailers(detail) {
  const made = element("dl", { class: "facts" });
  for (const [key, value] of Object.entries(detail.trailers)) made.append(element("dt", {}, key), element("dd", {}, value));
  return [element("details", {}, element("summary", {}, "All trailers of the commit"), made)];
}

// ---- the trajectory --------------------------------------------------------------------------

const chart = document.getElementById("chart");
let scale = null;

function ticks(low, high, most) {
  const rough = (high - low) / most || 1;
  const power = 10 ** Math.floor(Math.log10(rough));
  const size = [1, 2, 5, 10].map((n) => n * power).find((n) => n >= rough);
  const found = [];
  for (let at = Math.ceil(low / size) * size; at <= high + size / 1e6; at += size) found.push(Number(at.toPrecision(12)));
  return found;
}

function makeScale() {
  const width = chart.clientWidth;
  const height = chart.clientHeight;
  const values = [1, ...rows.score.filter(Boolean).map((score) => score[0]), ...rows.best.flatMap((best) => best.workloads.filter(Boolean))];
  const least = values.reduce((a, b) => Math.min(a, b));
  const most = values.reduce((a, b) => Math.max(a, b));
  const low = least < most * 0.4 ? 0 : least - (most - least) * 0.08;
  const high = most + (most - low) * 0.06;
  const box = { left: 40, right: width - 8, top: 6, bottom: height - 20 };
  return {
    width, height, low, high, ...box,
    x: (number) => box.left + ((number + 0.5) / (total + 0.5)) * (box.right - box.left),
    y: (value) => box.bottom - ((Math.min(high, Math.max(low, value)) - low) / (high - low)) * (box.bottom - box.top),
  };
}

// A value for every step of the best so far, held until the next one.
function stairs(values) {
  let path = "";
  rows.best.forEach((best, at) => {
    const value = values[at];
    if (value === null || value === undefined) return;
    const next = at + 1 < rows.best.length ? rows.number[rows.best[at + 1].row] : total;
    path += `${path ? "L" : "M"}${scale.x(rows.number[best.row]).toFixed(1)} ${scale.y(value).toFixed(1)}H${scale.x(next).toFixed(1)}`;
  });
  return path;
}

function band() {
  let path = "";
  rows.best.forEach((best, at) => {
    const [, low, high] = rows.score[best.row];
    const next = at + 1 < rows.best.length ? rows.number[rows.best[at + 1].row] : total;
    const left = scale.x(rows.number[best.row]).toFixed(1);
    path += `M${left} ${scale.y(low).toFixed(1)}H${scale.x(next).toFixed(1)}V${scale.y(high).toFixed(1)}H${left}Z`;
  });
  return path;
}

function draw() {
  scale = makeScale();
  const picture = shape("svg", { viewBox: `0 0 ${scale.width} ${scale.height}`, role: "img", "aria-label": chartWords() });
  for (const value of ticks(scale.low, scale.high, 5)) {
    const at = scale.y(value).toFixed(1);
    picture.append(shape("path", { class: "axis", d: `M${scale.left} ${at}H${scale.right}` }),
      shape("text", { x: scale.left - 6, y: Number(at) + 4, "text-anchor": "end" }, `${value}x`));
  }
  for (const value of ticks(0, total - 1, Math.max(2, scale.width / 90))) {
    if (Number.isInteger(value)) picture.append(shape("text", { x: scale.x(value), y: scale.height - 4, "text-anchor": "middle" }, `${value}`));
  }
  let tried = "";
  let into = "";
  const reach = total > 2000 ? 1 : 2.4;
  for (let row = 0; row < total; row++) {
    if (!rows.score[row]) continue;
    const x = scale.x(rows.number[row]);
    const y = scale.y(rows.score[row][0]);
    if (entered(row)) into += `M${x.toFixed(1)} ${y.toFixed(1)}h.01`;
    else tried += `M${(x - reach).toFixed(1)} ${(y - reach).toFixed(1)}l${2 * reach} ${2 * reach}m0 ${-2 * reach}l${-2 * reach} ${2 * reach}`;
  }
  picture.append(shape("path", { class: "band", d: band() }), shape("path", { class: "tried", d: tried }));
  rows.workloads.forEach((name, at) => picture.append(
    shape("path", { class: `workload w${at % 6}`, d: stairs(rows.best.map((best) => best.workloads[at])) })));
  const dots = shape("path", { class: "entered", d: into });
  if (total > 2000) dots.style.strokeWidth = 2;
  picture.append(
    shape("path", { class: "base", d: `M${scale.left} ${scale.y(1).toFixed(1)}H${scale.right}` }),
    shape("path", { class: "best", d: stairs(rows.best.map((best) => rows.score[best.row][0])) }), dots,
    shape("circle", { class: "here", r: 6, cx: -20, cy: -20 }));
  chart.replaceChildren(picture);
  mark();
}

function mark() {
  const here = chart.querySelector(".here");
  if (!here || !scale) return;
  const score = rows.score[chosen];
  here.setAttribute("cx", score ? scale.x(rows.number[chosen]) : -20);
  here.setAttribute("cy", score ? scale.y(score[0]) : -20);
}

function chartWords() {
  const last = rows.best[rows.best.length - 1];
  if (!last) return "No candidate has a score yet.";
  const first = rows.best[0];
  return `Best score so far over ${total} candidates, in the order of trying: from ${times(rows.score[first.row][0])} to ${times(rows.score[last.row][0])} in ${rows.best.length} steps; the baseline is 1x.`;
}

chart.addEventListener("click", (event) => {
  const frame = chart.getBoundingClientRect();
  const [x, y] = [event.clientX - frame.left, event.clientY - frame.top];
  let nearest = -1;
  let least = 40 * 40;
  for (let row = 0; row < total; row++) {
    if (!rows.score[row]) continue;
    const far = (scale.x(rows.number[row]) - x) ** 2 + (scale.y(rows.score[row][0]) - y) ** 2;
    if (far < least) [least, nearest] = [far, row];
  }
  if (nearest >= 0) choose(nearest);
});

function legend() {
  const swatch = (kind, path) => shape("svg", { "aria-hidden": "true", viewBox: "0 0 26 10" }, shape("path", { class: kind, d: path }));
  const line = "M0 5H26";
  const items = [
    [swatch("best", line), "best so far, with its interval"],
    [swatch("base", line), `baseline ${rows.baselines.join(", ")}`],
    ...rows.workloads.map((name, at) => [swatch(`workload w${at % 6}`, line), name]),
    [swatch("entered", "M13 5h.01"), "entered a line"],
    [swatch("tried", "M10 2l6 6m0 -6l-6 6"), "did not"],
  ];
  document.getElementById("legend").append(...items.map(([mark_, text]) => element("li", {}, mark_, text)));
}

function stepsTable() {
  const names = ["number", "candidate", "score", ...rows.workloads];
  const heading = element("tr", {}, ...names.map((name) => element("th", { scope: "col" }, name)));
  const lines = rows.best.map((best) => element("tr", {},
    element("th", { scope: "row" }, `${rows.number[best.row]}`),
    element("td", {}, link(rows.oid[best.row])),
    element("td", {}, times(rows.score[best.row][0])),
    ...best.workloads.map((value) => element("td", {}, value ? times(value) : ""))));
  document.getElementById("steps").append(element("table", {}, element("thead", {}, heading), element("tbody", {}, ...lines)));
}

// ---- the start -------------------------------------------------------------------------------

function named() {
  const wish = location.hash.slice(1);
  return /^[0-9a-f]{7,}$/.test(wish) ? rows.oid.findIndex((oid) => oid.startsWith(wish)) : -1;
}

addEventListener("hashchange", () => { if (named() >= 0) choose(named()); });
addEventListener("resize", () => { draw(); reveal(); paint(); });
addEventListener("DOMContentLoaded", () => show(chosen)); // the blocks stand below this script

if (named() >= 0) chosen = named();
legend();
document.querySelector(".trajectory details").addEventListener("toggle", stepsTable, { once: true });
list();
draw();
performance.mark("drawn");
