// The planning page: asks for the power of what the sliders say, and tells how far the simulation is.
(() => {
  const form = document.getElementById("rz-plan-form");
  const answer = document.getElementById("rz-plan-answer");
  const progress = document.getElementById("rz-plan-progress");
  const page = document.getElementById("rz-plan");
  let latest = 0;
  let waiting;

  function tell() {
    for (const input of form.querySelectorAll("input")) form.querySelector(`output[for="${input.id}"]`).textContent = input.value;
  }

  async function ask(mine) {
    const found = await (await fetch(`/manage/planning/power?${new URLSearchParams(new FormData(form))}`)).json();
    if (mine !== latest) return;
    progress.max = found.of;
    progress.value = found.done;
    if (found.html) answer.innerHTML = found.html;
    page.dataset.done = String(found.done >= found.of);
    if (found.done < found.of) setTimeout(() => ask(mine), 400);
  }

  function changed() {
    tell();
    page.dataset.done = "false";
    clearTimeout(waiting);
    waiting = setTimeout(() => ask(++latest), 250);
  }

  form.addEventListener("input", changed);
  form.addEventListener("submit", (event) => event.preventDefault());
  changed();
})();
