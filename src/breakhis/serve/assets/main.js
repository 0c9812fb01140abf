// The page: files in, cards out. One request a file, a few at a time; the service batches them.

import { predict, preview, Refused } from "/assets/api.js";
import { setup, showAnswer, showProblem } from "/assets/answer.js";
import { drawGroups } from "/assets/groups.js";
import { wireHeat } from "/assets/heat.js";
import { saveCsv, saveReport } from "/assets/save.js";

const AT_ONCE = 8;
const get = (id) => document.getElementById(id);
const counted = (number, noun) => `${number} ${noun}${number === 1 ? "" : "s"}`;
const megabytes = (bytes) => `${Math.round(bytes / 2 ** 20)} MB`;

let entries = [];
let stopping = new AbortController();
let round = { queue: [], done: 0, all: 0, running: 0 };

// Files in

function add(files) {
  if (!files.length) return;
  if (!round.running) round = { queue: [], done: 0, all: 0, running: 0 };
  if (stopping.signal.aborted) stopping = new AbortController();
  for (const file of files) {
    const entry = { file, row: null, lost: false, card: makeCard(file) };
    entries.push(entry);
    entry.card.querySelector(".remove").addEventListener("click", () => remove(entry));
    if (file.size > setup.fileBytes) {
      const found = `${megabytes(file.size)}, more than ${megabytes(setup.fileBytes)}`;
      showProblem(entry.card, "Too large", { found, fix: "cut it into tiles, or save it as PNG or JPEG" });
    } else enqueue(entry);
  }
  get("answers").hidden = false;
  get("status").textContent = `${counted(files.length, "image")} added.`;
  work();
  showTally();
}

function enqueue(entry) {
  round.queue.push(entry);
  round.all += 1;
}

function makeCard(file) {
  const card = get("image-template").content.cloneNode(true).firstElementChild;
  card.querySelector(".name").textContent = file.name;
  card.querySelector(".finding").textContent = "Waiting …";
  card.querySelector(".evidence").hidden = true;
  card.querySelector(".remove").setAttribute("aria-label", `Remove ${file.name}`);
  const photo = card.querySelector(".photo");
  photo.alt = file.name;
  photo.addEventListener("error", () => showPreview(photo, file), { once: true });
  photo.src = URL.createObjectURL(file);
  get("images").append(card);
  return card;
}

async function showPreview(photo, file) {
  URL.revokeObjectURL(photo.src);
  photo.removeAttribute("src");
  if (file.size > setup.fileBytes) return;
  try {
    photo.src = URL.createObjectURL(await preview(file));
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    photo.closest(".picture").classList.add("missing");
  }
}

// Requests

function work() {
  while (round.running < AT_ONCE && round.queue.length) {
    round.running += 1;
    answer(round.queue.shift()).finally(() => {
      round.running -= 1;
      work();
    });
  }
  showProgress();
  if (!round.running && !round.queue.length && round.all) finish();
}

async function answer(entry) {
  entry.card.querySelector(".finding").textContent = "Computing …";
  try {
    entry.row = await predict(entry.file, stopping.signal);
    entry.lost = false;
    showRow(entry);
  } catch (error) {
    if (error.name === "AbortError" || (error instanceof Refused && !error.problem)) {
      entry.lost = true;
      entry.card.querySelector(".finding").textContent = "Not answered";
    } else if (error instanceof Refused) showProblem(entry.card, "Cannot be read", error.problem);
    else throw error;
  }
  round.done += 1;
}

function showRow(entry) {
  const { card, row } = entry;
  showAnswer(card, row);
  showGroup(entry);
  card.querySelector(".evidence").hidden = false;
  wireHeat(card, entry);
}

function showGroup({ card, row }) {
  const name = card.querySelector(".group-name");
  name.hidden = !row.patient;
  name.textContent = row.patient ? `Patient ${row.patient}` : "";
}

function finish() {
  round.all = 0;
  const lost = entries.filter((entry) => entry.lost);
  get("failure").hidden = !lost.length;
  get("failure").firstElementChild.textContent = stopping.signal.aborted
    ? `Stopped. ${counted(lost.length, "image")} not answered.`
    : `The service does not answer. ${counted(lost.length, "image")} not answered.`;
  get("status").textContent = `Done: ${tally()}.`;
  drawGroups(entries);
}

