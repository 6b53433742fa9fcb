"use strict";
(() => {
  const byId = (id) => document.getElementById(id);
  const data = JSON.parse(byId("threshold-data").textContent);
  const slider = byId("threshold");
  const inputs = [byId("cost-miss"), byId("cost-alarm")];
  const cursors = [byId("threshold-cursor-0"), byId("threshold-cursor-1")];
  const curve = byId("threshold-cost").querySelector("path");
  const ceiling = byId("threshold-ceiling").querySelector("text") || byId("threshold-ceiling");
  const start = data.x[Number(slider.value)];
  const total = data.rare + data.other;
  let costs = [];

  const share = (value) => (Number.isFinite(value) ? value.toFixed(3) : "–");
  const amount = (value) => {
    if (!Number.isFinite(value)) return "–";
    const digits = value < 10 ? 2 : value < 100 ? 1 : 0;
    return Number(value.toFixed(digits)).toLocaleString("en-US", {
      minimumFractionDigits: digits,
    });
  };

  function showThreshold() {
    const i = Number(slider.value);
    const tp = data.tp[i], fp = data.fp[i];
    const precision = share(tp / (tp + fp)), recall = share(tp / data.rare);
    byId("threshold-value").textContent = data.shown[i];
    byId("apply-threshold").textContent = data.shown[i];
    byId("copied").textContent = "";
    byId("at-precision").textContent = precision;
    byId("at-recall").textContent = recall;
    byId("at-f1").textContent = share((2 * tp) / (tp + fp + data.rare));
    byId("at-alarms").textContent = amount((1000 * (tp + fp)) / total);
    byId("at-missed").textContent = amount((1000 * (data.rare - tp)) / total);
    byId("at-cost").textContent = amount(costs[i]);
    slider.setAttribute(
      "aria-valuetext",
      `${data.shown[i]}: precision ${precision}, recall ${recall}`
    );
    for (const cursor of cursors) {
      cursor.setAttribute("transform", `translate(${data.x[i] - start} 0)`);
    }
  }

  function leastCostIndex() {
    let least = 0;
    costs.forEach((cost, i) => { if (cost < costs[least]) least = i; });
    return least;
  }

  function updateCosts() {
    const [miss, alarm] = inputs.map((input) =>
      input.value !== "" && input.validity.valid ? Number(input.value) : NaN
    );
    costs = data.tp.map(
      (tp, i) => (1000 * (miss * (data.rare - tp) + alarm * data.fp[i])) / total
    );
    const known = costs.every(Number.isFinite);
    byId("least").disabled = !known;
    byId("least").textContent = `Least cost: ${known ? data.shown[leastCostIndex()] : "–"}`;
    const ofAll = (1000 * alarm * data.other) / total, ofNone = (1000 * miss * data.rare) / total;
    byId("cost-of-all").textContent = amount(ofAll);
    byId("cost-of-none").textContent = amount(ofNone);
    if (known) drawCosts(Math.min(ofAll, ofNone));
    showThreshold();
  }

  // The cost of predicting all rows alike, whichever is cheaper, sets the scale.
  function drawCosts(trivial) {
    const least = Math.min(...costs), most = Math.max(...costs);
    const top = 1.2 * Math.max(trivial, least) || 1.2 * most || 1;
    const [zero, full] = data.y;
    // The panel clips the path, so that greater values need not be exact.
    const points = costs.map((cost, i) => {
      const y = zero + (full - zero) * Math.min(cost / top, 3);
      return `${data.x[i]} ${y.toFixed(2)}`;
    });
    curve.setAttribute("d", `M ${points.join(" L ")}`);
    ceiling.textContent = amount(top);
  }

  // Where a page may not write to the clipboard, the text is selected for the reader.
  async function copyApplication() {
    const code = byId("apply");
    let told = "Copied";
    try {
      await navigator.clipboard.writeText(code.textContent);
    } catch {
      getSelection().selectAllChildren(code);
      told = "Selected: copy it with the keyboard";
    }
    byId("copied").textContent = told;
  }

  slider.addEventListener("input", showThreshold);
  byId("copy").addEventListener("click", copyApplication);
  inputs.forEach((input) => input.addEventListener("input", updateCosts));
  document.querySelectorAll("button[data-at]").forEach((button) =>
    button.addEventListener("click", () => { slider.value = button.dataset.at; showThreshold(); })
  );
  byId("least").addEventListener("click", () => { slider.value = leastCostIndex(); showThreshold(); });
  byId("threshold-controls").hidden = false;
  document.documentElement.classList.add("live");
  updateCosts();
})();
