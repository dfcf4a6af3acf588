// The desk's place in the page, its words, and how its elements are made: text is always text, never HTML.
const root = element.querySelector(".rz-desk-root");
const words = props.words;

function field(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name === "text") node.textContent = value;
    else if (name === "do") node.addEventListener("click", value);
    else if (value === true) node.setAttribute(name, "");
    else if (value !== false && value != null) node.setAttribute(name, value);
  }
  node.append(...children.filter((child) => child != null));
  return node;
}
const say = (template, parts) => template.replace(/\{(\w+)\}/g, (_, name) => parts[name]);
const labelled = (text, control, help) => field("label", { class: "rz-field" }, field("span", { text }), control,
  help ? field("small", { class: "rz-quiet", text: help }) : null);
function choice(name, options, chosen, empty) {
  const box = field("select", { name, required: true });
  if (empty) box.append(field("option", { value: "", text: empty }));
  for (const [value, text] of options) box.append(field("option", { value, text, selected: value === chosen }));
  return box;
}