function showProgress() {
  const busy = round.running > 0 || round.queue.length > 0;
  get("progress").hidden = !busy;
  get("progress-text").textContent = `${round.done} of ${counted(round.all, "image")} answered`;
  get("progress-bar").max = Math.max(round.all, 1);
  get("progress-bar").value = round.done;
  showTally();
}

// What is there

function tally() {
  const rows = entries.filter((entry) => entry.row).map((entry) => entry.row);
  const answered = rows.filter((row) => !row.abstain);
  const parts = [`${counted(answered.length, "image")} answered`];
  if (setup.malignant.length && answered.length) {
    parts.push(`${answered.filter((row) => row.malignant > 0.5).length} of them as malignant`);
  }
  const silent = rows.length - answered.length;
  const lost = entries.filter((entry) => entry.lost).length;
  const unread = entries.length - rows.length - lost;
  if (silent) parts.push(`${silent} without an answer`);
  if (unread) parts.push(`${unread} not read`);
  if (lost) parts.push(`${lost} still to be answered`);
  return parts.join(", ");
}

function showTally() {
  get("tools").hidden = !entries.length;
  get("answers").hidden = !entries.length;
  get("tally").textContent = round.running ? "" : tally();
}

function remove(entry) {
  const next = entry.card.nextElementSibling ?? entry.card.previousElementSibling;
  URL.revokeObjectURL(entry.card.querySelector(".photo").src);
  entry.card.remove();
  entries = entries.filter((other) => other !== entry);
  round.queue = round.queue.filter((other) => other !== entry);
  (next?.querySelector(".remove") ?? get("files")).focus();
  showTally();
  drawGroups(entries);
}

// Controls

get("files").addEventListener("change", (event) => {
  add([...event.target.files]);
  event.target.value = "";
});
get("files").addEventListener("keydown", (event) => {
  if (event.key !== "Enter") return;
  event.preventDefault();
  event.target.click();
});
for (const kind of ["dragover", "dragleave", "drop"]) {
  document.addEventListener(kind, (event) => {
    event.preventDefault();
    get("drop").classList.toggle("over", kind === "dragover");
    if (kind === "drop") add([...event.dataTransfer.files]);
  });
}
get("stop").addEventListener("click", () => {
  for (const entry of round.queue) {
    entry.lost = true;
    entry.card.querySelector(".finding").textContent = "Not answered";
  }
  round.queue = [];
  stopping.abort();
});
get("retry").addEventListener("click", () => {
  get("failure").hidden = true;
  stopping = new AbortController();
  round = { queue: [], done: 0, all: 0, running: 0 };
  entries.filter((entry) => entry.lost).forEach(enqueue);
  work();
});
get("clear").addEventListener("click", () => {
  stopping.abort();
  round.queue = [];
  entries.forEach((entry) => URL.revokeObjectURL(entry.card.querySelector(".photo").src));
  entries = [];
  get("images").replaceChildren();
  get("failure").hidden = true;
  showTally();
  drawGroups(entries);
  get("status").textContent = "All images removed.";
  get("files").focus();
});
get("csv").addEventListener("click", () => saveCsv(entries.filter((entry) => entry.row).map((entry) => entry.row)));
get("report").addEventListener("click", saveReport);
get("pool-by").addEventListener("change", () => drawGroups(entries));
get("select-all").addEventListener("click", () => {
  for (const { card } of entries) card.querySelector(".select").checked = true;
});
get("pool-form").addEventListener("submit", (event) => {
  event.preventDefault();
  const name = get("group").value.trim();
  const chosen = entries.filter((entry) => entry.row && entry.card.querySelector(".select").checked);
  if (!name || !chosen.length) {
    get("pool-note").textContent = name ? "Select images first." : "Name the patient first.";
    return;
  }
  for (const entry of chosen) {
    entry.row.patient = name;
    entry.row.case = name;
    entry.card.querySelector(".select").checked = false;
    showGroup(entry);
  }
  get("group").value = "";
  drawGroups(entries);
});

const dark = () =>
  (document.documentElement.dataset.theme ?? (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light")) === "dark";
const nameTheme = () => {
  get("theme").textContent = dark() ? "Light theme" : "Dark theme";
};
get("theme").addEventListener("click", () => {
  const chosen = dark() ? "light" : "dark";
  document.documentElement.dataset.theme = chosen;
  localStorage.setItem("theme", chosen);
  nameTheme();
});
nameTheme();
