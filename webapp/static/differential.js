// A ranked differential inside `root`: a combobox (WAI-ARIA pattern) that suggests diagnoses from the catalogue, and a
// list whose order is the rank, changed by buttons or by drag. Returns { add(entry), entries() }; an entry is {id, label}, best first.
function attachDifferential(root, words, k, freeText, onChange) {
  const input = root.querySelector("[role=combobox]");
  const box = root.querySelector("[role=listbox]");
  const list = root.querySelector("ol");
  let entries = [];
  let options = [];
  let active = -1;
  let asked = 0;

  function add(entry) {
    if (entries.length >= k || entries.some((e) => e.id === entry.id)) return;
    const alone = entry.id === "ungradable";
    entries = alone ? [entry] : [...entries.filter((e) => e.id !== "ungradable"), entry];
    input.value = "";
    close();
    draw();
    onChange();
  }
  function move(from, to) {
    if (to < 0 || to >= entries.length) return;
    entries.splice(to, 0, entries.splice(from, 1)[0]);
    draw();
    onChange();
  }
  function button(label, sign, action) {
    const b = document.createElement("button");
    b.type = "button";
    b.setAttribute("aria-label", label);
    b.title = label;
    b.textContent = sign;
    b.addEventListener("click", action);
    return b;
  }
  function draw() {
    list.replaceChildren();
    entries.forEach((entry, i) => {
      const item = document.createElement("li");
      const name = document.createElement("span");
      name.textContent = entry.label;
      item.draggable = true;
      item.append(name,
        button(say(words.up, { name: entry.label }), "↑", () => { move(i, i - 1); list.children[Math.max(i - 1, 0)].querySelector("button").focus(); }),
        button(say(words.down, { name: entry.label }), "↓", () => { move(i, i + 1); list.children[Math.min(i + 1, entries.length - 1)].querySelectorAll("button")[1].focus(); }),
        button(say(words.remove, { name: entry.label }), "×", () => { entries.splice(i, 1); draw(); input.focus(); onChange(); }));
      item.addEventListener("dragstart", (event) => event.dataTransfer.setData("text/plain", String(i)));
      item.addEventListener("dragover", (event) => event.preventDefault());
      item.addEventListener("drop", (event) => { event.preventDefault(); move(Number(event.dataTransfer.getData("text/plain")), i); });
      list.append(item);
    });
    root.querySelector(".rz-empty").hidden = entries.length > 0;
    input.disabled = entries.length >= k;
  }
  function close() {
    box.hidden = true;
    active = -1;
    input.setAttribute("aria-expanded", "false");
    input.removeAttribute("aria-activedescendant");
  }
  function show() {
    box.replaceChildren();
    options.forEach((option, i) => {
      const row = document.createElement("li");
      row.id = `${box.id}-${i}`;
      row.setAttribute("role", "option");
      row.setAttribute("aria-selected", String(i === active));
      row.textContent = option.shown;
      row.addEventListener("mousedown", (event) => { event.preventDefault(); add(option); });
      box.append(row);
    });
    box.hidden = options.length === 0;
    input.setAttribute("aria-expanded", String(options.length > 0));
    if (active >= 0) input.setAttribute("aria-activedescendant", `${box.id}-${active}`);
    else input.removeAttribute("aria-activedescendant");
  }
  async function suggest() {
    const text = input.value.trim();
    const mine = ++asked;
    if (!text) { options = []; close(); return; }
    let found = [];
    try {
      const answer = await fetch(`/read/suggest?q=${encodeURIComponent(text)}`);
      if (answer.ok) found = await answer.json();
    } catch { /* without suggestions the reader can still use the text as typed */ }
    if (mine !== asked) return;
    options = found.map((d) => ({ id: d.id, label: d.label, shown: d.label }));
    if (freeText && !found.some((d) => d.exact)) options.push({ id: text, label: text, shown: say(words.as_typed, { text }) });
    active = options.length ? 0 : -1;
    show();
  }
  input.addEventListener("input", suggest);
  input.addEventListener("blur", close);
  input.addEventListener("keydown", (event) => {
    const open = !box.hidden;
    if (event.key === "ArrowDown" && open) active = (active + 1) % options.length;
    else if (event.key === "ArrowUp" && open) active = (active - 1 + options.length) % options.length;
    else if (event.key === "Enter" && open && active >= 0) { event.preventDefault(); add(options[active]); return; }
    else if (event.key === "Escape") { close(); return; }
    else return;
    event.preventDefault();
    show();
  });
  for (const quick of root.querySelectorAll("[data-entry]"))
    quick.addEventListener("click", () => add({ id: quick.dataset.entry, label: quick.textContent.trim() }));
  draw();
  return { add, entries: () => entries.slice() };
}
