// What can be taken along: the table as CSV, the page as one file that stands alone. Both are made here, in the browser.

import { element, setup } from "/assets/answer.js";

const SIDE = 480;

function download(name, kind, content) {
  const link = element("a");
  link.href = URL.createObjectURL(new Blob([content], { type: kind }));
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}

function cell(value) {
  if (value === null || value === undefined) return "";
  if (typeof value === "boolean") return value ? "True" : "False";
  const text = String(value);
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

/** The answered rows with the columns of `breakhis predict --out`. */
export function saveCsv(rows) {
  const lines = [setup.columns, ...rows.map((row) => setup.columns.map((column) => row[column]))];
  download("predictions.csv", "text/csv", lines.map((line) => line.map(cell).join(",") + "\n").join(""));
}

/** A picture with the heat that lies over it, as the page shows it, as a data URL. */
function flat(picture) {
  const [photo, heat] = picture.querySelectorAll("img");
  const canvas = element("canvas");
  const scale = Math.min(1, SIDE / Math.max(photo.naturalWidth, photo.naturalHeight, 1));
  canvas.width = Math.max(1, Math.round(photo.naturalWidth * scale));
  canvas.height = Math.max(1, Math.round(photo.naturalHeight * scale));
  const context = canvas.getContext("2d");
  context.drawImage(photo, 0, 0, canvas.width, canvas.height);
  if (!heat.hidden) {
    context.globalAlpha = Number(heat.style.getPropertyValue("--strength"));
    context.drawImage(heat, 0, 0, canvas.width, canvas.height);
  }
  return canvas.toDataURL("image/jpeg", 0.85);
}

function copyOf(id) {
  const original = document.getElementById(id);
  if (original.hidden) return "";
  const copy = original.cloneNode(true);
  const pictures = [...original.querySelectorAll(".picture")];
  copy.querySelectorAll(".picture").forEach((picture, index) => {
    const photo = element("img", "photo");
    photo.alt = pictures[index].querySelector(".photo").alt;
    if (pictures[index].querySelector(".photo").naturalWidth) photo.src = flat(pictures[index]);
    picture.replaceChildren(photo);
    const heat = pictures[index].querySelector(".heat");
    if (!heat.hidden) picture.after(element("p", "note", heat.alt));
  });
  copy.querySelectorAll("form, .evidence, button, input, [role=status], .live").forEach((control) => control.remove());
  return copy;
}

/** The answers as one HTML file that loads nothing and prints. */
export async function saveReport() {
  const styles = await Promise.all(
    ["report.css", "page.css"].map(async (name) => (await fetch(`/assets/${name}`)).text()),
  );
  const report = document.implementation.createHTMLDocument("breakhis: answers");
  report.documentElement.lang = "en";
  const policy = element("meta");
  policy.httpEquiv = "Content-Security-Policy";
  policy.content = "default-src 'none'; style-src 'unsafe-inline'; img-src data:";
  const charset = element("meta");
  charset.setAttribute("charset", "utf-8");
  const width = element("meta");
  width.name = "viewport";
  width.content = "width=device-width, initial-scale=1";
  report.head.prepend(charset, policy, width);
  report.head.append(element("style", "", styles.join("\n")));
  const page = element("div", "page standalone");
  const head = element("header");
  head.append(
    element("p", "overline", `${document.querySelector(".overline").textContent}, ${new Date().toISOString().slice(0, 16).replace("T", " ")} UTC`),
    element("h1", "", "Answers for breast histology"),
  );
  const main = element("main");
  main.append(copyOf("tools"), copyOf("pooling"), copyOf("answers"), copyOf("model"));
  page.append(head, main, document.querySelector("footer").cloneNode(true));
  report.body.append(document.querySelector(".banner").cloneNode(true), page);
  download("breakhis-report.html", "text/html", `<!doctype html>\n${report.documentElement.outerHTML}`);
}
