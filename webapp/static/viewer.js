// An image viewer inside `root`: zoom, pan, fit, 1:1, brightness, contrast, red-free, invert, compare; mouse, touch, keys.
// The picture stays a plain <img>; what is seen is a CSS transform and filter, so the pixels are never re-encoded.
// Returns { overlay(url | null), beside(url | null, text), close(text) }.
function attachViewer(root) {
  const stage = root.querySelector(".rz-stage");
  const img = stage.querySelector("img");
  const plain = { redFree: false, invert: false, brightness: 100, contrast: 100 };
  const view = { scale: 1, x: 0, y: 0, fitted: true, share: 1, asIs: false, ...plain };
  let map = null;
  let second = null;
  const fitOf = (picture, share) => Math.min(stage.clientWidth, stage.clientHeight) / (picture.naturalWidth * share);
  const fitScale = () => fitOf(img, view.share);

  // The photograph lies on a black canvas that is the same for all cases of the study: fit to what is not black.
  function shareOf(picture) {
    const size = 64;
    const canvas = document.createElement("canvas");
    canvas.width = canvas.height = size;
    const brush = canvas.getContext("2d", { willReadFrequently: true });
    brush.drawImage(picture, 0, 0, size, size);
    const pixels = brush.getImageData(0, 0, size, size).data;
    let reach = 0;
    for (let i = 0; i < size * size; i++)
      if (pixels[4 * i] + pixels[4 * i + 1] + pixels[4 * i + 2] > 40)
        reach = Math.max(reach, Math.abs((i % size) - 31.5), Math.abs(Math.floor(i / size) - 31.5));
    return reach ? Math.min(1, (2 * reach + 3) / size) : 1;
  }
  function place(picture, scale) {
    picture.style.transform = `translate(-50%, -50%) translate(${view.x}px, ${view.y}px) scale(${scale})`;
  }
  function draw() {
    place(img, view.scale);
    const filters = [`brightness(${view.brightness}%)`, `contrast(${view.contrast}%)`];
    if (view.redFree) filters.unshift("url(#rz-red-free)");
    if (view.invert) filters.push("invert(1)");
    img.style.filter = view.asIs ? "" : filters.join(" ");
    if (map) {
      map.style.width = map.style.height = `${img.naturalWidth}px`;
      place(map, view.scale);
      map.hidden = view.asIs;
    }
    if (second?.naturalWidth) place(second, (view.scale / fitScale()) * fitOf(second, 1));
    for (const [name, on] of [["red-free", view.redFree], ["invert", view.invert], ["compare", view.asIs]])
      root.querySelector(`[data-do="${name}"]`).setAttribute("aria-pressed", String(on));
  }
  function zoom(factor, x = 0, y = 0) {
    view.fitted = false;
    const scale = Math.min(Math.max(view.scale * factor, fitScale() * 0.5), 16);
    const ratio = scale / view.scale;
    view.x = x - (x - view.x) * ratio;
    view.y = y - (y - view.y) * ratio;
    view.scale = scale;
    draw();
  }
  const act = {
    "zoom-in": () => zoom(1.25),
    "zoom-out": () => zoom(0.8),
    fit: () => { Object.assign(view, { scale: fitScale(), x: 0, y: 0, fitted: true }); draw(); },
    actual: () => { Object.assign(view, { scale: 1 / (window.devicePixelRatio || 1), x: 0, y: 0, fitted: false }); draw(); },
    "red-free": () => { view.redFree = !view.redFree; draw(); },
    invert: () => { view.invert = !view.invert; draw(); },
    compare: () => { view.asIs = !view.asIs; draw(); },
    reset: () => {
      Object.assign(view, plain, { asIs: false });
      for (const slider of root.querySelectorAll("[data-tune]")) slider.value = 100;
      act.fit();
    },
  };
  const keys = { "+": "zoom-in", "=": "zoom-in", "-": "zoom-out", 0: "fit", 1: "actual", r: "red-free", i: "invert", c: "compare" };
  const moves = { ArrowLeft: [40, 0], ArrowRight: [-40, 0], ArrowUp: [0, 40], ArrowDown: [0, -40] };

  root.addEventListener("click", (event) => {
    const name = event.target.closest("[data-do]")?.dataset.do;
    if (act[name]) act[name]();
  });
  root.addEventListener("input", (event) => {
    if (event.target.dataset.tune) { view[event.target.dataset.tune] = Number(event.target.value); draw(); }
  });
  stage.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const name = keys[event.key.toLowerCase()];
    if (name) act[name]();
    else if (moves[event.key]) { view.x += moves[event.key][0]; view.y += moves[event.key][1]; draw(); }
    else return;
    event.preventDefault();
  });
  stage.addEventListener("wheel", (event) => {
    event.preventDefault();
    const box = stage.getBoundingClientRect();
    zoom(event.deltaY < 0 ? 1.15 : 1 / 1.15,
      event.clientX - box.left - box.width / 2, event.clientY - box.top - box.height / 2);
  }, { passive: false });

  const fingers = new Map();
  stage.addEventListener("pointerdown", (event) => {
    stage.setPointerCapture(event.pointerId);
    fingers.set(event.pointerId, event);
  });
  stage.addEventListener("pointermove", (event) => {
    const before = fingers.get(event.pointerId);
    if (!before) return;
    const other = [...fingers.values()].find((f) => f.pointerId !== event.pointerId);
    if (other) {
      const span = (a, b) => Math.hypot(a.clientX - b.clientX, a.clientY - b.clientY) || 1;
      zoom(span(event, other) / span(before, other));
    } else {
      view.x += event.clientX - before.clientX;
      view.y += event.clientY - before.clientY;
      draw();
    }
    fingers.set(event.pointerId, event);
  });
  for (const name of ["pointerup", "pointercancel"])
    stage.addEventListener(name, (event) => fingers.delete(event.pointerId));
  new ResizeObserver(() => { if (view.fitted && img.naturalWidth) act.fit(); }).observe(stage);
  const begin = () => { view.share = shareOf(img); act.reset(); };
  if (img.complete && img.naturalWidth) begin();
  img.addEventListener("load", begin);

  return {
    overlay(url) {
      map?.remove();
      map = url ? Object.assign(new Image(), { src: url, alt: "", className: "rz-map", draggable: false }) : null;
      if (map) { stage.append(map); draw(); }
    },
    beside(url, text) {
      root.querySelector(".rz-beside")?.remove();
      second = null;
      if (url) {
        const pane = document.createElement("figure");
        pane.className = "rz-beside";
        second = Object.assign(new Image(), { src: url, alt: text });
        second.addEventListener("load", draw);
        pane.append(second, Object.assign(document.createElement("figcaption"), { textContent: text }));
        stage.after(pane);
      }
      root.classList.toggle("rz-two", Boolean(url));
    },
    close(text) {
      stage.replaceChildren(Object.assign(document.createElement("p"), { className: "rz-closed", textContent: text }));
      root.querySelector(".rz-beside")?.remove();
    },
  };
}
