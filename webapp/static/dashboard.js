// The dashboard: draws figures, shows other parts of the results without a new page, hands figures out.
(() => {
  const results = document.getElementById("rz-results");
  if (!results) return;
  const form = document.getElementById("rz-filters");
  const config = { responsive: true, displaylogo: false, displayModeBar: false };
  let figures = {};
  let latest = 0;

  function draw(text) {
    figures = JSON.parse(text);
    for (const [name, figure] of Object.entries(figures)) {
      const place = document.getElementById(`figure-${name}`);
      if (place) Plotly.newPlot(place, figure.data, figure.layout, config);
    }
  }

  async function show() {
    const asked = new URLSearchParams(new FormData(form));
    for (const [key, value] of [...asked]) if (!value) asked.delete(key);
    const mine = ++latest;
    results.setAttribute("aria-busy", "true");
    const answer = await fetch(`/manage/results/section?${asked}`);
    if (mine !== latest) return;
    if (!answer.ok) return location.reload();
    const found = await answer.json();
    document.querySelectorAll(".rz-figure").forEach((each) => Plotly.purge(each));
    results.innerHTML = found.html;
    draw(found.figures);
    results.setAttribute("aria-busy", "false");
    history.replaceState(null, "", `?${asked}`);
    for (const way of document.querySelectorAll("[data-section]")) {
      const at = new URLSearchParams(asked);
      at.set("section", way.dataset.section);
      way.href = `?${at}`;
      if (way.dataset.section === asked.get("section")) way.setAttribute("aria-current", "page");
      else way.removeAttribute("aria-current");
    }
  }

  form.addEventListener("change", (event) => {
    // another study has other choices: a whole new page
    if (event.target.name === "study") location.search = new URLSearchParams({ study: event.target.value, section: form.elements.section.value });
    else show();
  });
  form.addEventListener("submit", (event) => { event.preventDefault(); show(); });
  document.addEventListener("click", (event) => {
    const way = event.target.closest("[data-section]");
    if (way && !event.ctrlKey && !event.metaKey) {
      event.preventDefault();
      form.elements.section.value = way.dataset.section;
      show();
    }
    const taken = event.target.closest("[data-format]");
    if (taken) {
      const name = taken.dataset.figure;
      const { height } = figures[name].layout;
      Plotly.downloadImage(`figure-${name}`, { format: taken.dataset.format, filename: name, width: 1000, height, scale: 2 });
    }
  });
  addEventListener("DOMContentLoaded", () => draw(document.getElementById("rz-figures").textContent));
})();
