// The reading desk: asks the server for the case to read, gathers one answer, sends it with that case's own token.
// The token travels inside the answer, taken at the click: a late or doubled click can never answer the next case.
const root = element.querySelector(".rz-desk-root");
const words = props.words;
let current = null;

function field(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name === "text") node.textContent = value;
    else if (value === true) node.setAttribute(name, "");
    else if (value !== false && value != null) node.setAttribute(name, value);
  }
  node.append(...children);
  return node;
}
function note(kind) {
  if (!current?.token) return;
  fetch(`/read/event/${current.token}/${kind}`, { method: "POST", keepalive: true }).catch(() => {});
}
function viewer(token) {
  const act = (name, text, toggle) => field("button", { type: "button", "data-do": name, text, "aria-pressed": toggle ? "false" : null });
  const tune = (name) => field("label", { text: words[name] },
    field("input", { type: "range", min: 30, max: 250, value: 100, "data-tune": name, "aria-label": words[name] }));
  return field("section", { class: "rz-viewer", "aria-label": words.viewer },
    field("div", { class: "rz-stage", tabindex: 0, role: "group", "aria-label": words.image, "aria-describedby": "rz-keys" },
      field("img", { src: `/image/${token}`, alt: words.image, draggable: "false" })),
    field("div", { class: "rz-tools", role: "toolbar", "aria-label": words.viewer },
      act("zoom-out", "−"), act("zoom-in", "+"), act("fit", words.fit), act("actual", words.actual),
      act("red-free", words.red_free, true), act("invert", words.invert, true), act("reset", words.reset),
      tune("brightness"), tune("contrast")),
    field("p", { id: "rz-keys", class: "rz-quiet", text: words.viewer_help }));
}
function form(value) {
  const levels = field("div", { class: "rz-levels" });
  levels.append(field("span", { class: "rz-quiet", text: words.low }));
  for (let n = 1; n <= value.confidence_levels; n++)
    levels.append(field("label", {}, field("input", { type: "radio", name: "rz-confidence", value: n }), String(n)));
  levels.append(field("span", { class: "rz-quiet", text: words.high }));
  return field("form", { class: "rz-answer", novalidate: true },
    field("fieldset", { class: "rz-differential" },
      field("legend", { text: words.differential }),
      field("p", { class: "rz-quiet", id: "rz-help", text: value.differential_help }),
      field("ol", { "aria-label": words.differential }),
      field("p", { class: "rz-empty", text: words.empty }),
      field("div", { class: "rz-combo" },
        field("input", { type: "text", role: "combobox", autocomplete: "off", "aria-autocomplete": "list", "aria-expanded": "false",
          "aria-controls": "rz-options", "aria-label": words.add, "aria-describedby": "rz-help", placeholder: words.add, maxlength: 200 }),
        field("ul", { id: "rz-options", role: "listbox", "aria-label": words.add, hidden: true })),
      field("div", { class: "rz-quick" },
        field("button", { type: "button", "data-entry": "normal-fundus", text: words.normal }),
        field("button", { type: "button", "data-entry": "ungradable", text: words.ungradable }))),
    field("fieldset", {}, field("legend", { text: words.confidence }), levels),
    field("label", { class: "rz-comment", text: words.comment }, field("textarea", { rows: 2, maxlength: 2000 })),
    field("p", { class: "rz-status", role: "status", "aria-live": "polite" }),
    field("button", { type: "submit", class: "rz-submit", text: words.submit }));
}
function show(value) {
  current = value;
  root.replaceChildren();
  if (!value.token) {
    root.append(field("p", { class: "rz-message", role: "status", text: value.message }));
    return;
  }
  const desk = field("div", { class: "rz-desk" });
  const head = field("div", { class: "rz-case" },
    field("h1", { text: value.title }), field("p", { text: value.position, class: "rz-position" }),
    field("progress", { max: value.total, value: value.number - 1, "aria-label": value.position }));
  if (value.synthetic) head.append(field("p", { class: "rz-quiet", text: words.synthetic }));
  head.append(field("p", { class: "rz-quiet", text: words.leave }));
  const answer = form(value);
  desk.append(head, viewer(value.token), answer);
  root.append(desk);
  attachViewer(root.querySelector(".rz-viewer"));
  let touched = false;
  const touch = () => { if (!touched) { touched = true; note("first_interaction"); } };
  desk.addEventListener("pointerdown", touch);
  desk.addEventListener("keydown", touch);
  const differential = attachDifferential(root.querySelector(".rz-differential"), words, value.k, value.free_text, touch);
  root.querySelector(".rz-stage img").addEventListener("load", () => note("shown"), { once: true });
  answer.addEventListener("submit", (event) => {
    event.preventDefault();
    const status = answer.querySelector(".rz-status");
    const ranks = differential.entries().map((e) => e.id);
    const confidence = answer.querySelector("[name=rz-confidence]:checked");
    if (!ranks.length) { status.textContent = words.need_diagnosis; answer.querySelector("[role=combobox]").focus(); return; }
    if (!confidence) { status.textContent = words.need_confidence; answer.querySelector("[name=rz-confidence]").focus(); return; }
    answer.querySelector(".rz-submit").disabled = true;
    status.textContent = words.sending;
    const comment = answer.querySelector("textarea").value;
    send({ token: value.token, ranks, confidence: Number(confidence.value), comment });
  });
  answer.querySelector("[role=combobox]").focus({ preventScroll: true });
}
async function ask(address, options) {
  try {
    const reply = await fetch(address, options);
    if (reply.status === 401) { window.location = "/login?next=/read/"; return; }
    const result = await reply.json();
    if (reply.ok) { show(result); window.scrollTo({ top: 0 }); } else tell(result.problem);
  } catch { tell(words.offline); }
}
const send = (body) => ask("/read/submit", { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) });
function tell(problem) {
  const status = root.querySelector(".rz-status");
  if (!status) { root.replaceChildren(field("p", { class: "rz-problem", role: "alert", text: problem })); return; }
  status.textContent = problem;
  root.querySelector(".rz-submit").disabled = false;
}
document.addEventListener("visibilitychange", () => note(document.hidden ? "hidden" : "visible"));
ask("/read/case");
