// Heatmaps of one card: asked for when they are opened, kept by class and method.

import { explain } from "/assets/api.js";
import { className, element, setup } from "/assets/answer.js";

const branchName = (branch) => (branch === "fused" ? "all, fused" : branch);

export function wireHeat(card, entry) {
  const find = (name) => card.querySelector(name);
  const [button, controls, note, heat] = [".show-heat", ".heat-controls", ".heat-note", "img.heat"].map(find);
  const [target, branch, method, strength] = [".target", ".branch", ".method", ".strength"].map(find);
  const kept = new Map();
  const say = (text) => {
    note.textContent = text;
    note.hidden = !text;
  };

  target.append(...setup.codes.map((code) => option(code, className(code))));
  branch.append(...[...setup.branches].reverse().map((name) => option(name, branchName(name))));
  target.value = entry.row.subtype;

  async function draw() {
    const key = `${target.value} ${method.value}`;
    if (!kept.has(key)) {
      say("Computing …");
      try {
        kept.set(key, await explain(entry.file, target.value, method.value));
      } catch (error) {
        say(`No heatmap: ${error.message}.`);
        heat.hidden = true;
        return;
      }
    }
    if (key !== `${target.value} ${method.value}`) return;
    const found = kept.get(key);
    heat.src = found.heat[branch.value];
    heat.alt = `Evidence for ${className(target.value)} ${branch.value === "fused" ? "at all branches, fused" : `at branch ${branch.value}`}`;
    heat.hidden = controls.hidden;
    say(found.peaks[branch.value] > 0 ? "" : `Nothing in this image speaks for ${className(target.value)} here.`);
  }

  const nameButton = () => {
    button.textContent = controls.hidden ? "Show evidence" : "Hide evidence";
    button.setAttribute("aria-label", `${button.textContent} in ${entry.row.path}`);
  };
  nameButton();
  button.addEventListener("click", () => {
    controls.hidden = !controls.hidden;
    button.setAttribute("aria-expanded", String(!controls.hidden));
    nameButton();
    if (controls.hidden) heat.hidden = true;
    else draw();
  });
  for (const control of [target, branch, method]) control.addEventListener("change", draw);
  const fade = () => heat.style.setProperty("--strength", strength.value / 100);
  strength.addEventListener("input", fade);
  fade();
}

function option(value, text) {
  const made = element("option", "", text);
  made.value = value;
  return made;
}
