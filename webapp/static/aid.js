// What the model says, in the aided arm only: its ranked list, evidence maps, nearest reference cases. The server records
// what is shown and when; it answers for no other case.
async function attachAid(panel, token, viewer) {
  let shown;
  try {
    const reply = await fetch(`/read/aid/${token}`);
    shown = await reply.json();
    if (!reply.ok) { panel.append(field("p", { class: "rz-problem", role: "alert", text: shown.problem })); return false; }
  } catch {
    panel.append(field("p", { class: "rz-problem", role: "alert", text: words.offline }));
    return false;
  }
  let pressed = null;
  function toggle(button, turnOn) {
    const on = button !== pressed;
    pressed?.setAttribute("aria-pressed", "false");
    viewer.overlay(null);
    viewer.beside(null);
    pressed = on ? button : null;
    button.setAttribute("aria-pressed", String(on));
    if (on) turnOn();
  }
  const list = field("ol", { class: "rz-model", "aria-label": words.model_list });
  for (const entry of shown.entries) {
    const share = Math.round(entry.score * 100);
    const row = field("li", {},
      field("span", { class: "rz-name", text: entry.label }),
      field("span", { class: "rz-share", text: `${(entry.score * 100).toFixed(1)} %` }),
      field("span", { class: "rz-bar-of", "aria-hidden": "true", style: `--share: ${share}%` }));
    if (entry.map) {
      const button = field("button", { type: "button", "aria-pressed": "false", text: words.map,
        "aria-label": say(words.map_of, { name: entry.label }) });
      button.addEventListener("click", () => toggle(button, () => viewer.overlay(`/read/aid/${token}/map/${entry.rank}`)));
      row.append(button);
    }
    list.append(row);
  }
  panel.append(list, field("p", { class: "rz-quiet", text: say(words.model_said, { model: shown.model }) }));
  if (!shown.references.length) return true;
  const near = field("ul", { class: "rz-near", "aria-label": words.references });
  for (const reference of shown.references) {
    const caption = `${reference.label} · ${reference.similarity.toFixed(2)}`;
    const row = field("li");
    if (reference.image) {
      const url = `/read/aid/${token}/reference/${reference.rank}`;
      const button = field("button", { type: "button", "aria-pressed": "false", "aria-label": say(words.beside, { name: reference.label }) },
        field("img", { src: url, alt: "", loading: "lazy" }), field("span", { text: caption }));
      button.addEventListener("click", () => toggle(button, () => viewer.beside(url, caption)));
      row.append(button);
    } else row.append(field("span", { text: caption }));
    near.append(row);
  }
  panel.append(field("h3", { text: words.references }), near);
  return true;
}
