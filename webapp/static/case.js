// One case on the desk: the viewer, the model where the arm shows it, the answer. The token travels inside the answer,
// taken at the click: a late or doubled click can never answer the next case.
const IDLE_SECONDS = 60;
let leaveCase = () => {};

function viewer(token) {
  const act = (name, text, toggle, label) => field("button", { type: "button", "data-do": name, text, "aria-label": label,
    "aria-pressed": toggle ? "false" : null });
  const tune = (name) => field("label", { text: words[name] },
    field("input", { type: "range", min: 30, max: 250, value: 100, "data-tune": name, "aria-label": words[name] }));
  return field("section", { class: "rz-viewer", "aria-label": words.viewer },
    field("div", { class: "rz-stage", tabindex: 0, role: "group", "aria-label": words.image, "aria-describedby": "rz-keys" },
      field("img", { src: `/image/${token}`, alt: words.image, draggable: "false" })),
    field("div", { class: "rz-tools", role: "toolbar", "aria-label": words.viewer },
      act("zoom-out", "−", false, words.zoom_out), act("zoom-in", "+", false, words.zoom_in), act("fit", words.fit), act("actual", words.actual),
      act("red-free", words.red_free, true), act("invert", words.invert, true), act("compare", words.compare, true), act("reset", words.reset),
      tune("brightness"), tune("contrast")),
    field("p", { id: "rz-keys", class: "rz-quiet", text: words.viewer_help }));
}
function levels(value) {
  const row = field("div", { class: "rz-levels" }, field("span", { class: "rz-quiet", text: words.low }));
  for (let n = 1; n <= value.confidence_levels; n++)
    row.append(field("label", {}, field("input", { type: "radio", name: "rz-confidence", value: n }), String(n)));
  row.append(field("span", { class: "rz-quiet", text: words.high }));
  return row;
}
function findings(value) {
  const box = field("details", { class: "rz-findings" }, field("summary", { text: words.findings }));
  for (const [id, name] of value.findings)
    box.append(field("label", {}, field("input", { type: "checkbox", name: "rz-finding", value: id }), name));
  return box;
}
function answerForm(value) {
  return field("form", { class: "rz-answer", novalidate: true },
    value.aided ? field("section", { class: "rz-aid", "aria-label": words.model_list }, field("h2", { text: words.model_title })) : null,
    value.locked_before ? lockedAnswer(value.previous) : null,
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
    field("fieldset", {}, field("legend", { text: words.confidence }), levels(value)),
    value.findings.length ? findings(value) : null,
    field("label", { class: "rz-comment", text: words.comment }, field("textarea", { rows: 2, maxlength: 2000 })),
    value.correcting ? field("label", { class: "rz-comment", text: words.reason }, field("input", { name: "rz-reason", maxlength: 500 })) : null,
    field("p", { class: "rz-status", role: "status", "aria-live": "polite" }),
    field("button", { type: "submit", class: "rz-submit", text: value.correcting ? words.submit_correction : words.submit }));
}
function lockedAnswer(previous) {
  const ranks = field("ol", {});
  for (const entry of previous.ranks) ranks.append(field("li", { text: entry.label }));
  return field("section", { class: "rz-locked", "aria-label": words.locked_before },
    field("h2", { text: words.locked_before }), ranks,
    field("p", { class: "rz-quiet", text: `${words.confidence} ${previous.confidence}` }));
}
function caseHead(value) {
  const head = field("div", { class: "rz-case" },
    field("h1", { text: value.title }),
    value.part ? field("p", { class: "rz-part", text: value.part }) : null,
    field("p", { text: value.position, class: "rz-position" }),
    field("progress", { max: value.total, value: value.number - 1, "aria-label": value.position }));
  if (value.seconds_left != null) head.append(field("p", { class: "rz-clock", role: "timer" }));
  if (value.synthetic) head.append(field("p", { class: "rz-quiet", text: words.synthetic }));
  head.append(field("p", { class: "rz-quiet", text: value.practice ? words.practice_help : words.leave }),
    field("p", { class: "rz-ways-out" },
      field("button", { type: "button", class: "rz-pause", text: words.pause }),
      field("button", { type: "button", text: words.my_studies, do: () => ask("/read/studies") })));
  return head;
}
function showCase(value) {
  const note = (kind) => fetch(`/read/event/${value.token}/${kind}`, { method: "POST", keepalive: true }).catch(() => {});
  const desk = field("div", { class: "rz-desk" }, caseHead(value), viewer(value.token), answerForm(value));
  root.replaceChildren(desk);
  const eye = attachViewer(desk.querySelector(".rz-viewer"));
  const answer = desk.querySelector("form");
  let touched = false;
  const touch = () => { if (!touched) { touched = true; note("first_interaction"); } };
  const differential = attachDifferential(desk.querySelector(".rz-differential"), words, value.k, value.free_text, touch);
  if (value.previous) {
    touched = true; // filling in is not the reader's doing
    fillIn(answer, differential, value.previous);
    touched = false;
  }
  desk.querySelector(".rz-stage img").addEventListener("load", () => note("shown"), { once: true });
  if (value.aided) attachAid(desk.querySelector(".rz-aid"), value.token, eye);
  const pauses = watchPauses(desk, note, touch);
  const clock = value.seconds_left == null ? null : runClock(desk.querySelector(".rz-clock"), value.seconds_left, pauses, () => eye.close(words.time_up));
  leaveCase = () => { pauses.stop(); clearInterval(clock); };
  answer.addEventListener("submit", (event) => {
    event.preventDefault();
    const status = answer.querySelector(".rz-status");
    const ranks = differential.entries().map((e) => e.id);
    const confidence = answer.querySelector("[name=rz-confidence]:checked");
    const reason = answer.querySelector("[name=rz-reason]")?.value ?? "";
    if (!ranks.length) { status.textContent = words.need_diagnosis; answer.querySelector("[role=combobox]").focus(); return; }
    if (!confidence) { status.textContent = words.need_confidence; answer.querySelector("[name=rz-confidence]").focus(); return; }
    if (value.correcting && !reason.trim()) { status.textContent = words.need_reason; answer.querySelector("[name=rz-reason]").focus(); return; }
    answer.querySelector(".rz-submit").disabled = true;
    status.textContent = words.sending;
    const tags = [...answer.querySelectorAll("[name=rz-finding]:checked")].map((box) => box.value);
    post("/read/submit", { token: value.token, ranks, confidence: Number(confidence.value),
      comment: answer.querySelector("textarea").value, findings: tags, reason });
  });
  answer.querySelector("[role=combobox]").focus({ preventScroll: true });
}
function fillIn(answer, differential, previous) {
  for (const entry of previous.ranks) differential.add(entry);
  const level = answer.querySelector(`[name=rz-confidence][value="${previous.confidence}"]`);
  if (level) level.checked = true;
  answer.querySelector("textarea").value = previous.comment;
  for (const box of answer.querySelectorAll("[name=rz-finding]")) box.checked = previous.findings.includes(box.value);
}
// Pauses as events of their own: the reader's own pause, a hidden tab, a minute without a touch.
function watchPauses(desk, note, touch) {
  const reasons = new Set();
  let idle = null;
  const cover = field("div", { class: "rz-cover", hidden: true },
    field("button", { type: "button", class: "rz-submit", text: words.resume, do: () => end("paused", "resumed") }));
  desk.append(cover);
  function begin(reason) { if (!reasons.has(reason)) { reasons.add(reason); note(reason); cover.hidden = !reasons.has("paused"); } }
  function end(reason, event) { if (reasons.delete(reason)) { note(event); cover.hidden = !reasons.has("paused"); } }
  function awake() {
    touch();
    end("idle", "active");
    clearTimeout(idle);
    idle = setTimeout(() => begin("idle"), IDLE_SECONDS * 1000);
  }
  const seen = () => (document.hidden ? begin("hidden") : end("hidden", "visible"));
  for (const name of ["pointerdown", "keydown", "wheel"]) desk.addEventListener(name, awake, { passive: true });
  document.addEventListener("visibilitychange", seen);
  desk.querySelector(".rz-pause").addEventListener("click", () => { begin("paused"); cover.querySelector("button").focus(); });
  idle = setTimeout(() => begin("idle"), IDLE_SECONDS * 1000);
  return {
    any: () => reasons.size > 0,
    stop: () => { clearTimeout(idle); document.removeEventListener("visibilitychange", seen); },
  };
}
function runClock(place, seconds, pauses, atEnd) {
  let left = seconds;
  const tick = () => {
    place.textContent = left > 0 ? say(words.seconds_left, { seconds: Math.ceil(left) }) : words.time_up;
    if (left <= 0) { clearInterval(clock); atEnd(); }
    if (!pauses.any()) left -= 1;
  };
  const clock = setInterval(tick, 1000);
  tick();
  return clock;
}
