// Images pooled into patients, by file name or by hand.

import { pool } from "/assets/api.js";
import { element, showAnswer } from "/assets/answer.js";

const get = (id) => document.getElementById(id);
const counted = (number, noun) => `${number} ${noun}${number === 1 ? "" : "s"}`;

let latest = 0;

/** Ask for the pooled answers of all rows and draw those of known groups. */
export async function drawGroups(entries) {
  const read = entries.filter((entry) => entry.row);
  get("pooling").hidden = read.length < 2;
  if (read.length < 2) return;
  const by = get("pool-by").value;
  const asked = (latest += 1);
  let pooled;
  try {
    pooled = await pool(read.map((entry) => entry.row), by);
  } catch (error) {
    get("pool-note").textContent = `Not pooled: ${error.message}.`;
    return;
  }
  if (asked !== latest) return;
  const members = Map.groupBy(read, (entry) => entry.row[by]);
  const alone = members.get("")?.length ?? 0;
  members.delete("");
  const single = [...members.values()].filter((group) => group.length === 1).length;
  get("pool-note").textContent = [
    alone ? `${counted(alone, "image")} of no known ${by}: select them, name the ${by}, and pool.` : "",
    single ? `${counted(single, by)} with a single image: answered below.` : "",
  ].join(" ").trim();
  const rows = pooled.filter((row) => row.path === row[by] && members.get(row[by])?.length > 1);
  get("pooled").replaceChildren(...rows.map((row) => groupCard(row, members.get(row[by]))));
  get("groups").replaceChildren(...[...members.keys()].map((name) => Object.assign(element("option"), { value: name })));
  get("pooling-title").textContent = by === "case" ? "Cases" : "Patients";
}

function groupCard(row, members) {
  const card = get("pooled-template").content.cloneNode(true).firstElementChild;
  const silent = members.filter((entry) => entry.row.abstain).length;
  const name = card.querySelector(".name");
  name.textContent = row.path;
  const apart = silent ? `, ${silent} without an answer` : "";
  name.after(element("small", "", `${counted(members.length, "image")}${apart}`));
  showAnswer(card, row);
  return card;
}
