// An answer, of an image or a patient, as text and bars.

export const setup = JSON.parse(document.body.dataset.setup);

/** A share in per cent. */
export function percent(share) {
  if (share > 0 && share < 0.0005) return "< 0.1 %";
  return `${(100 * share).toFixed(1)} %`;
}

export function element(kind, name = "", text = "") {
  const made = document.createElement(kind);
  if (name) made.className = name;
  made.textContent = text;
  return made;
}

/** The name of a class. */
export const className = (code) => setup.names[setup.codes.indexOf(code)];

const capital = (text) => text.charAt(0).toUpperCase() + text.slice(1);

const groups = setup.malignant.length
  ? ["benign", "malignant"].map((name, malignant) => [
      name,
      setup.codes.filter((_, index) => Number(setup.malignant[index]) === malignant),
    ])
  : [["classes", setup.codes]];

const groupOf = (code) => groups.find(([, codes]) => codes.includes(code))[0];

/** A reason, the classes that it names by their codes spelt out. */
function spelt(reason) {
  const codes = reason.match(/ between (\w+) and (\w+)$/)?.slice(1) ?? [];
  return codes.length ? `${reason} (${codes.map(className).join(", ")})` : reason;
}

/** Fill a card with the subtype, how sure it is, and eight bars in their groups with the groups' sums. */
export function showAnswer(card, row) {
  const finding = card.querySelector(".finding");
  finding.className = row.abstain ? "finding none" : `finding ${groupOf(row.subtype)}`;
  finding.textContent = row.abstain ? "No answer" : capital(className(row.subtype));
  const sure = card.querySelector(".sure");
  const malignant = row.malignant === null ? "" : `, malignant with ${percent(row.malignant)}`;
  sure.textContent = row.abstain ? "" : `Confidence ${percent(row.confidence)}${malignant}`;
  const why = card.querySelector(".reason");
  why.hidden = !row.abstain;
  why.textContent = row.abstain
    ? `${capital(spelt(row.reason))}. What the network computed is shown below and is not an answer.`
    : "";
  const bars = card.querySelector(".bars");
  bars.classList.toggle("muted", row.abstain);
  bars.replaceChildren(...groups.map(([name, codes]) => groupTable(name, codes, row)));
}

function groupTable(name, codes, row) {
  const table = element("table", name);
  const caption = table.createCaption();
  caption.append(element("span", "", capital(name)));
  if (name !== "classes") {
    const sum = name === "malignant" ? row.malignant : 1 - row.malignant;
    caption.append(element("b", "", percent(Math.max(0, sum))));
  }
  for (const code of codes) {
    const line = table.insertRow();
    const head = element("th", "", className(code));
    head.scope = "row";
    const cell = line.insertCell();
    const bar = element("span", "bar");
    bar.style.setProperty("--share", row[code]);
    cell.append(bar);
    line.prepend(head);
    line.append(element("td", "number", percent(row[code])));
    line.classList.toggle("top", code === row.subtype && !row.abstain);
  }
  return table;
}

/** Fill a card with why a file has no answer at all. */
export function showProblem(card, title, problem) {
  card.classList.add("unread");
  const finding = card.querySelector(".finding");
  finding.className = "finding none";
  finding.textContent = title;
  card.querySelector(".sure").textContent = "";
  const why = card.querySelector(".reason");
  why.hidden = false;
  why.textContent = problem ? `Found ${problem.found}. To do: ${problem.fix}.` : "";
  card.querySelector(".bars").replaceChildren();
}
